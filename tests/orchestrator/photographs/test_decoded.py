"""Copies that are made while photographs are read: all that the members train on, and no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from members.pixels import cache
from members.samples.people import draw_people
from orchestrator.photographs.decoded import Decoding
from orchestrator.photographs.files import write_photographs
from orchestrator.photographs.prepare import prepare_photographs
from orchestrator.runs.store import Store
from orchestrator.spec import load
from orchestrator.units import unit as units
from orchestrator.worker.inputs import Inputs

SPEC = """\
name: d
data: {train: photos/train, test: photos/eval}
folds: {k: 2}
defaults: {model: test_resnet, image_size: [32, 24], epochs: 2, batch_size: 8}
members:
  - {name: plain}
  - {name: other, image_size: [16, 16]}
  - {name: margin, margin: 1.5, augmentation: resized_crop}
"""


@pytest.fixture
def spec(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENSEMBLE_CACHE", str(tmp_path / "cache"))
    draw_people(tmp_path / "photos", profiles=6, eval=5, seed=3, size=(64, 48))
    (tmp_path / "spec.yaml").write_text(SPEC)
    return load(Path("spec.yaml"))


def read(spec, names: list[str]) -> Inputs:
    """What a training process reads, of photographs that were decoded for these members."""
    with Decoding(spec, names) as decoding:
        prepared = prepare_photographs(spec, decoding=decoding)
        decoding.finish(prepared.photographs, names)
    store = Store(Path("run"))
    write_photographs(prepared.photographs, store)
    return Inputs(store, "cache")


def shapes() -> set[tuple[int, ...]]:
    return {np.load(file, mmap_mode="r").shape[:3] for file in Path("cache").glob("*.npy")}


def test_all_that_members_train_on_and_predict_is_there_before_they_begin(spec, monkeypatch):
    inputs = read(spec, ["plain", "other", "margin"])
    train, test = len(inputs.photographs.train), len(inputs.photographs.test)
    assert shapes() == {
        (train, 32, 24), (train, 16, 16), (train, 48, 36), (test, 32, 24), (test, 16, 16),
    }  # fmt: skip

    def decoded_again(*_):
        raise AssertionError("a photograph is decoded a second time")

    monkeypatch.setattr(cache, "decode", decoded_again)
    for member in spec.members:
        unit = units.of_member(member, inputs.photographs)[0]
        for part in ("train", "test"):
            photos = inputs.photos(unit, part)
            assert photos.pixels[:2].shape == (2, *member.recipe.image_size, 3)


def test_nothing_is_made_for_members_that_are_not_trained(spec):
    inputs = read(spec, ["other"])
    train, test = len(inputs.photographs.train), len(inputs.photographs.test)
    assert shapes() == {(train, 16, 16), (test, 16, 16)}
