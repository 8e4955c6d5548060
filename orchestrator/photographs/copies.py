"""Copies of the photographs that members may see instead: one with the background removed, say.

Labels, folds, ids and order are those of the originals; a copy supplies the pictures alone, each
under the relative path that the original has.
"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from members.data.listing import some
from members.pixels.background import VERSION
from members.pixels.background_copy import JOURNAL
from orchestrator.photographs.table import column
from orchestrator.program import called
from orchestrator.spec.blocks.data import Data
from orchestrator.spec.spec import Spec


def seen(spec: Spec) -> list[str]:
    """Names of the copies that at least one member sees."""
    return [name for name in spec.data.copies if name in {m.photos for m in spec.members}]


def add_paths(frame: pd.DataFrame, spec: Spec, part: str) -> list[str]:
    """Add `path@NAME` for each copy that is seen; texts about the copies that lack photos.

    part: "train" or "test", whose photographs `frame` lists.
    """
    if not seen(spec):
        return []
    base = _base(spec.data, part)
    relative = [os.path.relpath(path, base) for path in frame["path"]]
    outside = [path for path in relative if path.startswith("..")]
    problems = []
    for name in seen(spec):
        folder = Path(getattr(spec.data.copies[name], part)).absolute()
        paths = [folder / path for path in relative]
        where = f"data.copies.{name}.{part}"
        if outside:
            problems.append(
                f"{where}: {len(outside)} photos lie outside {base} ({some(outside)}), so they "
                "have no relative path to be found by. Give `root`, a folder above them all."
            )
            continue
        lost = [path for path, file in zip(relative, paths, strict=True) if not file.is_file()]
        if lost:
            problems.append(
                f"{where}: {len(lost)} of {len(paths)} photos are missing in {folder}: "
                f"{some(lost)}. Copy them: "
                f"{called()} prepare --remove-background {base} {folder}"
            )
            continue
        frame[column("path", name)] = pd.Series(map(str, paths), index=frame.index, dtype="str")
    return problems


def _base(data: Data, part: str) -> Path:
    """What the paths of the originals are relative to."""
    given = Path(getattr(data, part)).absolute()
    if given.is_dir():
        return given
    return Path(data.root).absolute() if data.root is not None else given.parent


def cut_out(spec: Spec) -> dict[str, int | None]:
    """Copy that is seen -> the version that `prepare --remove-background` made it with, None: it was
    made elsewhere.
    """
    found: dict[str, int | None] = {}
    for name in seen(spec):
        journal = Path(spec.data.copies[name].train) / JOURNAL
        found[name] = VERSION if journal.is_file() else None
    return found
