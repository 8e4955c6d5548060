"""Class offsets for macro F1 or accuracy, and the temperature for log-loss, after the average.

An offset adds to a class's log-probability, as another prior would. With the others held, each row
goes to class k from one offset on: sorted, these thresholds are all breakpoints of the score, which
one sweep makes exact. Classes are taken in turn. The result is the mean over bags of rows: one
sweep on all of them would follow their noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ensembles.weights.sweep import first_of_each, running_count, running_sums

# Metrics with a sweep here; for any other the first.
OFFSETS_FOR = ("macro_f1", "accuracy")
BAGS = 4
ROWS_A_BAG = 2048
PASSES = 2
FURTHEST = 1.0
# Rounding: a class is looked at where its probability is this near to mattering.
SLACK = 0.999
# Numbers at once, so that those between stay in the cache.
CACHED = 1 << 16


@dataclass
class _Bags:
    """B bags of rows, without those that no offset within FURTHEST could move, and of each row only
    the classes that could win it: those within 2 FURTHEST of its most probable one.

    labels, bag: (R,) of the rows of all bags, one bag after the other.
    rows, classes, logits: (E,) of the entries, by class, then row; begins: (K + 1,) each class's.
    by_row: (E,) the same entries by row, then class; row_begins: (R + 1,) each row's among these.
    hits, occurs: (B, K) true positives and true + predicted counts of the rows left out, with the
    true counts of those that are in.
    """

    labels: np.ndarray
    bag: np.ndarray
    rows: np.ndarray
    classes: np.ndarray
    logits: np.ndarray
    begins: np.ndarray
    by_row: np.ndarray
    row_begins: np.ndarray
    hits: np.ndarray
    occurs: np.ndarray


def bagged_offsets(
    mixed: np.ndarray, labels: np.ndarray, objective: str = "macro_f1", bags: int = BAGS
) -> np.ndarray:
    """(K,) float64. mixed: (N, K) probabilities; labels: (N,). The draw is always the same.

    A bag is a bootstrap sample, of at most ROWS_A_BAG rows.
    """
    return bagged_offsets_each([mixed], labels, objective, drawn_bags(len(labels), bags))[0]


def drawn_bags(n_rows: int, bags: int = BAGS) -> np.ndarray:
    """(B, n) the rows of each bag."""
    return np.random.default_rng(0).integers(0, n_rows, (bags, min(n_rows, ROWS_A_BAG)))


def bagged_offsets_each(
    pools: Sequence[np.ndarray],
    labels: np.ndarray,
    objective: str = "macro_f1",
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """(P, K), each of P pools' own `bagged_offsets`, in one sweep for all. rows: `drawn_bags`."""
    rows = drawn_bags(len(labels)) if rows is None else rows
    drawn, bags = _draw(pools, labels, rows), len(rows)
    offsets = np.zeros((len(pools) * bags, pools[0].shape[1]))
    if drawn.labels.size:
        for _ in range(PASSES):
            sweep = _Sweep(drawn, offsets)
            for k in range(offsets.shape[1]):
                sweep.take_best(k, objective)
            if np.array_equal(sweep.offsets, offsets):
                break
            offsets = sweep.offsets
    return offsets.reshape(len(pools), bags, -1).mean(axis=1)


def _draw(pools: Sequence[np.ndarray], labels: np.ndarray, drawn: np.ndarray) -> _Bags:
    """The same bags of rows (B, n) for every pool."""
    (n_rows, n_classes), bags = pools[0].shape, len(drawn)
    bag = np.arange(bags)[:, None] * n_classes

    def count(classes: np.ndarray, where: np.ndarray) -> np.ndarray:
        cells = (bag + classes[drawn])[where]
        return np.bincount(cells, minlength=bags * n_classes).reshape(bags, n_classes)

    hits, occurs, moving, entries = [], [], [], []
    for mixed in pools:
        top = mixed.argmax(axis=1)
        height = mixed[np.arange(n_rows), top]
        rest = mixed.copy()
        rest[np.arange(n_rows), top] = 0
        firm = height > np.exp(2 * FURTHEST) * rest.max(axis=1)
        hits.append(count(labels, firm[drawn] & (top == labels)[drawn]))
        occurs.append(count(labels, np.ones(drawn.shape, bool)) + count(top, firm[drawn]))
        moving.append(~firm[drawn])
        # Wider than 2 FURTHEST by more than rounding takes.
        near = mixed >= (height * np.float32(SLACK * np.exp(-2 * FURTHEST)))[:, None]
        entries.append(_entries(mixed, near, drawn[~firm[drawn]]))
    sizes, classes, likely = (np.concatenate(own) for own in zip(*entries, strict=True))
    order = np.argsort(classes, kind="stable")
    by_row = np.empty_like(order)
    by_row[order] = np.arange(len(order))
    tiny = np.finfo(np.float32).tiny
    return _Bags(
        np.concatenate([labels[drawn[own]] for own in moving]),
        np.nonzero(np.concatenate(moving))[0],
        np.repeat(np.arange(len(sizes)), sizes)[order],
        classes[order],
        np.log(np.maximum(likely[order], tiny)).astype(np.float64),
        np.searchsorted(classes[order], np.arange(n_classes + 1)),
        by_row,
        np.append(0, np.cumsum(sizes)),
        np.concatenate(hits),
        np.concatenate(occurs),
    )


