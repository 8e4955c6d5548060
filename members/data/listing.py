"""Reading lists of photographs and folders of them; the table that every layout ends in."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from members.data.codec import Codec
from members.errors import BadInput, nearest

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


@dataclass(frozen=True)
class TrainData:
    """Labelled photographs: the table, its codec, and notes to be shown before training."""

    frame: pd.DataFrame
    codec: Codec
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class TestData:
    """Photographs to predict: the table, and notes to be shown before training."""

    __test__ = False  # no class of tests

    frame: pd.DataFrame
    notes: list[str] = field(default_factory=list)


def photo_table(
    codec: Codec,
    image_id: Sequence[str],
    path: Sequence[str | os.PathLike],
    group: Sequence[str],
    targets: Mapping[str, ArrayLike] | None = None,
) -> pd.DataFrame:
    """The table of members/data/layouts.py, one row a photo.

    targets: class numbers (N,) of each target, -1 where unknown; None: all are unknown. Raises
    BadInput for numbers outside the codec's classes.
    """
    import pandas as pd

    unknown = np.full(len(image_id), -1, dtype=np.int16)
    targets = targets if targets is not None else dict.fromkeys(codec.targets, unknown)
    columns: dict[str, object] = {
        "image_id": pd.Series(list(image_id), dtype="str"),
        "path": pd.Series([os.path.abspath(p) for p in path], dtype="str"),  # noqa: PTH100
        "group": pd.Series(list(group), dtype="str"),
        "label": codec.encode(targets),
    }
    for name in codec.targets:
        if name != "label":
            columns[name] = np.asarray(targets[name], dtype=np.int16)
    return pd.DataFrame(columns)


def _read_csv(file: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_csv(
        file, dtype=str, keep_default_na=False, encoding="utf-8-sig", skipinitialspace=True
    )


def _read_parquet(file: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(file)


READERS = {".csv": _read_csv, ".parquet": _read_parquet, ".pq": _read_parquet}


def read_file(file: Path, required: Sequence[str]) -> pd.DataFrame:
    """A CSV (every cell a text, as written) or Parquet file that has the columns `required`.

    Raises BadInput where it is not there, cannot be read or lacks a column.
    """
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "no such file"
        raise BadInput(f"{file}: {what}. Expected a file with the columns {', '.join(required)}.")
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        raise BadInput(f"{file}: cannot read {file.suffix!r}. Allowed: {', '.join(READERS)}.")
    try:
        found = reader(file)
    except (ValueError, OSError) as error:  # pandas and pyarrow errors are ValueErrors
        raise BadInput(f"{file}: not a readable {file.suffix[1:]} file ({error}).") from error
    found.columns = [str(column).strip() for column in found.columns]
    problems = [
        f"{file}: no column {name!r}; the columns are {', '.join(found.columns)}. "
        f"Expected {', '.join(required)}.{nearest(name, found.columns)}"
        for name in required
        if name not in found
    ]
    if problems:
        raise BadInput(problems)
    return found


def require_folder(folder: Path, expected: str) -> None:
    """Raise BadInput that names what was `expected` where there is no such folder."""
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "no such folder"
        raise BadInput(f"{folder}: {what}. Expected {expected}.")


def missing_problems(
    file: Path, names: Sequence[str], paths: Iterable[Path], hint: str = ""
) -> list[str]:
    """At most one problem: the rows whose photo is not on disk."""
    lost = [
        name or "(empty path)"
        for name, path in zip(names, paths, strict=True)
        if not name or not path.is_file()
    ]
    if not lost:
        return []
    return [f"{file}: {len(lost)} of {len(names)} photos are missing: {some(lost)}. {hint}".strip()]


def repeated_problems(file: Path, column: str, ids: Sequence[str]) -> list[str]:
    """At most one problem: ids that occur more than once."""
    again = sorted(name for name, count in Counter(ids).items() if count > 1)
    if not again:
        return []
    return [
        f"{file}: {len(again)} values of {column} occur more than once: {some(again)}. "
        "Each photo must have one row and an id of its own."
    ]


def some(names: Sequence[object], count: int = 3) -> str:
    """`a, b, c and 12 more`."""
    first = ", ".join(shown(str(name)) for name in names[:count])
    return first + (f" and {len(names) - count} more" if len(names) > count else "")


def shown(name: str) -> str:
    """The name; quoted with escapes where it has blanks at its ends or cannot be printed."""
    return name if name.isprintable() and name == name.strip() else ascii(name)
