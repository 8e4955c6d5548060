"""One photograph of a scan: read once, decoded once, and all that is to be known of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from members.checked_array import write_row
from members.duplicates import fingerprint
from members.errors import BadInput
from members.photo_kind import require_file
from members.pixels import samples
from members.pixels.crop import Pair, crop_and_resize, fits
from members.pixels.decode import decode, decode_bytes, decode_opened, reason
from members.pixels.memory import BUDGET
from members.pixels.open import bytes_needed, memory_needed, open_photo

STAMP = ("size", "mtime_ns", "ctime_ns")
_AT_ONCE = 2**20  # bytes: a larger file is not even read before there is memory to decode it


class Copy(NamedTuple):
    """A file of decoded photos that is being written: `writing` of `members/checked_array.py`.

    shape: (N, h, w, 3). crop: as in `members/pixels/cache.py`.
    """

    file: Path
    shape: tuple[int, int, int, int]
    crop: Pair | None


class Asked(NamedTuple):
    """A photo, and the rows of copies that are its own. digest: where it was read before."""

    path: str
    rows: tuple[int, ...] = ()
    digest: str = ""


def read_photo(
    asked: Asked, most: int | None = None, into: Sequence[Copy] = ()
) -> dict[str, Any] | None:
    """The row of a scan, see `members/reading/scan.py`; None where it takes more than `most` bytes.

    into: copies that get its pixels. `copied` of the row has the checksums, one a copy, None for all that
    could not be filled; photos whose range of 16 bits is not known before all are read never are.
    Memory is taken from the budget that all threads of this process share.
    """
    path = asked.path
    # before the content is read: what is changed meanwhile is read again next time
    row = {"path": path, **dict(zip(STAMP, stamp(path) or (0, 0, 0), strict=True))}
    row |= {"digest": "", "problem": ""}
    row |= {"height": 0, "width": 0, "used_bits": 0, "read_bits": 0, "warning": ""}
    row |= fingerprint.UNREADABLE
    row["copied"] = [None] * len(into)
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
                del photo  # Pillow's picture, which is larger than the pixels
                row["height"], row["width"] = found.pixels.shape[:2]
                row |= {n: getattr(found, n) for n in ("used_bits", "read_bits", "warning")}
                if not found.used_bits and not found.read_bits:
                    row["copied"] = _copied(found.pixels, asked.rows, into)
                if 0 < found.used_bits < samples.FULL:  # else they are too dark to be told apart
                    found = decode_bytes(data, found.used_bits)
                row |= fingerprint.fingerprint(found.pixels)
    except Exception as error:  # whatever a broken file makes a decoder raise
        row["problem"] = reason(error)
    return row


def copy_photo(
    asked: Asked, most: int | None = None, into: Sequence[Copy] = ()
) -> dict[str, Any] | None:
    """Fill copies with a photo that was read before; a row with `copied` alone, as of `read_photo`."""
    needed = memory_needed(asked.path)
    if most is not None and needed > most:
        return None
    with BUDGET.taken(needed):
        try:
            digest = asked.digest
            pixels = decode(asked.path, samples.bits_of(digest), digest.partition("-")[0])
        except BadInput:  # it is said where the copy is needed
            return {"copied": [None] * len(into)}
        return {"copied": _copied(pixels, asked.rows, into)}


def _copied(pixels: np.ndarray, rows: Sequence[int], into: Sequence[Copy]) -> list[int | None]:
    """Crop, resize and write once for each copy; the checksums."""
    found: list[int | None] = []
    for copy in into:
        checksum = None
        if copy.crop is None or fits((pixels.shape[0], pixels.shape[1]), copy.crop):
            values = crop_and_resize(pixels, copy.shape[1:3], copy.crop)
            try:
                for row in rows:
                    checksum = write_row(copy.file, copy.shape, row, values)
            except OSError:  # nothing is wrong with the photo
                checksum = None
        found.append(checksum)
    return found


def stamp(path: str) -> tuple[int, int, int] | None:
    """Size and times of a file, by which it is known to be unchanged; None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a Path for each of 100,000 photos is slow
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns
