"""Stratified folds of groups: those of scikit-learn, in time that grows with the photographs alone."""

from __future__ import annotations

import numpy as np

_DENSE_ROWS = 4096  # groups of several classes whose unevenness is computed at a time


def stratified_group_folds(labels: np.ndarray, groups: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Fold (N,) int16 of each row, 0..k-1; no group is divided, and classes are spread evenly.

    labels: (N,) int. groups: (N,) int, 0..G-1, each of them used.

    The same folds as `StratifiedGroupKFold(k, shuffle=True, random_state=seed)` of scikit-learn 1.9: groups
    are taken by the standard deviation of their class counts, the most uneven first, equal ones in random
    order, and each goes where the folds' shares of a class then differ least, by the mean over classes
    of the standard deviation over folds; of folds that are as good the one with fewer rows. scikit-learn
    computes every deviation again for every group and fold, O(G k^2 C); here only those of the group's own
    classes are, and counts are kept sparse, so that G x C numbers are never held. Sums are taken in
    NumPy's order, because a tie is decided by their last bit.
    """
    classes, inverse, totals = np.unique(labels, return_inverse=True, return_counts=True)
    starts, own, counts = _sparse_counts(inverse, groups, len(classes))
    shuffled = np.arange(len(starts) - 1)
    np.random.RandomState(seed).shuffle(shuffled)
    uneven = _unevenness(starts, own, counts, len(classes))
    order = shuffled[np.argsort(-uneven[shuffled], kind="stable")]
    fold_of_group = _spread(order, starts, own, counts, totals, k)
    return fold_of_group[groups]


def _sparse_counts(
    classes: np.ndarray, groups: np.ndarray, n_classes: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows by group and class. starts: (G + 1,); of group g, `own[starts[g]:starts[g + 1]]` are its classes
    in rising order, and `counts` at the same places its rows of each."""
    pairs, counts = np.unique(groups.astype(np.int64) * n_classes + classes, return_counts=True)
    number = pairs // n_classes
    starts = np.searchsorted(number, np.arange(int(number[-1]) + 2))
    return starts, pairs % n_classes, counts


def _unevenness(
    starts: np.ndarray, own: np.ndarray, counts: np.ndarray, n_classes: int
) -> np.ndarray:
    """(G,) float64, the standard deviation over all classes of each group's counts.

    Groups of one class are computed once a class and count.
    """
    found = np.empty(len(starts) - 1)
    sizes = np.diff(starts)
    alone = np.flatnonzero(sizes == 1)
    at = starts[alone]
    pairs, kind = np.unique(counts[at] * n_classes + own[at], return_inverse=True)
    each = np.arange(len(pairs) + 1)
    found[alone] = _deviations(each, pairs % n_classes, pairs // n_classes, n_classes)[kind]
    several = np.flatnonzero(sizes > 1)
    within = np.repeat(sizes > 1, sizes)
    edges = np.concatenate([[0], np.cumsum(sizes[several])])
    found[several] = _deviations(edges, own[within], counts[within], n_classes)
    return found


def _deviations(
    starts: np.ndarray, own: np.ndarray, counts: np.ndarray, n_classes: int
) -> np.ndarray:
    """(G,) float64, as above, by dense rows of some groups at a time."""
    found = np.empty(len(starts) - 1)
    for first in range(0, len(found), _DENSE_ROWS):
        last = min(first + _DENSE_ROWS, len(found))
        dense = np.zeros((last - first, n_classes))
        here = slice(starts[first], starts[last])
        rows = np.repeat(np.arange(last - first), np.diff(starts[first : last + 1]))
        dense[rows, own[here]] = counts[here]
        found[first:last] = dense.std(axis=1)
    return found


def _spread(
    order: np.ndarray,
    starts: np.ndarray,
    own: np.ndarray,
    counts: np.ndarray,
    totals: np.ndarray,
    k: int,
) -> np.ndarray:
    """Fold (G,) int16 of each group, taken in `order`. totals: (C,) rows of each class."""
    n_classes = len(totals)
    fold = [0] * len(order)
    deviation = np.zeros((k, n_classes))  # of each class, once the group is in the fold of the row
    of_class = list(deviation.T)  # views
    columns = [[0] * k for _ in range(n_classes)]  # rows of each class by fold
    rows, others = [0] * k, range(1, k)
    known: dict[tuple[int, ...], np.ndarray] = {}  # columns that occurred before
    alone, in_turn = np.eye(k, dtype=int), n_classes > 1
    starts_, own_, counts_, totals_ = (a.tolist() for a in (starts, own, counts, totals))
    summed, sums = np.add.reduce, np.empty(k)
    for group in order.tolist():
        places = range(starts_[group], starts_[group + 1])
        for place in places:
            number, more = own_[place], counts_[place]
            column = columns[number]
            key = (totals_[number], more, *column)
            shares = known.get(key)
            if shares is None:
                shares = known[key] = _with_more(column, more * alone, totals_[number], in_turn)
            of_class[number][:] = shares
        summed(deviation, axis=1, out=sums)
        found = [own_sum / n_classes for own_sum in sums.tolist()]
        best, least = 0, found[0]
        for other in others:
            if found[other] < least or (
                rows[other] < rows[best] and abs(found[other] - least) <= 1e-8 + 1e-5 * least
            ):
                best, least = other, found[other]
        fold[group] = best
        for place in places:
            number, more = own_[place], counts_[place]
            columns[number][best] += more
            rows[best] += more
            view = of_class[number]
            view.fill(view[best])
    return np.array(fold, np.int16)


def _with_more(column: list[int], more: np.ndarray, total: int, in_turn: bool) -> np.ndarray:
    """(k,) float64, the standard deviation over folds of a class's shares, where fold i has more rows.

    more: (k, k), these rows on its diagonal. in_turn: whether sums are taken fold after fold, as NumPy
    takes them over the folds of several classes, and not of one.
    """
    k = len(column)
    shares = (more + column) / total  # row i: fold i has more
    if in_turn:
        shares = np.ascontiguousarray(shares.T)
        off = shares - np.add.reduce(shares, axis=0) / k
        return np.sqrt(np.add.reduce(off * off, axis=0) / k)
    return shares.std(axis=1)
