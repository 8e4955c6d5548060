"""Real photographs in memory, in folds and with a part held back, for benchmarks/member_studies.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HELD_BACK = 0.5  # of the photographs, whole groups
SEED = 42  # of folds and of the part held back
HELD = -1


@dataclass(frozen=True)
class Set:
    """A data set. pixels: side -> (N, side, side, 3) uint8. labels, fold, groups: (N,).

    fold: int, HELD for the part held back.
    """

    name: str
    pixels: dict[int, np.ndarray]
    labels: np.ndarray
    fold: np.ndarray
    groups: np.ndarray
    classes: Sequence[str]

    def rows(self, fold: int) -> np.ndarray:
        return np.flatnonzero(self.fold == fold)


def solar_cells(folder: Path) -> Any:
    """All cells that `python -m members.samples.elpv` wrote: their table and the classes' names."""
    import pandas as pd

    from members.data.layouts import read_test, read_train

    data = read_train("table", folder / "photos.csv")
    rest = read_test("table", folder / "test.csv", data.codec).frame.copy()
    truth = pd.read_csv(folder / "truth.csv", dtype=str).set_index("ImageID")["ans"]
    number = {name: i for i, name in enumerate(data.codec.classes)}
    rest["label"] = [number[truth[image_id]] for image_id in rest["image_id"]]
    return pd.concat([data.frame, rest], ignore_index=True), data.codec.classes


def class_folders(folder: Path) -> Any:
    """Photographs in class folders: their table and the classes' names."""
    from members.data.layouts import read_train

    data = read_train("folders", folder)
    return data.frame.reset_index(drop=True), data.codec.classes


def divided(frame: Any, k: int) -> np.ndarray:
    """(N,) int: the fold of a row, HELD where it is held back.

    frame: with group and label; neither a group of the folds nor one held back is divided.
    """
    from members.data.folds.assign import assign_folds

    fold = np.full(len(frame), HELD)
    inside = np.flatnonzero(assign_folds(frame, "holdout", ratio=HELD_BACK, seed=SEED) != 0)
    rest = frame.iloc[inside].reset_index(drop=True)
    fold[inside] = assign_folds(rest, "kfold", k=k, seed=SEED)
    return fold


def read_set(
    name: str, frame: Any, classes: Sequence[str], fold: np.ndarray, sides: Sequence[int]
) -> Set:
    """The photographs of `frame`, squares of each of `sides`."""
    from members.pixels.crop import crop_and_resize
    from members.pixels.decode import decode_alone

    pixels: dict[int, list[np.ndarray]] = {side: [] for side in sides}
    for path in frame["path"]:
        photo = decode_alone(path)
        for side in sides:
            pixels[side].append(crop_and_resize(photo, (side, side), None))
    return Set(
        name,
        {side: np.stack(own) for side, own in pixels.items()},
        frame["label"].to_numpy(np.int64),
        fold,
        np.unique(frame["group"], return_inverse=True)[1],
        classes,
    )
