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
            return f"from byte {at} its compressed data is all {value[0]:#04x}"
    return ""


def band_warning(pixels: np.ndarray, kind: str) -> str:
    """What a decoder leaves of pixels that it has no data for. pixels: (H, W, 3), not yet turned."""
    height = len(pixels)
    grey = next((row for row in range(height) if (pixels[-1 - row] != 128).any()), height)
    if _BAND <= grey < height and not (pixels[0] == 128).all():
        return f"its last {grey} rows are of one grey (128)"
    if kind in _PLAIN:
        begin, end = _black_rows(pixels)
        # rows are stored from the top or from the bottom, and the zeros may begin or end in a row
        for stored in (pixels, pixels[::-1], pixels[:, ::-1], pixels[::-1, ::-1]):
            first = begin if stored.strides[0] > 0 else height - end
            if end - begin >= _BAND and first >= 2 and _breaks_off(*stored[first - 2 : first]):
                return f"rows {begin} to {end - 1} are black, which begins or ends within a row"
    return ""


def _black_rows(pixels: np.ndarray) -> tuple[int, int]:
    """The longest run of rows that are all zeros: its first row and the one after its last."""
    lit = np.flatnonzero([row.any() for row in pixels])
    edges = np.concatenate(([-1], lit, [len(pixels)]))
    longest = int(np.diff(edges).argmax())
    return int(edges[longest]) + 1, int(edges[longest + 1])


def _breaks_off(above: np.ndarray, row: np.ndarray) -> bool:
    """Whether a row of pixels ends in black at a place where the row above it does not."""
    lit, lit_above = np.any(row, axis=1), np.any(above, axis=1)
    end = int(np.flatnonzero(lit)[-1]) + 1
    return end < len(lit) and bool(lit[:end].mean() > 0.9 and lit_above[end:].mean() > 0.9)
