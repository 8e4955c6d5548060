"""Samples of 16 bits: how many of them a file uses, and their scaling to 8."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

FULL = 16
DEPTHS = (8, 10, 12, 14, FULL)  # of cameras and scanners: what unmarked samples may use
_MAX_SAMPLE_VALUE, _BITS_PER_SAMPLE = 281, 258


def depth(photo: Image.Image, data: bytes) -> int:
    """Bits of a sample in the file, as far as they matter here: 8 for all up to 8, else 9 to 16."""
    if photo.mode.startswith("I;16") and photo.format not in ("TIFF", "JPEG2000"):
        return FULL
    if photo.format == "PNG":
        return FULL if data[24] == FULL else 8
    if photo.format == "TIFF":
        return max(8, *photo.tag_v2.get(_BITS_PER_SAMPLE, (1,)))  # type: ignore[attr-defined]
    if photo.format == "PPM":
        return max(8, _maxval(data).bit_length())
    if photo.format == "JPEG2000" and (at := data.find(b"\xff\x51")) >= 0:
        precision = data[at + 40]
        if precision & 0x80:
            raise ValueError("has signed samples, whose range is unknown; save it with 8 bits.")
        return max(8, precision + 1)
    return 8


def is_scaled(photo: Image.Image, bits: int, data: bytes) -> bool:
    """Whether Pillow scales samples of that depth to the full range by itself."""
    return (photo.format == "JPEG2000" and bits < FULL) or _odd_range(photo, data)


def _odd_range(photo: Image.Image, data: bytes) -> bool:
    return photo.format == "PPM" and _maxval(data) != 65535


def stated_bits(photo: Image.Image, data: bytes, peak: int) -> int:
    """How many bits of 16 the file itself says that it uses; 0 where it says nothing.

    peak: the largest sample. sBIT of PNG means samples that were scaled up; many writers do not
    scale them, so the samples decide. Raises ValueError where they leave it open.
    """
    if photo.format == "TIFF":
        tags = photo.tag_v2  # type: ignore[attr-defined]
        bits = max(tags.get(_BITS_PER_SAMPLE, (FULL,)))
        largest = np.max(tags.get(_MAX_SAMPLE_VALUE, 65535))
        said = int(largest).bit_length() if largest & (largest + 1) == 0 else FULL
        stated = min(bits, said) if peak < 1 << min(bits, said) else bits
        return stated if stated < FULL else 0
    if photo.format == "JPEG2000":
        stated = depth(photo, data)
        return stated if stated < FULL else 0
    stated = _significant_bits(data) if photo.format == "PNG" else 0
    if not 0 < stated < FULL:
        return 0
    if peak < 1 << stated:
        return stated
    if peak < 2 << stated:
        raise ValueError(
            f"has 16-bit samples that reach {peak} of 65535, and says (sBIT) that {stated} bits are "
            "used: their range is not clear; save it with 8 bits."
        )
    return FULL


def used_bits(peak: int) -> int:
    """The smallest usual depth that holds the largest sample; black uses all."""
    if peak == 0:
        return FULL
    return next(bits for bits in DEPTHS if peak < 1 << bits)


def to_8_bits(bits: int) -> np.ndarray:
    """A table (65536,) uint8 of samples of that many bits, rounded: sample * 255 / (2^bits - 1)."""
    largest = (1 << bits) - 1
    samples = np.minimum(np.arange(65536, dtype=np.uint32), largest)
    return ((samples * 255 + largest // 2) // largest).astype(np.uint8)


def read_deep(data: bytes) -> np.ndarray:
    """Colours as they stand in the file: (H, W, 3 or 4) uint16, RGB or RGBA, not turned upright."""
    import cv2

    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or found.dtype != np.uint16 or found.ndim != 3:
        raise ValueError(
            "has samples of 16 bits in a layout that is not read; save it with 8 bits."
        )
    if found.shape[2] == 4:
        return cv2.cvtColor(found, cv2.COLOR_BGRA2RGBA)
    return cv2.cvtColor(found, cv2.COLOR_BGR2RGB)


def content_digest(data: bytes) -> str:
    """BLAKE2b-128 of a file's bytes in hex, by which a photo is known."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def reading_digest(digest: str, bits: int) -> str:
    """The digest of a photo's bytes, and of the range that its samples are read with; 0: the usual."""
    return f"{digest}-{bits}" if bits else digest


def bits_of(digest: str) -> int | None:
    """The range that stands in a digest of `reading_digest`; None where none does."""
    _, found, bits = digest.rpartition("-")
    return int(bits) if found and bits.isdecimal() else None


def _maxval(data: bytes) -> int:
    header = re.sub(rb"#[^\n]*", b"", data[:1000])
    found = re.match(rb"P[2356]\s+\d+\s+\d+\s+(\d+)\s", header)
    if found is None:
        found = re.search(rb"MAXVAL\s+(\d+)", header)
    return int(found[1]) if found else 255


def _significant_bits(data: bytes) -> int:
    at = data.find(b"sBIT", 33, 4096)
    end = data.find(b"IDAT", 33, 4096)
    if at < 0 or (0 <= end < at):
        return 0
    length = int.from_bytes(data[at - 4 : at], "big")
    return max(data[at + 4 : at + 4 + min(length, 3)], default=0)
