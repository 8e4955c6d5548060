"""Sums along a sweep: changes sorted by a key first, and by when they happen within it."""

from __future__ import annotations

import numpy as np


def first_of_each(keys: np.ndarray) -> np.ndarray:
    """(E,) bool, whether each of sorted keys (E,) is the first of its value."""
    return np.append(True, keys[1:] != keys[:-1])[: len(keys)]


def running_sums(steps: np.ndarray, first: np.ndarray) -> np.ndarray:
    """(E,) running sums of `steps` that begin anew wherever `first` is True; first[0] is."""
    total = np.cumsum(steps)
    starts = np.flatnonzero(first)
    lengths = np.diff(np.append(starts, len(steps)))
    return total - np.repeat(total[starts] - steps[starts], lengths)


def running_count(first: np.ndarray) -> np.ndarray:
    """(E,) `running_sums` of ones."""
    place = np.arange(1, len(first) + 1)
    starts = np.flatnonzero(first)
    return place - starts[np.cumsum(first) - 1]
