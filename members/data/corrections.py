"""Labels that were reviewed: a CSV of corrections, applied before folds are made.

    id,photo,gender,age,mask
    001498-1,,female,,
    000020,normal,,,incorrect
    000020,incorrect_mask,,,normal

The first changes every photo of a profile, the others one photo each. `id` is a profile's id
(leading zeros do not matter) or its whole folder name, `photo` the name of a file without its
ending; what is empty stays as it was. Age is in years. A photo's own row counts before its
profile's.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from members.data.codec import PROFILES
from members.data.columns import age_class
from members.data.folder_contents import PHOTO_ENDINGS
from members.data.listing import some
from members.data.lists.read import read_file
from members.errors import BadInput, nearest

if TYPE_CHECKING:
    import pandas as pd

VALUES = ("gender", "age", "mask")


@dataclass(frozen=True)
class _Row:
    """A row of the file: rows of the table that it is about, and column -> corrected number."""

    line: int
    of_one_photo: bool
    rows: list[int]
    changes: dict[str, int]


def apply_corrections(
    frame: pd.DataFrame, file: str | os.PathLike
) -> tuple[pd.DataFrame, list[str]]:
    """The table of members/data/layouts.py with corrected labels, and a note on what changed.

    The frame that was given stays as it is. Raises BadInput with every row that names an unknown
    profile, photo or value, or nothing at all.
    """
    file = Path(file)
    corrected = read_file(file, required=("id",))
    if unknown := [c for c in corrected.columns if c not in ("id", "photo", *VALUES)]:
        allowed = ("id", "photo", *VALUES)
        raise BadInput(
            f"{file}: the column {unknown[0]!r} is unknown.{nearest(unknown[0], allowed)} "
            f"Allowed: {', '.join(allowed)}."
        )
    frame = frame.copy()
    rows_of = _rows_by_name(frame)
    values = {name: frame[name].to_numpy().copy() for name in (*PROFILES.targets, "age_years")}
    problems: list[str] = []
    notes: list[str] = []
    parsed: list[_Row] = []
    for line, row in enumerate(corrected.to_dict("records"), start=2):
        found = {name: row.get(name, "").strip() for name in ("id", "photo", *VALUES)}
        try:
            rows = _rows(found["id"], found["photo"], rows_of)
            parsed.append(_Row(line, bool(found["photo"]), rows, _parsed(found)))
        except BadInput as error:
            problems += [f"{file}, line {line}: {text}" for text in error.problems]
        else:
            folders = sorted({frame["image_id"][row].rpartition("/")[0] for row in rows})
            if len(folders) > 1:
                notes.append(
                    f"{file}, line {line}: the id {found['id']} is of {len(folders)} folders "
                    f"({some(folders)}); all are corrected. To correct one, write its name as id."
                )
    problems += [f"{file}, {text}" for text in _contradictions(parsed)]
    if problems:
        raise BadInput(problems)
    for correction in sorted(parsed, key=lambda correction: correction.of_one_photo):
        for name, value in correction.changes.items():
            values[name][correction.rows] = value
    changed = np.any([values[name] != frame[name].to_numpy() for name in values], axis=0)
    for name, column in values.items():
        frame[name] = column
    frame["label"] = PROFILES.encode({target: values[target] for target in PROFILES.targets})
    count = f"{file}: {changed.sum()} photos have other labels than their folders say."
    return frame, [count, *notes]


def _contradictions(parsed: list[_Row]) -> list[str]:
    """Rows of the same reach that give one photo two values."""
    first: dict[tuple[bool, str, int], tuple[int, int]] = {}
    found: dict[tuple[int, int, str], None] = {}
    for row in parsed:
        for name, value in row.changes.items():
            for photo in row.rows:
                before, line = first.setdefault((row.of_one_photo, name, photo), (value, row.line))
                if before != value and name != "age":  # years stand for their class
                    found[line, row.line, name.removesuffix("_years")] = None
    return [
        f"line {line}: another {name} than in line {before} for the same photo. Keep one of them."
        for before, line, name in found
    ]


def _rows_by_name(frame: pd.DataFrame) -> dict[str, dict[str, list[int]]]:
    """Id without leading zeros, and folder name -> file stem -> rows."""
    found: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, image_id in enumerate(frame["image_id"]):
        profile, _, stem = image_id.rpartition("/")
        for name in (profile, _plain(profile.split("_")[0])):
            found[name][stem.lower()].append(row)
    return found


def _plain(number: str) -> str:
    return number.lstrip("0") or "0"


def _rows(number: str, photo: str, rows_of: dict[str, dict[str, list[int]]]) -> list[int]:
    photos = rows_of.get(number) or rows_of.get(_plain(number))
    if not photos:
        raise BadInput(f"no profile has the id {number!r}.{nearest(number, rows_of)}")
    if not photo:
        return [row for rows in photos.values() for row in rows]
    stem = photo.lower()
    if Path(stem).suffix in PHOTO_ENDINGS:
        stem = Path(stem).stem
    if stem not in photos:
        raise BadInput(
            f"profile {number} has no photo {photo!r}.{nearest(photo, photos)} "
            f"It has {', '.join(photos)}."
        )
    return photos[stem]


def _parsed(found: dict[str, str]) -> dict[str, int]:
    """Column of the table -> its corrected number."""
    values: dict[str, int] = {}
    for target in ("gender", "mask"):
        names = PROFILES.targets[target]
        if found[target] and found[target] not in names:
            raise BadInput(
                f"unknown {target} {found[target]!r}.{nearest(found[target], names)} "
                f"Allowed: {', '.join(names)}, or empty."
            )
        if found[target]:
            values[target] = names.index(found[target])
    if found["age"]:
        if not found["age"].isdecimal():
            raise BadInput(f"the age {found['age']!r} must be a whole number of years, or empty.")
        values |= {"age_years": int(found["age"]), "age": age_class(int(found["age"]))}
    if not values:
        raise BadInput(f"profile {found['id']}: nothing to correct; fill {some(VALUES)}.")
    return values
