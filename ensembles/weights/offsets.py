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

from ensembles.weights.sweep import first_of_each, running_sums

# Metrics with a sweep here; for any other the first.
OFFSETS_FOR = ("macro_f1", "accuracy")
BAGS = 4
ROWS_A_BAG = 2048
PASSES = 2
FURTHEST = 1.0


@dataclass
class _Bags:
    """B bags of rows, without those that no offset within FURTHEST could move.

    logits: (B, n, K), labels: (B, n). counted: (B, n) bool, False where a row only fills up its bag.
    hits, occurs: (B, K) true positives and true + predicted counts of the rows left out, with the
    true counts of those that are in.
    """

    logits: np.ndarray
    labels: np.ndarray
    counted: np.ndarray
    hits: np.ndarray
    occurs: np.ndarray


def bagged_offsets(
    mixed: np.ndarray, labels: np.ndarray, objective: str = "macro_f1", bags: int = BAGS
) -> np.ndarray:
    """(K,) float64. mixed: (N, K) probabilities; labels: (N,). The draw is always the same.

    A bag is a bootstrap sample, of at most ROWS_A_BAG rows.
    """
    return bagged_offsets_each([mixed], labels, objective, bags)[0]


def bagged_offsets_each(
    pools: Sequence[np.ndarray],
    labels: np.ndarray,
    objective: str = "macro_f1",
    bags: int = BAGS,
) -> np.ndarray:
    """(P, K), each of P pools' own `bagged_offsets`, in one sweep for all."""
    drawn = _draw(pools, labels, bags)
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


def _draw(pools: Sequence[np.ndarray], labels: np.ndarray, bags: int) -> _Bags:
    """The same bags of rows for every pool."""
    n_rows, n_classes = pools[0].shape
    drawn = np.random.default_rng(0).integers(0, n_rows, (bags, min(n_rows, ROWS_A_BAG)))
    bag = np.arange(bags)[:, None] * n_classes

    def count(classes: np.ndarray, where: np.ndarray) -> np.ndarray:
        cells = (bag + classes[drawn])[where]
        return np.bincount(cells, minlength=bags * n_classes).reshape(bags, n_classes)

    hits, occurs, order, moving = [], [], [], []
    for mixed in pools:
        top = mixed.argmax(axis=1)
        rest = mixed.copy()
        rest[np.arange(n_rows), top] = 0
        firm = mixed[np.arange(n_rows), top] > np.exp(2 * FURTHEST) * rest.max(axis=1)
        hits.append(count(labels, firm[drawn] & (top == labels)[drawn]))
        occurs.append(count(labels, np.ones(drawn.shape, bool)) + count(top, firm[drawn]))
        order.append(np.argsort(firm[drawn], axis=1, kind="stable"))
        moving.append((~firm[drawn]).sum(axis=1))
    # Rows that may move come first: as many columns as the fullest bag needs.
    width = int(np.max(moving))
    rows = [np.take_along_axis(drawn, own[:, :width], axis=1) for own in order]
    tiny = np.finfo(np.float32).tiny
    moving_rows = [mixed[own] for mixed, own in zip(pools, rows, strict=True)]
    return _Bags(
        np.log(np.maximum(np.concatenate(moving_rows), tiny)).astype(np.float64),
        labels[np.concatenate(rows)],
        np.arange(width) < np.concatenate(moving)[:, None],
        np.concatenate(hits),
        np.concatenate(occurs),
    )


