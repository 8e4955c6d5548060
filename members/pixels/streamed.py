"""The photographs of one size without copies: each is decoded from its file whenever it is read."""

from __future__ import annotations

import os

import numpy as np

from members.errors import BadInput
from members.files import Progress
from members.pixels.cache import Decoded, Wanted, few


class StreamedPixels(Decoded):
    """The pixels that copies would have, and no disk is written to.

    The process that reads decodes, one photo after the other: a loader's process, where there are some.
    progress(done, total): of each reading in the process that made this. Raises BadInput for photos that
    are unreadable, gone, or changed since their digests were taken.
    """

    def __init__(self, wanted: Wanted, progress: Progress | None = None):
        self._wanted, self._progress, self._made_in = wanted, progress, os.getpid()

    @property
    def shape(self) -> tuple[int, ...]:
        return self._wanted.shape

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
