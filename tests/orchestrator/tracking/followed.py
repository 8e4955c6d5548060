"""A run whose units trackers follow, one of which dies and goes on, and what TensorBoard reads of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

SPEC = """\
name: followed
data: {train: photos/train}
folds: {k: 2}
defaults: {image_size: [32, 32], epochs: 3, batch_size: 32}
members:
  - {name: net, model: test_resnet, seeds: [7]}
  - {name: wild, model: test_resnet, optimizer: sgd, lr: 1.0e+30, schedule: constant}
"""
CURVES = {"train_loss", "loss", "macro_f1", "accuracy", "lr", "photos_per_second"}


def killed_and_resumed(run, tracker: str, after_death=lambda: None):
    """A run whose unit died after its second epoch and went on; the unit, and its history."""
    r = run("r", [tracker])
    unit = r.units("net")[1]
    with pytest.raises(KeyboardInterrupt):
        r.train([unit], stop_after=2)
    after_death()
    r.train([unit])
    assert not r.store.exists(f"{unit.path}/tracking-failed.txt"), r.store.read(
        f"{unit.path}/tracking-failed.txt"
    ).decode()
    return r, unit, r.store.read_json(f"{unit.path}/unit.json")["history"]


def board(folder: str | Path) -> EventAccumulator:
    """As TensorBoard itself reads the files."""
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0, "images": 0})
    return found.Reload()


def assert_logged_once(found: EventAccumulator, history: list[dict]) -> None:
    assert set(found.Tags()["scalars"]) == CURVES
    for name in CURVES:
        logged = found.Scalars(name)
        assert [event.step for event in logged] == [row["epoch"] for row in history]
        assert [e.value for e in logged] == pytest.approx([row[name] for row in history])
