"""The photographs of one size without copies: each is decoded from its file whenever it is read."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from members.errors import BadInput
from members.files import Progress
from members.pixels.cache import CachedPixels, Wanted, few


class StreamedPixels:
    """Read as `CachedPixels` is, with the same pixels, and no disk is written to.

    The process that reads decodes, one photo after the other: a loader's process, where there are some.
    progress(done, total): of each reading in the process that made this. Raises BadInput for photos that
    are unreadable, gone, or changed since their digests were taken.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, wanted: Wanted, progress: Progress | None = None):
        self._wanted, self._progress, self._made_in = wanted, progress, os.getpid()

    @property
    def shape(self) -> tuple[int, ...]:
        return self._wanted.shape

    def __len__(self) -> int:
        return len(self._wanted.paths)

    def __getitem__(self, rows: Any) -> np.ndarray:
        """rows: one, a slice, or an array (n,) of numbers or bools."""
        numbers = np.arange(len(self))[rows]
        found = self._read(np.atleast_1d(numbers))
        return found if numbers.ndim else found[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:] if dtype is None else self[:].astype(dtype)

    def _read(self, rows: np.ndarray) -> np.ndarray:
        found = np.empty((len(rows), *self.shape[1:]), self.dtype)
        problems: list[str] = []
        for at, row in enumerate(rows.tolist()):
            try:
                found[at] = self._wanted.photo(row)
            except BadInput as error:
                problems += error.problems
            if self._progress and os.getpid() == self._made_in:
                self._progress(at + 1, len(rows))
        if problems:
            raise BadInput(few(dict.fromkeys(problems)))
        return found


Decoded = CachedPixels | StreamedPixels
