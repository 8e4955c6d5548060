"""A photograph's pixels as the members of an ensemble see them. Needs numpy and pillow.

They are those of OpenCV, rounding included: INTER_AREA for what is too large, then INTER_LINEAR.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps


def decoded(place):
    """(H, W, 3) uint8, upright, what is transparent over white. Raises ValueError, OSError."""
    photo = Image.open(place, formats=["JPEG", "PNG", "WEBP", "BMP", "GIF"])
    if photo.format == "PNG" and photo.mode != "P" and Path(place).read_bytes()[24] not in (1, 8):
        raise ValueError("a PNG whose samples have other than 8 bits: save it with 8.")
    photo = ImageOps.exif_transpose(photo).convert("RGBA")
    white = Image.new("RGBA", photo.size, "white")
    return np.asarray(Image.alpha_composite(white, photo).convert("RGB"))


def seen(photo, size, crop):
    """The centre of (H, W, 3), crop (height, width) of it in pixels, or fractions up to 1; at the size
    (h, w): uint8."""
    sides = photo.shape[:2]
    H, W = (max(1, round(c if c > 1 else c * s)) for c, s in zip(crop, sides, strict=True))
    if sides[0] < H or sides[1] < W:
        raise ValueError(f"smaller than the {H}x{W} (height x width) that are cut from its centre.")
    top, left = (sides[0] - H) // 2, (sides[1] - W) // 2
    photo = photo[top : top + H, left : left + W]
    return _enlarged(_shrunk(photo, min(size[0], H), min(size[1], W)), *size)


def _shrunk(photo, h, w):
    H, W = photo.shape[:2]
    down, across = H // h, W // w
    if (down * h, across * w) == (H, W):  # of whole pixels
        total = photo.reshape(h, down, w, across, 3).sum((1, 3))
        half = 0.5 * ((down, across) == (2, 2))  # of four a half is rounded up, else to even
        mean = (total + half).astype(np.float32) * np.float32(h * w / (H * W))
    else:
        photo = photo.astype(np.float32)
        mean = _covered(_covered(photo.swapaxes(0, 1), w).swapaxes(0, 1), h)
    return np.rint(mean).clip(0, 255).astype(int)


def _covered(x, m):
    """(m, ...) from (n, ...) float32: each the mean of the part that it covers, added up in order."""
    scale = len(x) / m
    start = np.arange(m)[:, None] * scale
    i = start.astype(int) + np.arange(int(scale) + 2)
    part = np.minimum(start + scale, i + 1) - np.maximum(start, i)
    part = np.where(part > 1e-3, part / np.minimum(scale, len(x) - start), 0).astype(np.float32)
    rows = np.minimum(i, len(x) - 1)
    return sum(x[rows[:, t]] * part[:, t, None, None] for t in range(rows.shape[1]))


def _enlarged(x, h, w):
    left, right = _between(x.swapaxes(0, 1), w)
    above, below = _between((left + right >> 4).swapaxes(0, 1), h)
    return ((above >> 16) + (below >> 16) + 2 >> 2).clip(0, 255).astype(np.uint8)


def _between(x, m):
    """Each of m rows lies between two of x (n, ...): those, times their shares in 2048."""
    at = ((np.arange(m) + 0.5) * (len(x) / m) - 0.5).astype(np.float32)
    first = np.floor(at).astype(int)
    share = (at - first).astype(np.float32)[:, None, None]
    one, other = (np.rint(own * np.float32(2048)).astype(int) for own in (1 - share, share))
    return x[first.clip(0)] * one, x[(first + 1).clip(0, len(x) - 1)] * other
