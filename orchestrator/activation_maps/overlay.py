"""A map over its photograph, in colours that the colour-blind tell apart."""

from __future__ import annotations

import numpy as np

# dark violet, magenta, orange, light yellow: lightness rises all the way, so that it reads in grey, too
_RAMP = np.array(
    [[30, 15, 70], [110, 28, 110], [188, 55, 84], [237, 105, 37], [251, 180, 30], [252, 255, 164]],
    np.float32,
)
_STRONGEST = 0.75  # how much of the colour the photograph is under at most
_DIMMED = 0.85  # of the photograph's light, so that the brightest colour stands out on white
_BELOW = 0.15  # of the greatest, under which the photograph is left as it is


def overlay(pixels: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8: the photograph in grey, and over it in colour the map.

    pixels: (h, w, 3) uint8. cells: (h, w) float32 of at least 0, drawn by its own greatest.
    """
    grey = pixels.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32) * _DIMMED
    most = float(cells.max(initial=0))
    share = np.clip(cells / most, 0, 1) if most > 0 else np.zeros_like(cells)
    at = share * (len(_RAMP) - 1)
    low = np.minimum(at.astype(int), len(_RAMP) - 2)
    part = (at - low)[..., None]
    colour = _RAMP[low] * (1 - part) + _RAMP[low + 1] * part
    strength = _STRONGEST * np.clip((share - _BELOW) / (1 - _BELOW), 0, 1)[..., None]
    mixed = grey[..., None] * (1 - strength) + colour * strength
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def peak(cells: np.ndarray) -> tuple[float, float] | None:
    """(down, across) in [0, 1] of the greatest of (h, w), the middle of its pixel; None of a map of zeros."""
    if not cells.max(initial=0) > 0:
        return None
    row, column = np.unravel_index(int(cells.argmax()), cells.shape)
    return (float(row) + 0.5) / cells.shape[0], (float(column) + 0.5) / cells.shape[1]
