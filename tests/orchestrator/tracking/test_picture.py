"""The picture of held-out photographs that a unit leaves, and trackers show."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from PIL import Image

from orchestrator.units.pictures import prediction_grid


def test_the_picture_frames_what_was_predicted_wrongly():
    pixels = np.full((7, 20, 10, 3), 90, np.uint8)
    labels = np.array([0, 1, 0, 1, 0, 1, 0])
    probabilities = np.eye(2)[[0, 1, 0, 1, 0, 1, 1]]  # the last is wrong: second row, first column
    content = prediction_grid(pixels, labels, probabilities, ["cat", "dog"])
    grid = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
    red = (grid[..., 0] > 150) & (grid[..., 1:].max(axis=2) < 60)
    rows, columns = np.nonzero(red)
    assert len(rows) > 500
    assert rows.min() >= grid.shape[0] // 2
    assert columns.max() < grid.shape[1] / 6


def test_a_run_s_picture_shows_held_out_photographs(run):
    r = run("r")
    unit = r.units("net")[0]
    r.train([unit])
    picture = Image.open(io.BytesIO(r.store.read(f"{unit.path}/predictions.png")))
    held_out = len(pd.read_parquet(r.store.uri(f"{unit.path}/oof.parquet")))
    assert held_out > 24
    assert picture.width % 6 == picture.height % 4 == 0  # 24 of them, six a row
