"""A scan of the photographs: whether each can be read, its size, its digest and what looks damaged."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from members import files
from members.files import Progress
from members.photo_kind import require_file
from members.pixels import samples
from members.pixels.decode import FIX
from members.reading.copies import Copies
from members.reading.memo import COLUMNS as COLUMNS
from members.reading.memo import Kept, recall, remember
from members.reading.photo import STAMP, Asked, stamp
from members.reading.readers import ReadBy, readers

if TYPE_CHECKING:
    import pandas as pd

_NO_STAMP = (-1, -1, -1)
_PART = 8192  # photos that are asked for at a time


def scan(
    paths: Sequence[str | os.PathLike],
    memo: Path | None = None,
    progress: Progress | None = None,
    copies: Copies | None = None,
    read_by: ReadBy = readers,
) -> pd.DataFrame:
    """One row a path, in order, with the columns `COLUMNS`.

    Every photo is decoded to the end; `problem` is empty where that worked, else a text, and
    `warning` says what looks like damage. `digest` is the BLAKE2b-128 of the file's bytes in hex;
    height and width are those of the upright photo; used_bits and read_bits: see `Decoded`; by the
    columns of `fingerprint` copies are found. With `memo` (a Parquet file) a readable path of the
    same size and times (of its content and of its entry: the second is the system's own) is not
    read again. `progress(done, total)` counts the photos that had to be read. However many threads
    and processes there are, photos are decoded within 1 GiB. copies: of these paths; they are begun where
    half of the photos or more are read, with the pixels of those. read_by: who reads them.
    """
    import pandas as pd

    names = [str(path) for path in paths]
    each = list(dict.fromkeys(names))
    kept = Kept(memo)
    known = kept.known
    at = pd.Index(known["path"]).get_indexer(each)
    stamps = np.array([stamp(name) or _NO_STAMP for name in each], np.int64).reshape(-1, 3)
    same = at >= 0
    same[same] = (known[[*STAMP]].to_numpy()[at[same]] == stamps[same]).all(axis=1)
    fresh = [name for name, unchanged in zip(each, same, strict=True) if not unchanged]
    try:
        into = copies.begin() if copies and 2 * len(fresh) >= len(each) > 0 else []
        with read_by(len(fresh)) as rows_of:
            for start in range(0, len(fresh), _PART):
                part = [
                    Asked(name, copies.rows_of(name) if copies else ())
                    for name in fresh[start : start + _PART]
                ]
                with closing(rows_of("read", part, into)) as found:
                    for asked, row in found:
                        kept.add(row)
                        if into and copies:
                            copies.filled(asked, row["copied"])
                        if progress:
                            progress(kept.photos, len(fresh))
    finally:  # interrupted, too
        kept.write()
    read = kept.take()
    table = pd.concat([known.iloc[at[same]], *read], ignore_index=True)
    del read, known, kept  # of many photos, the table and its copy in order are enough
    return table.iloc[pd.Index(table["path"]).get_indexer(names)].reset_index(drop=True)


def forget_changed(
    paths: Sequence[str | os.PathLike], memo: Path, progress: Progress | None = None
) -> list[str]:
    """Read every photo that the memo has; those with other content at the same size and time.

    They are forgotten, so that the next scan reads them. `progress(done, total)` counts photos.
    """
    known = recall(memo).set_index("path", drop=False)
    names = [name for name in dict.fromkeys(map(str, paths)) if name in known.index]
    digests = known["digest"].loc[names].tolist()
    other = []
    for done, digest in enumerate(files.in_threads(_digest, names), start=1):
        if digest != digests[done - 1]:
            other.append(names[done - 1])
        if progress:
            progress(done, len(names))
    changed = []
    for name in other:
        now = stamp(name)
        # one of another time is found by every scan
        if now and now[:2] == tuple(known.loc[name, ["size", "mtime_ns"]]):
            changed.append(name)
    if other:
        remember(memo, [known.drop(other)])
    return changed


def unreadable_problems(scanned: pd.DataFrame) -> list[str]:
    """The problems of a scan: at most one text, with three examples."""
    return [f"{text} {FIX}" for text in _examples(scanned, "problem", "cannot be read")]


def damage_notes(scanned: pd.DataFrame) -> list[str]:
    """What looks like damage in photos that can be read: at most one text, with three examples."""
    return _examples(scanned, "warning", "look damaged")


def _examples(scanned: pd.DataFrame, column: str, what: str) -> list[str]:
    found = scanned[scanned[column] != ""]
    if found.empty:
        return []
    rows = zip(found["path"].head(3), found[column].head(3), strict=True)
    examples = "; ".join(f"{path}: {text.rstrip('.')}" for path, text in rows)
    rest = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    return [f"{len(found)} of {len(scanned)} photos {what}: {examples}{rest}."]


def _digest(path: str) -> str | None:
    try:
        require_file(path)
        return samples.content_digest(Path(path).read_bytes())
    except (OSError, ValueError):
        return None
