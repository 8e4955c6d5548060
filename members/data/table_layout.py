"""The layout `table`: a CSV or Parquet file with the columns path, label [, group] [, image_id]."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from members.data.classes import (
    INTEGER,
    class_names,
    class_numbers,
    numbering_notes,
    plain_integers,
    too_few_problems,
)
from members.data.codec import Codec
from members.data.listing import (
    TestData,
    TrainData,
    missing_problems,
    photo_table,
    read_file,
    repeated_problems,
    some,
)
from members.errors import BadInput, nearest

if TYPE_CHECKING:
    import pandas as pd


def read_train(file: Path, root: str | os.PathLike | None) -> TrainData:
    """A file with path and label; paths are relative to `root`, or to its folder. Raises BadInput."""
    found = read_file(file, required=("path", "label"))
    ids, paths, groups, problems = _columns(found, file, root)
    texts = _as_text(found["label"])
    empty = [f"row {row + 2}" for row, text in enumerate(texts) if not text]
    if empty:
        problems.append(
            f"{file}: {len(empty)} rows have no label ({some(empty)}). "
            "Write their labels or take the rows out."
        )
    texts = plain_integers(texts)
    names = class_names(texts)
    problems += too_few_problems(file, names)
    if problems:
        raise BadInput(problems)
    targets = {"label": class_numbers(texts, names)}
    codec = Codec({"label": names})
    return TrainData(
        photo_table(codec, ids, paths, groups, targets), codec, numbering_notes(file, names)
    )


def read_test(file: Path, codec: Codec, root: str | os.PathLike | None) -> TestData:
    """A file with path, and label where known: the table of the photos. Raises BadInput."""
    found = read_file(file, required=("path",))
    ids, paths, groups, problems = _columns(found, file, root)
    labels = np.full(len(found), -1, dtype=np.int16)
    if "label" in found:
        texts = _as_text(found["label"])
        if all(INTEGER.fullmatch(name) for name in codec.classes):
            texts = plain_integers(texts)
        unknown = sorted({text for text in texts if text and text not in codec.classes})
        if unknown:
            problems.append(
                f"{file}: labels outside the classes: {some(unknown)}. "
                f"Allowed: {', '.join(codec.classes)}, or empty."
                f"{nearest(unknown[0], codec.classes)}"
            )
        labels = class_numbers(texts, codec.classes)
    if problems:
        raise BadInput(problems)
    return TestData(photo_table(codec, ids, paths, groups, codec.decode(labels)))


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


def _as_text(column: pd.Series) -> list[str]:
    return ["" if value != value or value is None else str(value).strip() for value in column]
