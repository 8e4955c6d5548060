"""A unit whose batches do not fit the memory: what it went on with stands in its record."""

import numpy as np
import pytest

from members.recipe.recipe import Recipe
from orchestrator.units.record import SmallerBatches, read_record
from tests.members.small_memory import small_memory
from tests.orchestrator.in_process import assert_same, runs

SPEC = """\
name: w
data: {train: photos/train, test: photos/eval}
folds: {k: 3}
defaults: {image_size: [32, 32], batch_size: 16, validation_batch_size: 32, augmentation: flip}
members:
  - {name: net, model: test_vit, epochs: 2, optimizer: sgd, lr: 0.02}
  - {name: wide, model: test_resnet, epochs: 1}
"""


@pytest.fixture
def run(tmp_path, eighteen_people, monkeypatch):
    return runs(SPEC, tmp_path, eighteen_people, monkeypatch)


def notes(one) -> list[str]:
    return [report["message"] for report in one.reports if report["event"] == "note"]


def test_it_trains_what_it_would_have_and_says_so(run):
    whole, small = run("whole"), run("small")
    (unit, *_) = whole.units("net")
    whole.train([unit])
    with small_memory(train=4, look=7):
        small.train([unit])
    (said,) = notes(small)
    assert said.startswith(
        "net fold 0 ran out of memory; since epoch 1 it trains as with batch_size 4"
    )
    assert "accumulate 4" in said
    assert "it validates and predicts 4 photos at once" in said
    assert notes(whole) == []
    assert small.store.read_json(f"{unit.path}/unit.json")["out_of_memory"] == {
        "batch_size": 4, "accumulate": 4, "since": 1, "validation_batch_size": 4,
    }  # fmt: skip
    assert "out_of_memory" not in whole.store.read_json(f"{unit.path}/unit.json")
    for ours, theirs in zip(small.result(unit)[1:], whole.result(unit)[1:], strict=True):
        columns = ours.filter(regex=r"^p\d+$").columns
        assert (ours["image_id"] == theirs["image_id"]).all()
        np.testing.assert_allclose(ours[columns], theirs[columns], atol=1e-4)


def test_killed_and_gone_on_with_it_knows_what_fits(run):
    whole, broken = run("whole"), run("broken")
    (unit, *_) = whole.units("net")
    with small_memory(train=4):
        whole.train([unit])
    with small_memory(train=4) as memory:
        with pytest.raises(KeyboardInterrupt):
            broken.train([unit], stop_after=1)
        assert memory.failed == [16, 8]
        broken.train([unit])
    assert memory.failed == [16, 8]
    assert_same(whole.result(unit), broken.result(unit))
    record = read_record(unit.path, broken.store)
    assert record.resumed_after_epoch == 1
    assert record.out_of_memory == read_record(unit.path, whole.store).out_of_memory


def test_predictions_alone_may_not_fit(run):
    one = run("one")
    (unit, *_) = one.units("wide")
    with small_memory() as memory:
        one.train([unit])
        for table in ("oof", "test"):  # as if new test photographs had come
            one.store.delete(f"{unit.path}/{table}.parquet")
        memory.look = 9
        one.train([unit])
    record = read_record(unit.path, one.store)
    assert record.out_of_memory == SmallerBatches(validation_batch_size=8)
    assert "it validates and predicts 8 photos" in record.out_of_memory.line()


def test_a_network_of_which_not_one_photo_fits_fails_with_what_takes_less(run):
    one = run("one")
    net, wide = one.units("net")[0], one.units("wide")[0]
    with small_memory(train=0):
        one.train([net, wide])
    failed = {
        report["unit"]: report["message"] for report in one.reports if report["event"] == "failed"
    }
    assert "with 1 photo at once" in failed[net.path]
    assert "2 photos at once, the fewest that batch norm takes" in failed[wide.path]
    for message in failed.values():
        assert "smaller image_size" in message
        assert "Tried to allocate" in message


def test_of_several_workers_it_is_the_unit_s_batch_that_is_named():
    recipe = Recipe(model="test_vit", batch_size=20, accumulate=2)
    found = SmallerBatches.of({"train": 3, "since": 2, "look": None}, recipe, workers=2)
    assert (found.batch_size, found.accumulate, found.since) == (6, 8, 2)
    assert SmallerBatches.of({}, recipe, workers=2) == SmallerBatches()
    # of 8 photos 4 go through the network, and 2 at once are as of a batch of 4
    half = {"kind": "mixup", "mode": "half", "last_epoch": 3}
    recipe = Recipe(model="x", batch_size=8, mixing=half)
    found = SmallerBatches.of({"train": 2, "since": 3}, recipe, workers=1)
    assert (found.batch_size, found.accumulate) == (4, 2)
    found = SmallerBatches.of({"train": 2, "since": 4}, recipe, workers=1)
    assert (found.batch_size, found.accumulate) == (2, 4)
    assert SmallerBatches().line() == ""
