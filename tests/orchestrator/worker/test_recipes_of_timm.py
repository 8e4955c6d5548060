"""A unit with timm's recipe and larger copies: it is gone on with, and validates as without."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from orchestrator.photographs.cache import cache_folder, damaged_caches
from orchestrator.units.unit import member_hash
from orchestrator.worker.inputs import Inputs
from tests.orchestrator.in_process import assert_same, runs

SPEC = """\
name: timm
data: {train: photos/train, test: photos/eval}
folds: {k: 2}
members:
  - name: net
    model: test_resnet
    image_size: [32, 24]
    margin: 1.5
    epochs: 3
    batch_size: 16
    augmentation: resized_crop
    auto_augment: rand-m9-mstd0.5-inc1
    erasing: {probability: 0.25}
    repeats: 3
    mixing: {kind: mixup, alpha: 0.8, switch: {kind: cutmix}, mode: elem}
    loss: bce
    bce_threshold: 0.2
    ema: {decay: 0.99, warmup_power: 0.667}
    optimizer: lamb
    layer_decay: 0.8
  - {name: plain, model: test_resnet, image_size: [32, 24]}
"""


@pytest.fixture
def run(tmp_path, eighteen_people, monkeypatch):
    return runs(SPEC, tmp_path, eighteen_people, monkeypatch)


def test_killed_after_any_epoch_it_goes_on_and_ends_bit_for_bit_the_same(run):
    whole, broken = run("whole"), run("broken")
    unit = whole.units("net")[1]
    whole.train([unit])
    for epoch in (1, 2, 3):
        with pytest.raises(KeyboardInterrupt):
            broken.train([unit], stop_after=epoch)
    broken.train([unit])
    assert_same(whole.result(unit), broken.result(unit))


def test_validation_and_predictions_are_of_the_photos_as_without_a_margin(run):
    one = run("one")
    (net, *_), (plain, *_) = one.units("net"), one.units("plain")
    inputs = Inputs(one.store, cache_folder())
    train, test = inputs.photos(net, "train"), inputs.photos(net, "test")
    assert set(train.sizes) == {(48, 36)}
    assert not test.sizes
    for part in ("train", "test"):
        mine, theirs = (inputs.photos(unit, part).pixels for unit in (net, plain))
        np.testing.assert_array_equal(np.asarray(mine), np.asarray(theirs))
    path = one.photographs.train["path"].iloc[0]
    photo = np.asarray(Image.open(path).convert("RGB"))
    for size, got in (((32, 24), train.pixels[0]), ((48, 36), train.sizes[48, 36][0])):
        expected = cv2.resize(photo, size[::-1], interpolation=cv2.INTER_AREA)
        np.testing.assert_array_equal(got, expected)
    assert list(Path(cache_folder()).glob("48x36-*.npy"))
    assert damaged_caches(one.spec, [one.photographs.train], lambda *_: None) == []


def test_each_key_that_is_used_makes_another_unit_and_none_of_its_defaults_does(run):
    one = run("one")
    plain = one.spec.member("plain")
    own = plain.recipe

    def digest(**settings):
        changed = own.__class__(**{**own.model_dump(), **settings})
        return member_hash(plain.model_copy(update={"recipe": changed}), one.photographs)

    unchanged = {
        "margin": None, "auto_augment": None, "erasing": None, "repeats": 1, "bce_threshold": None,
        "bce_sum": False, "ema": None,
    }  # fmt: skip
    assert digest(**unchanged) == digest()
    crop = {"augmentation": "resized_crop"}
    found = [
        digest(), digest(**crop), digest(**crop, margin=1.5), digest(auto_augment="v0"),
        digest(erasing={"probability": 0.5}), digest(**crop, repeats=2), digest(loss="bce"),
        digest(loss="bce", bce_sum=True), digest(ema=0.9), digest(ema={"decay": 0.9}),
        digest(mixing={"kind": "mixup"}), digest(mixing={"kind": "mixup", "mode": "elem"}),
        digest(mixing={"kind": "mixup", "switch": {"kind": "cutmix"}}),
    ]  # fmt: skip
    assert len({*found}) == len(found)
