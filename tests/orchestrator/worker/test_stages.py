"""A unit whose training has stages, killed in each of them, ends as one that was not."""

from __future__ import annotations

import pytest

from orchestrator.units import unit as units
from tests.orchestrator.in_process import assert_same, runs

SPEC = """\
name: stages
data: {train: photos/train, test: photos/eval}
folds: {k: 2}
members:
  - name: net
    model: test_resnet
    image_size: [32, 32]
    epochs: 5
    batch_size: 32
    dropout: 0.2
    head_first: {epochs: 1, lr: 0.01}
    swa: {epochs: 2, lr: 0.001}
    select: last
"""


@pytest.fixture
def run(tmp_path, eighteen_people, monkeypatch):
    return runs(SPEC, tmp_path, eighteen_people, monkeypatch)


def test_killed_after_any_epoch_it_goes_on_and_ends_bit_for_bit_the_same(run):
    whole, broken = run("whole"), run("broken")
    unit = whole.units("net")[1]
    whole.train([unit])
    for epoch in range(1, 6):
        with pytest.raises(KeyboardInterrupt):
            broken.train([unit], stop_after=epoch)
        assert not units.is_done(unit, broken.store, broken.photographs.test_hash)
    broken.train([unit])
    assert_same(whole.result(unit), broken.result(unit))
    record = broken.store.read_json(f"{unit.path}/unit.json")
    assert record["resumed_after_epoch"] == 5
    assert record["metrics"]["epoch"] == 5
    assert [row["lr"] for row in record["history"]][-2:] == [0.001, 0.001]
