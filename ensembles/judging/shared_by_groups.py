"""What the rows of a group share, and labels that contradict the others of their group."""

from __future__ import annotations

import numpy as np

# Krippendorff's own bound, from which values can be relied on (Content Analysis, 2004, section 11.4).
RELIABLE = 0.8


def krippendorff_alpha(values: np.ndarray, groups: np.ndarray) -> float:
    """How far the rows of a group agree, beyond what their shares alone make: 1 always, 0 by chance.

    values, groups: (N,) int >= 0. Of nominal values, the groups as units and their rows as
    observers (Krippendorff, Content Analysis, 2004, section 11.3). 0 where no group has two rows, and 1
    where all rows of such groups have one value.
    """
    counts = _counts(values, groups)
    sizes = counts.sum(axis=1)
    counts, sizes = counts[sizes > 1], sizes[sizes > 1]
    n = int(sizes.sum())
    if not n:
        return 0.0
    shares = counts.sum(axis=0)
    expected = (n**2 - (shares**2).sum()) / (n * (n - 1))
    if not expected:
        return 1.0
    observed = ((sizes**2 - (counts**2).sum(axis=1)) / (sizes - 1)).sum() / n
    return float(1 - observed / expected)


def are_shared(values: np.ndarray, groups: np.ndarray) -> bool:
    """Whether groups nearly always share the value, so that a row that differs is to be looked at."""
    return krippendorff_alpha(values, groups) >= RELIABLE


def of_the_others(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(N,) int, the most frequent value among the other rows of each row's group; -1 where there are no
    others or several values are as frequent. values, groups: (N,) int >= 0.
    """
    counts = _counts(values, groups)[groups]
    counts[np.arange(len(values)), values] -= 1
    if not len(values):
        return np.zeros(0, int)
    most = counts.max(axis=1)
    single = (counts == most[:, None]).sum(axis=1) == 1
    return np.where((most > 0) & single, counts.argmax(axis=1), -1)


def against_their_group(
    values: np.ndarray, groups: np.ndarray, n_values: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose value is not that of the others of their group, where groups share it, and by what
    Bayes' rule multiplies their probabilities, knowing the group.

    values: (N,) int < n_values; groups: (N,) int >= 0. Returns rows (n,) int and (n, n_values) float64.
    A row has its group's value in all but the share e of cases, the share of rows that do not; the
    other values have e by their own shares s. A photograph's probabilities assume s, and so are multiplied
    by (1 - e) / s and e / (1 - s of the group's value). e is not smaller than the true share, as wrong
    labels are part of it: a member that is sure enough of a row is believed. Rows that agree with their
    group get nothing: where labels were given to groups at once, they agree in what is wrong, too.
    """
    nothing = np.zeros(0, int), np.ones((0, n_values))
    if not are_shared(values, groups):
        return nothing
    others = of_the_others(values, groups)
    rows = np.flatnonzero((others >= 0) & (others != values))
    if not len(rows):
        return nothing
    differ = (len(rows) + 1) / (np.count_nonzero(others >= 0) + 2)
    shares = (np.bincount(values, minlength=n_values) + 1) / (len(values) + n_values)
    theirs = others[rows]
    times = np.repeat(differ / (1 - shares[theirs])[:, None], n_values, axis=1)
    times[np.arange(len(rows)), theirs] = (1 - differ) / shares[theirs]
    return rows, times


def inconstant_groups(values: np.ndarray, groups: np.ndarray) -> list[np.ndarray]:
    """Rows of the groups whose rows differ in what groups share, the largest groups first.

    values, groups: (N,) int >= 0. None where groups do not share it: see `are_shared`.
    """
    if not are_shared(values, groups):
        return []
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order])) + 1
    differ = [rows for rows in np.split(order, starts) if (values[rows] != values[rows[:1]]).any()]
    return sorted(differ, key=len, reverse=True)


def _counts(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(G, V) int, rows of each group with each value."""
    counts = np.zeros((int(groups.max(initial=-1)) + 1, int(values.max(initial=-1)) + 1), int)
    np.add.at(counts, (groups, values), 1)
    return counts
