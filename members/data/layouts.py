"""Photographs -> a table with one row a photograph, and the codec of its labels.

Columns: `image_id` str, unique; `path` str, absolute; `group` str, what must stay in one fold;
`label` int16, the joint class, -1 where unknown; and one int16 column a target. A data set with a
single label has the one target "label", and its column is `label` itself, not a second copy.
Profiles to train on also have `age_years` int16.

Three layouts:

- `profiles` (members/data/profiles.py): train.csv + images/<profile>/; info.csv + images/
- `table`: a CSV or Parquet file with the columns path, label [, group] [, image_id]
- `folders`: root/<label>/<photo>; to predict, a folder of photos or a list of files
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from members.data import profiles
from members.data.codec import PROFILES, Codec
from members.data.listing import (
    READERS,
    SUFFIXES,
    TrainData,
    missing_problems,
    photo_table,
    photos_in,
    read_file,
    repeated_problems,
    require_folder,
    some,
)
from members.errors import BadInput, nearest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LAYOUTS", "PROFILES", "Codec", "TrainData", "read_test", "read_train"]

LAYOUTS = ("profiles", "table", "folders")
INTEGER = re.compile(r"-?\d+(\.0*)?")


def read_train(
    layout: str, train: str | os.PathLike, root: str | os.PathLike | None = None
) -> TrainData:
    """Reads the labelled photographs. `root`: what a table's paths are relative to.

    Checks names and that files exist, never their pixels (members/pixels/scan.py does).
    Raises BadInput with every problem found.
    """
    _require_layout(layout)
    if layout == "profiles":
        return profiles.read_train(train)
    if layout == "folders":
        return _folders_train(Path(train))
    return _table_train(Path(train), root)


def read_test(
    layout: str,
    test: str | os.PathLike,
    codec: Codec,
    root: str | os.PathLike | None = None,
) -> pd.DataFrame:
    """Reads the photographs to predict, in the order given; `label` is -1 where no truth is given.

    `folders` takes a folder of photos, a folder of class folders, or a list of files (text with
    one path a line, or a table). Raises BadInput with every problem found.
    """
    _require_layout(layout)
    test = Path(test)
    if layout == "profiles":
        return profiles.read_test(test, codec)
    if layout == "folders" and test.is_dir():
        return _folders_test(test, codec)
    if layout == "folders" and test.suffix.lower() not in READERS:
        return _list_test(test, codec, root)
    return _table_test(test, codec, root)


# ---------------------------------------------------------------- table


def _table_train(file: Path, root: str | os.PathLike | None) -> TrainData:
    found = read_file(file, required=("path", "label"))
    ids, paths, groups, problems = _columns(found, file, root)
    texts = _as_text(found["label"])
    empty = [f"row {row + 2}" for row, text in enumerate(texts) if not text]
    if empty:
        problems.append(
            f"{file}: {len(empty)} rows have no label ({some(empty)}). "
            "Write their labels or take the rows out."
        )
    texts = _plain_integers(texts)
    names = _class_names(texts)
    problems += _too_few(file, names)
    if problems:
        raise BadInput(problems)
    targets = {"label": _numbers(texts, names)}
    codec = Codec({"label": names})
    return TrainData(
        photo_table(codec, ids, paths, groups, targets), codec, _numbering(file, names)
    )


def _table_test(file: Path, codec: Codec, root: str | os.PathLike | None) -> pd.DataFrame:
    found = read_file(file, required=("path",))
    ids, paths, groups, problems = _columns(found, file, root)
    labels = np.full(len(found), -1, dtype=np.int16)
    if "label" in found:
        texts = _as_text(found["label"])
        if all(INTEGER.fullmatch(name) for name in codec.classes):
            texts = _plain_integers(texts)
        unknown = sorted({text for text in texts if text and text not in codec.classes})
        if unknown:
            problems.append(
                f"{file}: labels outside the classes: {some(unknown)}. "
                f"Allowed: {', '.join(codec.classes)}, or empty."
                f"{nearest(unknown[0], codec.classes)}"
            )
        labels = _numbers(texts, codec.classes)
    if problems:
        raise BadInput(problems)
    return photo_table(codec, ids, paths, groups, codec.decode(labels))


def _columns(found: pd.DataFrame, file: Path, root: str | os.PathLike | None):
    """Ids, absolute paths and groups of a table with their defaults; and the problems found."""
    texts = _as_text(found["path"])
    base = Path(root) if root is not None else file.parent
    paths = [base / text for text in texts]
    ids = _as_text(found["image_id"]) if "image_id" in found else texts
    ids = [given or text for given, text in zip(ids, texts, strict=True)]
    groups = _as_text(found["group"]) if "group" in found else ids
    groups = [group or image_id for group, image_id in zip(groups, ids, strict=True)]
    problems = []
    if not len(found):
        problems.append(f"{file}: no rows below the header. Write one row a photo.")
    problems += missing_problems(file, texts, paths, f"Paths are relative to {base.absolute()}")
    problems += repeated_problems(file, "image_id" if "image_id" in found else "path", ids)
    return ids, paths, groups, problems


def _class_names(texts: list[str]) -> tuple[str, ...]:
    """The labels that occur: numbers by value, anything else by alphabet."""
    names = sorted({text for text in texts if text})
    return tuple(sorted(names, key=float) if all(map(INTEGER.fullmatch, names)) else names)


def _numbers(texts: list[str], names: tuple[str, ...]) -> np.ndarray:
    """Class names -> (N,) int16; -1 for what is not a class."""
    index = {name: position for position, name in enumerate(names)}
    return np.array([index.get(text, -1) for text in texts], dtype=np.int16)


def _plain_integers(texts: list[str]) -> list[str]:
    """`3`, `03` and `3.0` become `3` where every label is such a number; else as they are."""
    if not all(INTEGER.fullmatch(text) for text in texts if text):
        return texts
    return [str(int(text.split(".")[0])) if text else "" for text in texts]


def _numbering(where: Path, names: tuple[str, ...]) -> list[str]:
    if not all(map(INTEGER.fullmatch, names)) or names == tuple(map(str, range(len(names)))):
        return []
    return [
        f"{where}: the labels {some(names)} are not 0..{len(names) - 1}; "
        "in tables and submissions they are numbered from 0 in this order."
    ]


def _too_few(where: Path, names: tuple[str, ...]) -> list[str]:
    if len(names) >= 2:
        return []
    return [f"{where}: {len(names)} classes ({some(names)}), but at least 2 must have photos."]


# ---------------------------------------------------------------- folders


def _class_folders(root: Path) -> list[Path]:
    return sorted(f for f in root.iterdir() if f.is_dir() and not f.name.startswith((".", "__")))


def _folders_train(root: Path) -> TrainData:
    require_folder(root, "root/<label>/<photo>")
    photos, empty, notes = [], [], []
    for folder in _class_folders(root):
        names, others = photos_in(folder)
        photos += [(folder.name, name) for name in names]
        if not names:
            empty.append(folder.name)
        if others:
            notes.append(f"{folder}: {len(others)} entries are no photos, left out: {some(others)}")
    problems = []
    if empty:
        problems.append(
            f"{root}: no photos in {some(empty)}. Allowed endings: {' '.join(SUFFIXES)}. "
            "Put photos there or remove the folder."
        )
    loose, _ = photos_in(root)
    if loose:
        notes.append(
            f"{root}: {len(loose)} photos lie outside the class folders, left out: {some(loose)}"
        )
    if not photos and not empty:
        problems.append(f"{root}: no class folders. Expected {root}/<label>/<photo>.")
    labels = [label for label, _ in photos]
    classes = _class_names(labels)
    problems += _too_few(root, classes) if photos else []
    if problems:
        raise BadInput(problems)
    ids = [f"{label}/{name}" for label, name in photos]
    codec = Codec({"label": classes})
    frame = photo_table(
        codec, ids, [root / i for i in ids], ids, {"label": _numbers(labels, classes)}
    )
    return TrainData(frame, codec, notes + _numbering(root, classes))


def _folders_test(root: Path, codec: Codec) -> pd.DataFrame:
    names, _ = photos_in(root)
    if names:
        return photo_table(codec, names, [root / name for name in names], names)
    folders = _class_folders(root)
    unknown = [folder.name for folder in folders if folder.name not in codec.classes]
    ids = [f"{folder.name}/{name}" for folder in folders for name in photos_in(folder)[0]]
    if unknown:
        raise BadInput(
            f"{root}: folders outside the classes: {some(unknown)}. Allowed: photos directly in "
            f"the folder, or folders named {', '.join(codec.classes)}."
        )
    if not ids:
        raise BadInput(f"{root}: no photos. Allowed endings: {' '.join(SUFFIXES)}.")
    labels = np.array([codec.classes.index(i.split("/")[0]) for i in ids], dtype=np.int16)
    return photo_table(codec, ids, [root / i for i in ids], ids, codec.decode(labels))


def _list_test(file: Path, codec: Codec, root: str | os.PathLike | None) -> pd.DataFrame:
    if not file.is_file():
        raise BadInput(f"{file}: no such file or folder. Give a folder of photos or a file list.")
    lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    names = [line for line in lines if line]
    base = Path(root) if root is not None else file.parent
    paths = [base / name for name in names]
    problems = missing_problems(file, names, paths, f"Paths are relative to {base.absolute()}")
    problems += repeated_problems(file, "path", names)
    if not names:
        problems.append(f"{file}: the list is empty. Write one path a line.")
    if problems:
        raise BadInput(problems)
    return photo_table(codec, names, paths, names)


def _as_text(column: pd.Series) -> list[str]:
    return ["" if value != value or value is None else str(value).strip() for value in column]


def _require_layout(layout: str) -> None:
    if layout not in LAYOUTS:
        raise BadInput(
            f"layout: {layout!r}, but allowed are {', '.join(LAYOUTS)}.{nearest(layout, LAYOUTS)}"
        )
