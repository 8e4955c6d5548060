"""One photograph of a scan: read once, decoded once, and all that is to be known of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from members.duplicates import fingerprint
from members.photo_kind import require_file
from members.pixels import samples
from members.pixels.decode import decode_bytes, decode_opened, reason
from members.pixels.memory import BUDGET
from members.pixels.open import bytes_needed, memory_needed, open_photo

STAMP = ("size", "mtime_ns", "ctime_ns")
_AT_ONCE = 2**20  # bytes: a larger file is not even read before there is memory to decode it


def read_photo(path: str, most: int | None = None) -> dict[str, Any] | None:
    """The row of a scan, see `members/reading/scan.py`; None where it takes more than `most` bytes.

    Memory is taken from the budget that all threads of this process share.
    """
    # before the content is read: what is changed meanwhile is read again next time
    row = {"path": path, **dict(zip(STAMP, stamp(path) or (0, 0, 0), strict=True))}
    row |= {"digest": "", "problem": ""}
    row |= {"height": 0, "width": 0, "used_bits": 0, "read_bits": 0, "warning": ""}
    row |= fingerprint.UNREADABLE
    try:
        size = require_file(path).st_size
        before = memory_needed(path) if size > _AT_ONCE else 0
        if most is not None and max(size, before) > most:
            return None
        with BUDGET.taken(before):
            data = Path(path).read_bytes()
            row["digest"] = samples.content_digest(data)
            photo = open_photo(data)
            needed = 0 if before else size + bytes_needed(photo)
            if most is not None and needed > most:
                return None
            with BUDGET.taken(needed):
                found = decode_opened(photo, data)
                row["height"], row["width"] = found.pixels.shape[:2]
                row |= {n: getattr(found, n) for n in ("used_bits", "read_bits", "warning")}
                if 0 < found.used_bits < samples.FULL:  # else they are too dark to be told apart
                    found = decode_bytes(data, found.used_bits)
                row |= fingerprint.fingerprint(found.pixels)
    except Exception as error:  # whatever a broken file makes a decoder raise
        row["problem"] = reason(error)
    return row


def stamp(path: str) -> tuple[int, int, int] | None:
    """Size and times of a file, by which it is known to be unchanged; None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a Path for each of 100,000 photos is slow
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns
