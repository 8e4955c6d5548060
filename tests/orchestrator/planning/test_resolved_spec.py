"""A run goes on by the `spec.yaml` that it writes, in which the settings found stand, as by its own spec."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from members.samples.people import draw_people
from tests.orchestrator import one_slot

SPEC = """\
name: r
data: {train: photos/train, test: photos/eval}
folds: {k: 2}
defaults: {image_size: [32, 32], epochs: 2, batch_size: 16, augmentation: flip, smoothing: 0.2}
members:
  - {name: net, model: test_resnet, lr: 3e-2, loss: {f1: 1, focal: 1}}
  - {name: other, model: test_vit, targets: [gender]}
search:
  members: [net]
  space: {lr: {choice: [1e-3, 1e-2]}, epochs: {choice: [2, 3]}, loss: {choice: [f1, label_smoothing]}}
  candidates: 3
  sampler: grid
  asha: {grace_epochs: 2}
tracking: []
"""
RUN = Path("runs/r")
RESOLVED = str(RUN / "spec.yaml")


@pytest.fixture(scope="module")
def command(tmp_path_factory) -> Iterator[one_slot.Commands]:
    folder = tmp_path_factory.mktemp("resolved")
    draw_people(folder / "photos", profiles=8, eval=2, size=(32, 32))
    (folder / "spec.yaml").write_text(SPEC)
    with one_slot.commands(folder) as command:
        command("train-members", "spec.yaml")
        yield command


def contents() -> dict[str, bytes]:
    """Of all but what a call says of itself."""
    files = (f for f in RUN.rglob("*") if f.is_file())
    return {str(f): f.read_bytes() for f in files if f.name not in (".lock", "progress.json")}


def planned(command: one_slot.Commands, spec: str, *sets: str) -> dict:
    command("check", spec, "--json", "plan.json", *(("--set", *sets) if sets else ()))
    return json.loads(Path("plan.json").read_text())


def test_nothing_is_trained_and_the_search_stays_bit_for_bit(command):
    before = contents()
    assert f"{RUN / 'search/net.json'}" in before
    begun = len(command.begun)
    for spec in (RESOLVED, "spec.yaml", RESOLVED):
        said = command("check", spec)
        assert "Everything is trained" in said
        assert "another search" not in said
        assert "Nothing to do" in command("train-members", spec)
        assert len(command.begun) == begun
        assert contents() == before


def test_both_specs_are_of_the_same_units(command):
    plans = [planned(command, spec) for spec in ("spec.yaml", RESOLVED)]
    for found in plans:
        assert found["trained_again"] == []
        assert [(row["candidates"], row["units"], row["done"]) for row in found["members"]] == [
            (0, 2, 2),
            (0, 2, 2),
        ]
    assert plans[0]["members"] == plans[1]["members"]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ("search.space.lr={choice: [1e-3, 1e-1]}", "another search"),
        ("search.seed=1", "another search"),
        ("members.net.weight_decay=0.3", "weight_decay: 0.01 -> 0.3"),
    ],
)
def test_a_search_that_is_another_one_is_said_to_be(command, changed, why):
    for spec in ("spec.yaml", RESOLVED):
        (again,) = planned(command, spec, changed)["trained_again"]
        assert (again["member"], again["reasons"]) == ("net", [why])


def test_a_setting_that_the_search_draws_may_be_written_otherwise(command):
    for spec in ("spec.yaml", RESOLVED):
        assert planned(command, spec, "members.net.lr=0.5")["trained_again"] == []


def test_a_search_goes_on_by_the_resolved_spec(command):
    """Last: it changes the run."""
    begun = len(command.begun)
    command("train-members", RESOLVED, "--set", "search.candidates=4")
    assert [c for c in command.begun[begun:] if c] == [("net", 3)]
    assert "Everything is trained" in command("check", "spec.yaml", "--set", "search.candidates=4")