def _entries(
    mixed: np.ndarray, near: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of rows (R,) of (N, K) how many classes are near, (R,), and which with what probability, (E,)."""
    sizes, classes = near.sum(axis=1), np.nonzero(near)[1]
    begins = np.append(0, np.cumsum(sizes))
    at = _ranges(begins[rows], sizes[rows])
    return sizes[rows], classes[at], mixed[near][at]


def _ranges(begins: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The numbers from each begin on, as many as its size, one range after the other."""
    after = np.cumsum(sizes)
    return np.arange(after[-1] if len(after) else 0) + np.repeat(begins - after + sizes, sizes)


class _Sweep:
    """All bags, with offsets (B, K) added to their logits, and each row's most probable class."""

    def __init__(self, bags: _Bags, offsets: np.ndarray):
        self.bags, self.offsets = bags, offsets.copy()
        self._logits = bags.logits + offsets[bags.bag[bags.rows], bags.classes]
        every = np.arange(len(bags.labels))
        self._top, self._height = self._highest(every, np.full(len(every), -1))
        cells, shape = bags.bag * offsets.shape[1] + self._top, offsets.shape
        right = cells[self._top == bags.labels]
        self._hits = bags.hits + np.bincount(right, minlength=offsets.size).reshape(shape)
        self._occurs = bags.occurs + np.bincount(cells, minlength=offsets.size).reshape(shape)

    def take_best(self, k: int, objective: str) -> np.ndarray:
        """Add to class k's offset what is best in each bag, (B,): 0 where nothing is better."""
        its = slice(*self.bags.begins[k : k + 2])
        rows, own = self.bags.rows[its], self._logits[its]
        if not len(rows):
            return np.zeros(len(self.offsets))
        bag, top = self.bags.bag[rows], self._top[rows]
        other, height = top.copy(), self._height[rows]
        mine = np.flatnonzero(top == k)
        other[mine], height[mine] = self._highest(rows[mine], np.full(len(mine), k))
        needed = height - own
        # Only as far as the rows left out stay as they are.
        lowest, highest = -FURTHEST - self.offsets[:, k], FURTHEST - self.offsets[:, k]
        always = needed <= lowest[bag]
        begin = np.where(always, k, other)
        self._recount(rows, bag, top, begin)
        goes = np.flatnonzero(~always & (needed < highest[bag]))
        goes = goes[np.lexsort((needed[goes], bag[goes]))]
        moves = _Moves(k, bag[goes], other[goes], self.bags.labels[rows[goes]])
        gains = (
            moves.accuracy()
            if objective == "accuracy"
            else moves.macro_f1(self._hits, self._occurs)
        )
        steps = _best_steps(lowest, highest, moves.bag, needed[goes], gains)
        self.offsets[:, k] += steps
        own += steps[bag]
        wins = (own > height) | ((own == height) & (k < other))
        top = np.where(wins, k, other)
        self._recount(rows, bag, begin, top)
        self._top[rows], self._height[rows] = top, np.where(wins, own, height)
        return steps

    def _highest(self, rows: np.ndarray, but: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) the most probable class of each row but one (n,), and its logit."""
        if not len(rows):
            return np.empty(0, np.intp), np.empty(0)
        bags = self.bags
        sizes = bags.row_begins[rows + 1] - bags.row_begins[rows]
        first = np.cumsum(sizes) - sizes
        at = bags.by_row[_ranges(bags.row_begins[rows], sizes)]
        logits = np.where(bags.classes[at] == np.repeat(but, sizes), -np.inf, self._logits[at])
        height = np.maximum.reduceat(logits, first)
        highest = np.flatnonzero(logits == np.repeat(height, sizes))
        return bags.classes[at[highest[np.searchsorted(highest, first)]]], height

    def _recount(self, rows: np.ndarray, bag: np.ndarray, was: np.ndarray, now: np.ndarray) -> None:
        """Set the counts right after rows (n,) went from one class to another."""
        moved = np.flatnonzero(was != now)
        first, labels = bag[moved] * self.offsets.shape[1], self.bags.labels[rows[moved]]
        for classes, times in ((was[moved], -1), (now[moved], 1)):
            np.add.at(self._occurs.reshape(-1), first + classes, times)
            right = classes == labels
            np.add.at(self._hits.reshape(-1), (first + classes)[right], times)


def _best_steps(
    lowest: np.ndarray, highest: np.ndarray, bag: np.ndarray, at: np.ndarray, gains: np.ndarray
) -> np.ndarray:
    """(B,) which step is best, of equal intervals the widest, at its middle.

    lowest, highest: (B,) steps allowed. bag, at: (E,) where the score changes, in order; gains: (E,)
    the score after each, above that at the bag's lowest step.
    """
    n_bags = len(lowest)
    # A bag's intervals: one up to its first change, and one after each.
    begins = np.searchsorted(bag, np.arange(n_bags)) + np.arange(n_bags)
    after = np.arange(len(at)) + bag + 1
    scores, left = np.zeros(len(at) + n_bags), np.empty(len(at) + n_bags)
    left[begins], left[after], scores[after] = lowest, at, gains
    width = np.append(left[1:], 0.0)
    width[np.append(begins[1:], len(width)) - 1] = highest
    width -= left
    scores[width <= 1e-9] = -np.inf
    own = np.repeat(np.arange(n_bags), np.diff(np.append(begins, len(width))))
    best = np.maximum.reduceat(scores, begins)
    tied = np.where(scores >= best[own] - 1e-12, width, -1.0)
    widest = np.flatnonzero(tied == np.maximum.reduceat(tied, begins)[own])
    chosen = widest[np.searchsorted(own[widest], np.arange(n_bags))]
    now = scores[begins + np.bincount(bag[at < 0], minlength=n_bags)]
    return np.where(now >= best - 1e-12, 0.0, left[chosen] + width[chosen] / 2)


@dataclass
class _Moves:
    """Rows that go to class k one after the other, bag by bag. bag, other, labels: (E,)."""

    k: int
    bag: np.ndarray
    other: np.ndarray
    labels: np.ndarray

    def accuracy(self) -> np.ndarray:
        """(E,) rows predicted right, above how many are at a bag's lowest step, after each."""
        right = (self.labels == self.k).astype(int) - (self.labels == self.other)
        return running_sums(right, first_of_each(self.bag))

    def macro_f1(self, hits: np.ndarray, occurs: np.ndarray) -> np.ndarray:
        """(E,) summed F1, above what it is at a bag's lowest step, whose counts these are (B, K)."""
        k, bag = self.k, self.bag
        first, right = first_of_each(bag), self.labels == k
        own_hits, own_occurs = hits[bag, k], occurs[bag, k]
        more, taken = running_sums(right, first), running_count(first)
        own_change = _f1(own_hits + more, own_occurs + taken) - _f1(own_hits, own_occurs)
        # The others: class by class in order of the steps, so that one running sum serves all.
        of = bag * hits.shape[1] + self.other
        order = np.argsort(of, kind="stable")
        of, hit = of[order], (self.labels == self.other)[order]
        first_of = first_of_each(of)
        hits_after = hits.reshape(-1)[of] - running_sums(hit, first_of)
        occurs_after = occurs.reshape(-1)[of] - running_count(first_of)
        change = np.empty(len(of))
        change[order] = _f1(hits_after, occurs_after) - _f1(hits_after + hit, occurs_after + 1)
        return own_change + running_sums(change, first)


def _f1(hits: np.ndarray, occurs: np.ndarray) -> np.ndarray:
    return 2 * hits / np.maximum(occurs, 1)


def fit_temperature(mixed: np.ndarray, labels: np.ndarray) -> float:
    """The temperature of least log-loss for (N, K) probabilities, within 0.05 to 20.

    Newton's method on its inverse, in which the loss is convex (Guo et al. 2017).
    """
    logits = np.log(np.maximum(mixed, np.finfo(np.float32).tiny)).astype(np.float64)
    logits = np.ascontiguousarray(logits.T)  # along rows sums over a few classes are fast
    logits -= logits.max(axis=0)
    own = logits[labels, np.arange(len(labels))].mean()
    at_once = max(1, CACHED // len(logits))
    blocks = [slice(begin, begin + at_once) for begin in range(0, len(labels), at_once)]
    inverse = 1.0
    means, squares = np.empty(len(labels)), np.empty(len(labels))
    for _ in range(30):
        for rows in blocks:
            powers = np.exp(inverse * logits[:, rows])
            powers /= powers.sum(axis=0)
            powers *= logits[:, rows]
            means[rows] = powers.sum(axis=0)
            powers *= logits[:, rows]
            squares[rows] = powers.sum(axis=0)
        slope = means.mean() - own
        curvature = (squares - means**2).mean()
        new = np.clip(inverse - slope / max(curvature, 1e-12), inverse / 2, inverse * 2)
        new = float(np.clip(new, 0.05, 20))
        if abs(new - inverse) < 1e-6:
            break
        inverse = new
    return 1 / new
