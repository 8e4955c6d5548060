"""The layout `table`: a CSV or Parquet file with the columns path, label [, group] [, image_id]."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from members.data.classes import known_labels, read_labels
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
from members.errors import BadInput

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
    taken = ("path", "label", "group", "image_id", "fold")
    others = {name: _as_text(found[name]) for name in found.columns if name not in taken}
    labels = read_labels(file, texts, others)
    problems += labels.problems
    if problems:
        raise BadInput(problems)
    codec = Codec({"label": labels.names})
    frame = photo_table(codec, ids, paths, groups, {"label": labels.numbers})
    return TrainData(frame, codec, labels.notes)


def read_test(file: Path, codec: Codec, root: str | os.PathLike | None) -> TestData:
    """A file with path, and label where known: the table of the photos. Raises BadInput."""
    found = read_file(file, required=("path",))
    ids, paths, groups, problems = _columns(found, file, root)
    texts = _as_text(found["label"]) if "label" in found else [""] * len(found)
    labels = known_labels(file, texts, codec.classes)
    problems += labels.problems
    if problems:
        raise BadInput(problems)
    frame = photo_table(codec, ids, paths, groups, codec.decode(labels.numbers))
    return TestData(frame, labels.notes)


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
