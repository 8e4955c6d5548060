"""A scan of the photographs: whether each can be read, its size, its digest and what looks damaged."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from members import files
from members.duplicates import fingerprint
from members.files import Progress
from members.photo_kind import require_file
from members.pixels import samples
from members.pixels.decode import FIX, decode_bytes, reason
from members.pixels.memory import BUDGET
from members.pixels.open import memory_needed

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

COLUMNS = {
    "path": "str",
    "size": "int64",
    "mtime_ns": "int64",
    "ctime_ns": "int64",
    "digest": "str",
    "height": "int32",
    "width": "int32",
    "used_bits": "int16",
    "read_bits": "int16",
    "warning": "str",
    "problem": "str",
    **fingerprint.COLUMNS,
}
_STAMP = ("size", "mtime_ns", "ctime_ns")
_CHECKSUM = "checksum"


def scan(
    paths: Sequence[str | os.PathLike], memo: Path | None = None, progress: Progress | None = None
) -> pd.DataFrame:
    """One row a path, in order, with the columns `COLUMNS`.

    Every photo is decoded to the end; `problem` is empty where that worked, else a text, and
    `warning` says what looks like damage. `digest` is the BLAKE2b-128 of the file's bytes in hex;
    height and width are those of the upright photo; used_bits and read_bits: see `Decoded`; by the
    columns of `fingerprint` copies are found. With `memo` (a Parquet file) a readable path of the
    same size and times (of its content and of its entry: the second is the system's own) is not
    read again. `progress(done, total)` counts the photos that had to be read. However many threads
    there are, photos are decoded within 1 GiB.
    """
    import pandas as pd

    names = [str(path) for path in paths]
    known = _recall(memo)
    rows: dict[str, dict] = {}
    fresh = []
    for name in dict.fromkeys(names):
        stamp = _stamp(name)
        found = known.get(name)
        if found and stamp and tuple(found[column] for column in _STAMP) == stamp:
            rows[name] = found
        else:
            fresh.append(name)
    done = 0
    for start in range(0, len(fresh), 2000):  # an interrupted scan loses one part, not the whole
        part = fresh[start : start + 2000]
        for row in files.in_threads(_inspect, part):
            rows[row["path"]] = row
            done += 1
            if progress:
                progress(done, len(fresh))
        if memo is not None:
            known |= {name: rows[name] for name in part}
            _remember(memo, known)
    return pd.DataFrame([rows[name] for name in names], columns=list(COLUMNS)).astype(COLUMNS)


def forget_changed(
    paths: Sequence[str | os.PathLike], memo: Path, progress: Progress | None = None
) -> list[str]:
    """Read every photo that the memo has; those with other content at the same size and time.

    They are forgotten, so that the next scan reads them. `progress(done, total)` counts photos.
    """
    known = _recall(memo)
    names = [name for name in dict.fromkeys(map(str, paths)) if name in known]
    other = []
    for done, digest in enumerate(files.in_threads(_digest, names), start=1):
        if digest != known[names[done - 1]]["digest"]:
            other.append(names[done - 1])
        if progress:
            progress(done, len(names))
    changed = []
    for name in other:
        row, stamp = known.pop(name), _stamp(name)
        # one of another time is found by every scan
        if stamp and stamp[:2] == (row["size"], row["mtime_ns"]):
            changed.append(name)
    if other:
        _remember(memo, known)
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


def _inspect(path: str) -> dict:
    # before the content is read: what is changed meanwhile is read again next time
    row = {"path": path, **dict(zip(_STAMP, _stamp(path) or (0, 0, 0), strict=True))}
    row |= {"digest": "", "problem": ""}
    row |= {"height": 0, "width": 0, "used_bits": 0, "read_bits": 0, "warning": ""}
    row |= fingerprint.UNREADABLE
    try:
        with BUDGET.taken(memory_needed(path)):
            require_file(path)
            data = Path(path).read_bytes()
            row["digest"] = samples.content_digest(data)
            found = decode_bytes(data)
            row["height"], row["width"] = found.pixels.shape[:2]
            row |= {name: getattr(found, name) for name in ("used_bits", "read_bits", "warning")}
            if 0 < found.used_bits < samples.FULL:  # else they are too dark to be told apart
                found = decode_bytes(data, found.used_bits)
            row |= fingerprint.fingerprint(found.pixels)
    except Exception as error:  # whatever a broken file makes a decoder raise
        row["problem"] = reason(error)
    return row


def _digest(path: str) -> str | None:
    try:
        require_file(path)
        return samples.content_digest(Path(path).read_bytes())
    except (OSError, ValueError):
        return None


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - a Path for each of 100,000 photos is slow
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _recall(memo: Path | None) -> dict[str, dict]:
    import pandas as pd
    import pyarrow as pa

    if memo is None or not Path(memo).is_file():
        return {}
    try:
        # of a file of Python's, Arrow's threads may let go when the interpreter is gone: exit code 134
        with pa.OSFile(str(memo)) as content:
            found = pd.read_parquet(content)
        table = found[list(COLUMNS)].astype(COLUMNS)
        table = table[found[_CHECKSUM] == _checksums(table)]
    except Exception:  # Arrow and pandas raise what they like on damage, and a memo is only a memo
        return {}
    # what makes one unreadable may be mended outside the file: a package, a permission
    return {row["path"]: row for row in table.to_dict("records") if not row["problem"]}


def _remember(memo: Path, known: dict[str, dict]) -> None:
    import pandas as pd

    table = pd.DataFrame(list(known.values()), columns=list(COLUMNS)).astype(COLUMNS)
    table[_CHECKSUM] = _checksums(table)
    with files.in_cache(Path(memo).parent), files.replacing(memo) as work:
        table.to_parquet(work, index=False)


def _checksums(table: pd.DataFrame) -> np.ndarray:
    """(N,) uint64 of the rows: a bit that flips on the disk must not become another digest."""
    import pandas as pd

    return pd.util.hash_pandas_object(table, index=False).to_numpy()
