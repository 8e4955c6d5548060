"""A run two of whose units fail, and what tests ask of it."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.worker import loop

SPEC = """\
name: small
data: {layout: folders, train: photos/train, test: photos/test}
folds: {k: 3}
defaults: {image_size: [32, 32], epochs: 1, batch_size: 8, model: test_resnet}
members:
  - {name: whole}
  - {name: lacking, seeds: [1, 2], model: test_vit}
  - {name: common, select: common_epoch}
"""
(COMMON,) = [line for line in SPEC.splitlines(keepends=True) if "name: common" in line]
# of fold 1 one seed is done
FAILING = ("lacking fold 1 seed 2", "common fold 2")
P = ["p0", "p1"]


def fail(patch, titles=(), interrupt_before=None):
    """Let units fail, by their titles; or a signal come before one begins."""
    train_unit = loop.train_unit

    def train(unit, process, report):
        if unit.title == interrupt_before:
            raise KeyboardInterrupt
        if unit.title in titles:
            raise RuntimeError("the loss became nan")
        return train_unit(unit, process, report)

    patch.setattr(loop, "train_unit", train)


def words(text):
    return " ".join(text.split())


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def unit(root: Path, name: str) -> Path:
    (found,) = root.glob(f"units/lacking/*/{name}")
    return found


def record_of(cwd: Path, vote: str) -> dict:
    return json.loads((cwd / f"runs/small/votes/{vote}/vote.json").read_text())
