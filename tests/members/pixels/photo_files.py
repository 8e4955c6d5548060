"""Photo files built by hand, of kinds that Pillow does not write."""

import io
import struct
import zlib

import numpy as np
from PIL import Image


def gradients() -> np.ndarray:
    """(48, 64, 3) float64 from 0 to 1, each colour its own way; black and white are in it."""
    y, x = np.mgrid[0:48, 0:64]
    found = np.stack([x * 4 % 256, y * 5 % 256, (x + y) * 2 % 256], axis=2) / 255
    found[0, 0], found[1, 1] = 1, 0
    return found


def samples_of(colours: np.ndarray, bits: int) -> np.ndarray:
    return np.round(colours * ((1 << bits) - 1)).astype(np.uint16)


def png(samples: np.ndarray, depth: int = 16, rows: bytes | None = None, **chunks: bytes) -> bytes:
    """Grey (H, W) or RGB(A) (H, W, C); chunks that stand before the pixels, by name."""
    height, width = samples.shape[:2]
    kind = {1: 0, 3: 2, 4: 6}[1 if samples.ndim == 2 else samples.shape[2]]
    if rows is None:
        rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    parts = [("IHDR", header), *chunks.items(), ("IDAT", zlib.compress(rows)), ("IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name.encode(), part) for name, part in parts)


def _chunk(name: bytes, part: bytes) -> bytes:
    checksum = zlib.crc32(name + part)
    return struct.pack(">I", len(part)) + name + part + struct.pack(">I", checksum)


def tiff(
    samples: np.ndarray, order: str = "<", planes: bool = False, white_is_zero: bool = False,
    more: tuple[tuple[int, int], ...] = (), bits: int = 16,
) -> bytes:  # fmt: skip
    """Uncompressed, of 16 bits: grey (H, W) or RGB (H, W, 3). more: short tags and their values."""
    height, width = samples.shape[:2]
    channels = 1 if samples.ndim == 2 else 3
    stored = samples.transpose(2, 0, 1) if planes else samples
    pixels = stored.astype(f"{order}u2").tobytes()
    strips = channels if planes else 1
    photometric = 2 if channels == 3 else 0 if white_is_zero else 1
    shorts = [(256, width), (257, height), (259, 1), (262, photometric), (277, channels)]
    shorts += [(278, height), (284, 2 if planes else 1), *more]
    at = 8 + 2 + 12 * (len(shorts) + 3) + 4
    lists = b""

    def several(tag: int, values: list[int], letter: str) -> tuple[int, int, int, bytes]:
        nonlocal lists
        kind, packed = (
            {"H": 3, "I": 4}[letter],
            struct.pack(f"{order}{len(values)}{letter}", *values),
        )
        if len(packed) > 4:
            where = at + len(lists)
            lists += packed
            packed = struct.pack(f"{order}I", where)
        return tag, kind, len(values), packed.ljust(4, b"\0")

    entries = [(tag, 3, 1, struct.pack(f"{order}HH", value, 0)) for tag, value in shorts]
    size = len(pixels) // strips
    room = (6 if channels == 3 else 0) + (8 * strips if strips > 1 else 0)
    entries.append(several(258, [bits] * channels, "H"))
    entries.append(several(273, [at + room + i * size for i in range(strips)], "I"))
    entries.append(several(279, [size] * strips, "I"))
    mark = b"II*\0" if order == "<" else b"MM\0*"
    folder = struct.pack(f"{order}H", len(entries)) + b"".join(
        struct.pack(f"{order}HHI", tag, kind, count) + value
        for tag, kind, count, value in sorted(entries)
    )
    return mark + struct.pack(f"{order}I", 8) + folder + bytes(4) + lists + pixels


def saved(photo: Image.Image, kind: str, **how) -> bytes:
    content = io.BytesIO()
    photo.save(content, kind, **how)
    return content.getvalue()
