"""The layout `folders`: root/<label>/<photo>; to predict, a folder of photos or a list of files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from members.data.classes import (
    class_names,
    class_numbers,
    numbering_notes,
    too_few_problems,
)
from members.data.codec import Codec
from members.data.listing import (
    SUFFIXES,
    TrainData,
    photo_table,
    photos_in,
    repeated_problems,
    require_folder,
    some,
)
from members.data.lists.lookup import Lookup
from members.data.lists.text import read_lines
from members.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd


def _class_folders(root: Path) -> list[Path]:
    return sorted(f for f in root.iterdir() if f.is_dir() and not f.name.startswith((".", "__")))


def read_train(root: Path) -> TrainData:
    """Photos in class folders. Raises BadInput."""
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
    classes = class_names(labels)
    problems += too_few_problems(root, classes) if photos else []
    if problems:
        raise BadInput(problems)
    ids = [f"{label}/{name}" for label, name in photos]
    codec = Codec({"label": classes})
    frame = photo_table(
        codec, ids, [root / i for i in ids], ids, {"label": class_numbers(labels, classes)}
    )
    return TrainData(frame, codec, notes + numbering_notes(root, classes))


def read_folder(root: Path, codec: Codec) -> pd.DataFrame:
    """Photos to predict, in a folder or in class folders below it. Raises BadInput."""
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


def read_list(file: Path, codec: Codec, root: str | os.PathLike | None) -> pd.DataFrame:
    """Photos to predict, from a text with one path a line. Raises BadInput."""
    if not file.is_file():
        raise BadInput(f"{file}: no such file or folder. Give a folder of photos or a file list.")
    names = read_lines(file)
    base = Path(root) if root is not None else file.parent
    paths, problems = Lookup().find(file, names, base)
    problems += repeated_problems(file, "path", names)
    if not names:
        problems.append(f"{file}: the list is empty. Write one path a line.")
    if problems:
        raise BadInput(problems)
    return photo_table(codec, names, paths, names)
