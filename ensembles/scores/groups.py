"""Numbers of groups or folds, by counting where `np.unique` would sort, and import `numpy.ma`."""

from __future__ import annotations

import numpy as np

# Of a few times as many numbers as rows a table is looked through faster than rows are sorted.
_A_ROW = 8


def numbered(groups: np.ndarray) -> np.ndarray:
    """(N,) int from 0 without a gap, in the order of the groups' names or numbers."""
    there = _there(groups)
    if there is None:
        return _named(groups) if groups.dtype.kind in "OU" else _sorted(groups)
    return groups if there.all() else (np.cumsum(there) - 1)[groups]


def _named(groups: np.ndarray) -> np.ndarray:
    """Of texts: a few groups are sorted, and not all rows."""
    names = groups.tolist()
    at = {name: number for number, name in enumerate(sorted(set(names)))}
    return np.array([at[name] for name in names], np.intp)


def _sorted(groups: np.ndarray) -> np.ndarray:
    return np.unique(groups, return_inverse=True)[1]


def distinct(numbers: np.ndarray) -> np.ndarray:
    """The numbers that occur among (N,) int, sorted."""
    there = _there(numbers)
    return np.unique(numbers) if there is None else np.flatnonzero(there)


def _there(numbers: np.ndarray) -> np.ndarray | None:
    """(G,) bool, which of 0 to G - 1 occur; None where they are no such numbers, or too far apart."""
    if not numbers.size or not np.issubdtype(numbers.dtype, np.integer):
        return None
    if numbers.min() < 0 or (most := int(numbers.max())) >= _A_ROW * len(numbers):
        return None
    there = np.zeros(most + 1, bool)
    there[numbers] = True
    return there
