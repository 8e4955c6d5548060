"""Decoded photographs in memory, with their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from members.batches.joined_pixels import JoinedPixels, Pixels
from members.batches.soft import Soft, joined_soft
from members.errors import BadInput


@dataclass(frozen=True, eq=False)
class Photos:
    """Photographs of one size, with labels where they are known.

    pixels: (M, h, w, 3) uint8; an array, or files of which only the rows asked for are read.
    labels: (N,) int64, or None.
    rows: (N,) int64, which of the M pictures these are; None: all, N = M.
    columns: name -> (N,) str, attributes for sampling and mixing (members/data/columns.py).
    sizes: (h, w) -> the same M pictures in other sizes, as `pixels`.
    soft: what a teacher says of the N photographs, which are to be trained on; None: there is none.
    """

    pixels: Pixels | JoinedPixels
    labels: np.ndarray | None = None
    rows: np.ndarray | None = None
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    sizes: Mapping[tuple[int, int], Pixels | JoinedPixels] = field(default_factory=dict)
    soft: Soft | None = None

    def __len__(self) -> int:
        return len(self.pixels) if self.rows is None else len(self.rows)

    def take(self, rows: Sequence[int] | np.ndarray) -> Photos:
        """The photographs at `rows`, in that order; repeats are allowed."""
        rows = np.asarray(rows, np.int64)
        return Photos(
            self.pixels,
            None if self.labels is None else np.asarray(self.labels)[rows],
            rows if self.rows is None else self.rows[rows],
            {name: values[rows] for name, values in self.columns.items()},
            self.sizes,
            None if self.soft is None else self.soft.take(rows),
        )

    def in_size(self, size: tuple[int, int]) -> Photos:
        """The same photographs at (h, w). Raises KeyError where they are not there in that size."""
        if tuple(self.pixels.shape[1:3]) == tuple(size):
            return self
        return replace(self, pixels=self.sizes[size])

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Pixels at `rows`: (len(rows), h, w, 3) uint8, a copy."""
        return self.pixels[rows if self.rows is None else self.rows[rows]]


def joined(first: Photos, second: Photos) -> Photos:
    """The photographs of `first`, and after them those of `second`, read from where they are.

    Both have labels. Columns are those of `first`, "" where `second` lacks one; sizes are those that
    both have. Raises BadInput where labels are missing, the pixels are of different sizes, or one part
    alone has a teacher.
    """
    if first.labels is None or second.labels is None:
        raise BadInput("photographs are joined to be trained on: both parts need labels")
    rows = [own.rows if own.rows is not None else np.arange(len(own)) for own in (first, second)]
    unknown = np.full(len(second), "")
    return Photos(
        _joined_pixels(first.pixels, second.pixels),
        np.concatenate([first.labels, second.labels]).astype(np.int64),
        np.concatenate([rows[0], rows[1] + len(first.pixels)]).astype(np.int64),
        {
            name: np.concatenate([values, second.columns.get(name, unknown)])
            for name, values in first.columns.items()
        },
        {
            size: _joined_pixels(pixels, second.sizes[size])
            for size, pixels in first.sizes.items()
            if size in second.sizes
        },
        joined_soft(first.soft, second.soft),
    )


def _joined_pixels(
    first: Pixels | JoinedPixels,
    second: Pixels | JoinedPixels,
) -> JoinedPixels:
    if isinstance(first, JoinedPixels) or isinstance(second, JoinedPixels):
        raise BadInput("photographs that are joined already are not joined again")
    return JoinedPixels(first, second)
