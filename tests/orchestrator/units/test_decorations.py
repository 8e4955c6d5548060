"""Pictures that cannot be drawn, and names that no picture can show, cost no unit anything."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from members.samples.people import draw_people
from orchestrator.units import pictures
from orchestrator.units.pictures import prediction_grid
from tests.orchestrator.in_process import runs

SPEC = """\
name: plain
data: {train: photos/train}
folds: {k: 2}
defaults: {image_size: [32, 32], epochs: 1, batch_size: 32}
members: [{name: net, model: test_resnet}]
"""


def test_a_unit_whose_picture_fails_is_done(tmp_path, monkeypatch, caplog):
    draw_people(tmp_path / "photos", profiles=10, eval=2, size=(64, 48))
    run = runs(SPEC, tmp_path, tmp_path, monkeypatch)("run")

    def fails(*_: object) -> bytes:
        raise ValueError("can't measure length of multiline text")

    monkeypatch.setattr(pictures, "prediction_grid", fails)
    unit = run.units("net")[0]
    run.train([unit])
    assert run.reports[-1]["event"] == "done"
    assert run.store.exists(f"{unit.path}/unit.json")
    assert not run.store.exists(f"{unit.path}/predictions.png")
    assert "no predictions.png" in caplog.text


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", "\udcff", "한국어 🎉", "x" * 300, ""])
def test_any_name_of_a_class_can_be_drawn(name):
    png = prediction_grid(
        np.zeros((3, 20, 30, 3), np.uint8), np.array([0, 1, 1]), np.eye(2)[[0, 0, 1]], [name, "b"]
    )
    assert Image.open(io.BytesIO(png)).format == "PNG"