class _Sweep:
    """All bags, with offsets (B, K) added to their logits, and each row's most probable class."""

    def __init__(self, bags: _Bags, offsets: np.ndarray):
        self.bags, self.offsets = bags, offsets.copy()
        self._logits = bags.logits + offsets[:, None]
        self._top = self._logits.argmax(axis=2)
        self._height = np.take_along_axis(self._logits, self._top[:, :, None], axis=2)[:, :, 0]

    def take_best(self, k: int, objective: str) -> np.ndarray:
        """Add to class k's offset what is best in each bag, (B,): 0 where nothing is better."""
        other, height = self._others(k)
        own = self._logits[:, :, k]
        steps = _best_steps(self.bags, self.offsets[:, k], k, height - own, other, objective)
        self.offsets[:, k] += steps
        own += steps[:, None]
        wins = (own > height) | ((own == height) & (k < other))
        self._top, self._height = np.where(wins, k, other), np.where(wins, own, height)
        return steps

    def _others(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """(B, n) the most probable of the other classes, and its logit."""
        other, height = self._top.copy(), self._height.copy()
        where = np.nonzero(other == k)
        rest = self._logits[where]
        rest[:, k] = -np.inf
        other[where] = rest.argmax(axis=1)
        height[where] = rest.max(axis=1)
        return other, height


def _best_steps(
    bags: _Bags,
    offset: np.ndarray,
    k: int,
    needed: np.ndarray,
    other: np.ndarray,
    objective: str,
) -> np.ndarray:
    """(B,) what to add to class k's offsets (B,). Of equal intervals the widest, at its middle.

    needed: (B, n) from which step on a row goes to class k; other: (B, n) where it is till then.
    """
    # Only as far as the rows left out stay as they are.
    lowest, highest = -FURTHEST - offset, FURTHEST - offset
    always = bags.counted & (needed <= lowest[:, None])
    bag, row = np.nonzero(bags.counted & ~always & (needed < highest[:, None]))
    order = np.lexsort((needed[bag, row], bag))
    bag, row = bag[order], row[order]
    at = needed[bag, row]
    # A bag's intervals: one up to its first change, and one after each.
    begins = np.searchsorted(bag, np.arange(len(needed))) + np.arange(len(needed))
    after = np.arange(len(bag)) + bag + 1
    scores, left = np.zeros(len(bag) + len(needed)), np.empty(len(bag) + len(needed))
    left[begins], left[after] = lowest, at
    along = _accuracy_along if objective == "accuracy" else _macro_f1_along
    scores[after] = along(bags, always, other, k, bag, row)
    width = np.append(left[1:], 0.0)
    width[np.append(begins[1:], len(width)) - 1] = highest
    width -= left
    scores[width <= 1e-9] = -np.inf
    own = np.repeat(np.arange(len(needed)), np.diff(np.append(begins, len(width))))
    best = np.maximum.reduceat(scores, begins)
    tied = np.where(scores >= best[own] - 1e-12, width, -1.0)
    widest = np.flatnonzero(tied == np.maximum.reduceat(tied, begins)[own])
    chosen = widest[np.searchsorted(own[widest], np.arange(len(needed)))]
    now = scores[begins + np.bincount(bag[at < 0], minlength=len(needed))]
    return np.where(now >= best - 1e-12, 0.0, left[chosen] + width[chosen] / 2)


def _accuracy_along(
    bags: _Bags, always: np.ndarray, other: np.ndarray, k: int, bag: np.ndarray, row: np.ndarray
) -> np.ndarray:
    """As `_macro_f1_along`, of the number of rows predicted right."""
    labels = bags.labels[bag, row]
    return running_sums((labels == k).astype(int) - (labels == other[bag, row]), first_of_each(bag))


def _macro_f1_along(
    bags: _Bags, always: np.ndarray, other: np.ndarray, k: int, bag: np.ndarray, row: np.ndarray
) -> np.ndarray:
    """(E,) summed F1, above what it is at a bag's lowest step, after each of its rows has gone to k.

    always: (B, n) the rows that are with k from the lowest step on. bag, row: (E,) those that go.
    """
    n_classes = bags.hits.shape[1]
    cells = bags.hits.size
    begin = np.where(always, k, other) + np.arange(len(other))[:, None] * n_classes
    right = bags.counted & (np.where(always, k, other) == bags.labels)
    hits = bags.hits + np.bincount(begin[right], minlength=cells).reshape(bags.hits.shape)
    occurs = bags.occurs + np.bincount(begin[bags.counted], minlength=cells).reshape(hits.shape)

    def f1(hits: np.ndarray, occurs: np.ndarray) -> np.ndarray:
        return 2 * hits / np.maximum(occurs, 1)

    first, labels = first_of_each(bag), bags.labels[bag, row]
    more = running_sums(labels == k, first), running_sums(np.ones(len(bag), int), first)
    own_after = f1(hits[bag, k] + more[0], occurs[bag, k] + more[1])
    # The others: class by class in order of the steps, so that one running sum serves all.
    of = bag * n_classes + other[bag, row]
    order = np.argsort(of, kind="stable")
    of, hit = of[order], (labels == other[bag, row])[order]
    first_of = first_of_each(of)
    hits_after = hits.ravel()[of] - running_sums(hit, first_of)
    occurs_after = occurs.ravel()[of] - running_sums(np.ones(len(of), int), first_of)
    change = np.empty(len(of))
    change[order] = f1(hits_after, occurs_after) - f1(hits_after + hit, occurs_after + 1)
    return own_after - f1(hits[bag, k], occurs[bag, k]) + running_sums(change, first)


def fit_temperature(mixed: np.ndarray, labels: np.ndarray) -> float:
    """The temperature of least log-loss for (N, K) probabilities, within 0.05 to 20.

    Newton's method on its inverse, in which the loss is convex (Guo et al. 2017).
    """
    logits = np.log(np.maximum(mixed, np.finfo(np.float32).tiny)).astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    own = logits[np.arange(len(labels)), labels].mean()
    inverse = 1.0
    for _ in range(30):
        powers = np.exp(inverse * logits)
        powers /= powers.sum(axis=1, keepdims=True)
        means = (powers * logits).sum(axis=1)
        slope = means.mean() - own
        curvature = ((powers * logits * logits).sum(axis=1) - means**2).mean()
        new = np.clip(inverse - slope / max(curvature, 1e-12), inverse / 2, inverse * 2)
        new = float(np.clip(new, 0.05, 20))
        if abs(new - inverse) < 1e-6:
            break
        inverse = new
    return 1 / new
