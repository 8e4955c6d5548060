"""Damage of a photo that decodes all the same: what is certain is raised, what is likely is a text."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from members.pixels.jpeg import load_jpeg

if TYPE_CHECKING:
    from PIL import Image

# columns and rows of the first pixel of each pass of an interlaced PNG, and the steps between pixels
_ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)]
_ADAM7 += [(0, 1, 1, 2)]
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a PNG's colour types
_RUN = 64  # bytes: what is coded arithmetically has no such run of one value, but for flat parts
_ENTROPY_CODED = {"WEBP": b"VP8", "AVIF": b"mdat", "HEIF": b"mdat", "JPEG2000": b"\xff\x93"}
_PLAIN = ("BMP", "TIFF", "PPM", "TGA")
_BAND = 8  # rows


def load(photo: Image.Image, data: bytes) -> tuple[Image.Image, str]:
    """Decode an opened photo; with it, what looks like damage of its compressed data, or empty."""
    if photo.format in ("JPEG", "MPO"):
        return load_jpeg(photo, data)
    photo.load()
    if (start := _ENTROPY_CODED.get(photo.format or "")) is not None:
        pixels = photo.width * photo.height
        return photo, _run_warning(data, max(data.find(start), 0), photo.format or "", pixels)
    return photo, ""


def require_all_rows(data: bytes) -> None:
    """Count the pixels of a PNG, whose checksums may be valid with half of them missing."""
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    bits = data[24] * _CHANNELS.get(data[25], 1)

    def size(columns: int, rows: int) -> int:
        return rows * (1 + (columns * bits + 7) // 8) if columns > 0 else 0

    if data[28]:
        passes = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in _ADAM7]
        needed = sum(size(columns, max(rows, 0)) for columns, rows in passes)
    else:
        needed = size(width, height)
    found = _inflated(data)
    if found < needed:
        raise ValueError(
            f"is cut short: it holds {found * height // needed} of its {height} rows of pixels."
        )


def _inflated(data: bytes) -> int:
    """Bytes that the IDAT chunks of a PNG hold, decompressed."""
    stream = zlib.decompressobj()
    view, at, total = memoryview(data), 8, 0
    while at + 12 <= len(data) and not stream.eof:
        length = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IDAT":
            for start in range(at + 8, at + 8 + length, 2**16):
                left: bytes | memoryview = view[start : min(start + 2**16, at + 8 + length)]
                while left and not stream.eof:
                    total += len(stream.decompress(left, 2**20))
                    left = stream.unconsumed_tail
        at += 12 + length
    while not stream.eof and (more := stream.decompress(b"", 2**20)):
        total += len(more)
    return total


def _run_warning(data: bytes, start: int, kind: str, pixels: int) -> str:
    run = _RUN
    if kind == "JPEG2000":  # empty packets are zeros
        run = 16 * _RUN
    elif kind == "WEBP":  # measured: a flat part takes a zero byte for some 8,000 pixels
        run += pixels // 4000
    for value in (b"\0", b"\xff"):
        at = data.find(value * run, start)
        if at >= 0:
            return f"may be damaged: from byte {at} its compressed data is all {value[0]:#04x}"
    return ""


def band_warning(pixels: np.ndarray, kind: str) -> str:
    """What a decoder leaves of pixels that it has no data for. pixels: (H, W, 3), not yet turned."""
    if len(pixels) < 2 * _BAND:
        return ""
    grey = _rows_of(pixels, 128)
    if _BAND <= grey < len(pixels) and not (pixels[0] == 128).all():
        return f"may be damaged: its last {grey} rows are of one grey (128)"
    if kind in _PLAIN:
        for stored, where in ((pixels, "last"), (pixels[::-1], "first")):
            black = _rows_of(stored, 0)
            if _BAND <= black < len(pixels) - 1 and _cut_within_a_row(stored, black):
                return f"may be damaged: its {where} {black} rows are black, from within a row on"
    return ""


def _rows_of(pixels: np.ndarray, value: int) -> int:
    """How many of the last rows have that value only."""
    count = 0
    while count < len(pixels) and (pixels[-1 - count] == value).all():
        count += 1
    return count


def _cut_within_a_row(pixels: np.ndarray, black: int) -> bool:
    """Whether the row before the black ones breaks off, where the row above it does not."""
    row, above = (pixels[-black - i].any(axis=1) for i in (1, 2))
    end = int(np.flatnonzero(row)[-1]) + 1
    missing = len(row) - end
    return missing >= _BAND and bool(row[:end].mean() > 0.9 and above[end:].mean() > 0.9)
