"""Folders of photographs; the table that every layout ends in."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from members.data.codec import Codec
from members.errors import BadInput, NoPlace
from members.files import kind_of

if TYPE_CHECKING:
    import pandas as pd

LONGEST = 200  # characters of a name that is printed whole
# of photos that a copy without background can be written as
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
# of all that are read
PHOTO_ENDINGS = (
    *SUFFIXES,
    *(".jfif", ".jpe", ".jif", ".mpo", ".gif", ".apng", ".avif", ".jp2", ".j2k", ".jpx", ".jpf"),
    *(".tga", ".ppm", ".pgm", ".pbm", ".pnm", ".dib"),
)


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
    BadInput for numbers outside the codec's classes, and for file names that are no UTF-8 text.
    """
    import pandas as pd

    if odd := [name for name in (os.fspath(own) for own in path) if _is_no_text(name)]:
        raise BadInput(
            f"{len(odd)} photos have names that are no UTF-8 text: {some(odd)}. Rename them, or "
            "their folders."
        )
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


def _is_no_text(name: str) -> bool:
    """Whether bytes of a file name could not be decoded: Python keeps those as half surrogates."""
    return not name.isascii() and any("\ud800" <= c <= "\udfff" for c in name)


def require_folder(folder: Path, expected: str) -> None:
    """Raise BadInput that names what was `expected` where there is no such folder."""
    kind = kind_of(folder)
    if kind != "folder":
        what = "is a file" if kind else "no such folder"
        raise NoPlace(f"{folder}: {what}. Expected {expected}.")


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
    """The name; quoted with escapes where it has blanks at its ends or cannot be printed.

    Of one that is long, as its end is what tells paths apart: the start and the end.
    """
    name = name if len(name) <= LONGEST else f"{name[:12]}...{name[15 - LONGEST :]}"
    return name if name.isprintable() and name == name.strip() else ascii(name)
