"""A unit whose training has stages, killed in each of them, ends as one that was not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from members.networks.cost import multiply_accumulates
from members.pixels import cache
from members.recipe.recipe import Recipe
from orchestrator.cluster.preflight import cost_of
from orchestrator.photographs.cache import cache_folder, damaged_caches
from orchestrator.units import unit as units
from orchestrator.worker.inputs import Inputs
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
    sizes: [[16, 24], [32, 32]]
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


def test_each_size_has_its_own_decoded_photographs_and_only_the_training_part_has_more(run):
    one = run("one")
    (unit, *_) = one.units("net")
    inputs = Inputs(one.store, cache_folder())
    train, test = inputs.photos(unit, "train"), inputs.photos(unit, "test")
    frame = one.photographs.train
    for size, got in (((32, 32), train.pixels), ((16, 24), train.sizes[16, 24])):
        expected = cache.pixels(
            frame["path"].tolist(), frame["digest"].tolist(), size=size, crop=None,
            folder=cache_folder(),
        )  # fmt: skip
        assert got.shape == (len(frame), *size, 3)
        assert (np.asarray(got) == np.asarray(expected)).all()
    assert set(train.sizes) == {(16, 24)}
    assert not test.sizes


def test_damage_in_the_decoded_photographs_of_any_size_is_found(run):
    one = run("one")
    (unit, *_) = one.units("net")
    Inputs(one.store, cache_folder()).photos(unit, "train")
    (small,) = Path(cache_folder()).glob("16x24-*.npy")
    content = bytearray(small.read_bytes())
    content[-2000] ^= 255
    small.write_bytes(content)
    notes = damaged_caches(one.spec, [one.photographs.train], lambda *_: None)
    assert len(notes) == 1
    assert "16x24" in notes[0]


def test_a_unit_costs_what_its_epochs_do_at_their_sizes(run):
    one = run("one")
    small, large = (
        multiply_accumulates(Recipe(model="test_resnet", image_size=size), 18)
        for size in ((16, 24), (32, 32))
    )
    photos = len(one.photographs.train)
    cost = cost_of(one.photographs)(one.spec.member("net"))
    assert cost == pytest.approx(3 * photos * (3 * small + 2 * large))
