"""Folds read from a column of a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from members.data.classes import composed
from members.data.folds.assign import require_whole_groups
from members.data.listing import some
from members.data.lists.read import read_file
from members.errors import BadInput, nearest

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("image_id", "path", "group")  # what a row of the file may be about, the first that is there


def read_own_folds(
    frame: pd.DataFrame,
    file: str | os.PathLike,
    column: str = "fold",
    named: Mapping[str, object] | None = None,
) -> np.ndarray:
    """Folds (N,) int16 of the rows of `frame`, from the CSV or Parquet `file`.

    The file has `column`, and `image_id`, `path` (of the photo, or the profile's folder as in
    train.csv) or `group`; `named`: these by other names. Values are 0..k-1, each used; -1 or
    nothing for what is trained on by all and validated by none. Raises BadInput for a missing row,
    a value that is no fold, an empty fold, or a group in two folds.
    """
    file = Path(file)
    found = read_file(file, required=(column,))
    names_of = {key: str((named or {}).get(key, key)) for key in KEYS}
    key = next((key for key in KEYS if names_of[key] in found), None)
    if key is None:
        raise BadInput(
            f"{file}: no column {', '.join(names_of.values())}, one of which must say which photos "
            "a row is of."
        )
    values: dict[str, int | None] = {}
    twice = []
    for given, value in zip(found[names_of[key]], found[column], strict=True):
        name, number = composed(str(given)).rstrip("/"), _number(value)
        if values.setdefault(name, number) != number:
            twice.append(name)
    if twice:
        raise BadInput(
            f"{file}: {len({*twice})} values of {names_of[key]} have several folds "
            f"({some(list(dict.fromkeys(twice)))}). Write one fold for each."
        )
    wrong = [name for name, value in values.items() if value is None]
    if wrong:
        raise BadInput(
            f"{file}: {len(wrong)} values of {column} are no fold ({key} {some(wrong)}). "
            "Allowed: 0, 1, ..., and -1 or nothing for what is never held out."
        )
    paths_are_of_photos = not set(map(composed, frame["image_id"])).isdisjoint(values)
    about_photos = key == "image_id" or (key == "path" and paths_are_of_photos)
    names = [composed(name) for name in frame["image_id" if about_photos else "group"]]
    lost = [name for name in dict.fromkeys(names) if name not in values]
    if lost:
        raise BadInput(
            f"{file}: {len(lost)} of {len({*names})} {key} values have no row: {some(lost)}."
            f"{nearest(lost[0], values)}"
        )
    fold = np.array([values[name] for name in names], np.int16)
    empty = sorted(set(range(fold.max(initial=-1) + 1)) - {*fold.tolist()})
    if empty:
        raise BadInput(
            f"{file}: {column} goes to {fold.max()}, but no photo has fold {some(empty)}. "
            "Number the folds from 0 without gaps."
        )
    if (fold == 0).all():
        raise BadInput(f"{file}: every photo has fold 0, so its model would have nothing to learn.")
    require_whole_groups(frame, fold)
    return fold


def _number(value: object) -> int | None:
    """A fold from a cell; None where it is none."""
    try:
        number = float(str(value).strip() or -1)
    except ValueError:
        return None
    if np.isnan(number):  # an empty cell of a Parquet file
        return -1
    return int(number) if number.is_integer() and -1 <= number < 2**15 else None
