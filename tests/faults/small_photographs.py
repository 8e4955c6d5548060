"""Photographs that train in a second, and their changes: 24 to train on, 6 to predict, 32 x 32."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

SPEC = """\
name: small
data: {layout: folders, train: photos/train, test: photos/test}
folds: {k: 2}
defaults: {image_size: [32, 32], epochs: 2, batch_size: 8, model: test_resnet}
members: [{name: net, normalize: computed}]
"""


def write_photographs(folder: Path) -> None:
    """`photos/train/<label>/<n>.png`, `photos/test/<n>.png` and `spec.yaml`."""
    for first, label in ((0, "cat"), (100, "dog")):
        for number in range(12):
            write_photo(folder / f"photos/train/{label}/{number:02}.png", first + number)
    for number in range(6):
        write_photo(folder / f"photos/test/{number}.png", 1000 + number)
    (folder / "spec.yaml").write_text(SPEC)


def write_photo(file: Path, seed: int) -> None:
    """A PNG that is not compressed: all of them have one size in bytes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, compress_level=0)


def replace_unnoticed(file: Path, seed: int = 5000) -> None:
    """Another picture under the size and the time of the old one."""
    before = file.stat()
    write_photo(file, seed)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def tables(run: Path) -> dict[str, pd.DataFrame]:
    """All tables of a run, by member and kind."""
    found = sorted(run.glob("tables/*/*.parquet"))
    assert len(found) == 2
    return {f"{file.parent.name}/{file.name}": pd.read_parquet(file) for file in found}


def assert_same_tables(one: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        pd.testing.assert_frame_equal(one[name], other[name], check_exact=True)
