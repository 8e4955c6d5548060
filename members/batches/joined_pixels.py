"""Pixels of two sources as if they were one: labelled photographs, and after them some others."""

from __future__ import annotations

from typing import Any

import numpy as np

from members.errors import BadInput
from members.pixels.cache import Decoded

Pixels = np.ndarray | Decoded


class JoinedPixels:
    """Rows 0..M-1 are those of `first`, M..M+T-1 those of `second`; read as an array is.

    first: (M, h, w, 3) uint8, second: (T, h, w, 3) uint8. Raises BadInput where sizes differ.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, first: Pixels, second: Pixels):
        shapes = [tuple(part.shape[1:]) for part in (first, second)]
        kinds = [part.dtype for part in (first, second)]
        if shapes[0] != shapes[1] or kinds != [self.dtype] * 2:
            raise BadInput(
                f"pixels: {kinds[0]} of shape {shapes[0]} and {kinds[1]} of shape {shapes[1]} do not "
                "go together. Both must be uint8 of one shape (h, w, 3)"
            )
        self._first, self._second = first, second

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *self._first.shape[1:])

    def __len__(self) -> int:
        return len(self._first) + len(self._second)

    def __getitem__(self, rows: Any) -> np.ndarray:
        """rows: one, a slice, or an array (n,) of numbers or bools; a copy of those photographs."""
        numbers = np.arange(len(self))[rows]
        several = np.atleast_1d(numbers)
        found = np.empty((len(several), *self.shape[1:]), self.dtype)
        others = several >= len(self._first)
        if not others.all():
            found[~others] = self._first[several[~others]]
        if others.any():
            found[others] = self._second[several[others] - len(self._first)]
        return found if numbers.ndim else found[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:] if dtype is None else self[:].astype(dtype)
