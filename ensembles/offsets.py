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

BAGS = 4
ROWS_A_BAG = 2048
PASSES = 2
FURTHEST = 1.0


@dataclass
class _Bags:
    """B bags of rows, without those that no offset within FURTHEST could move.

    logits: (B, n, K), labels: (B, n). counted: (B, n) 1, or 0 where a row only fills up its bag.
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
            before = offsets.copy()
            for k in range(offsets.shape[1]):
                offsets[:, k] += _best_offset(drawn, offsets, k, objective)
            if np.array_equal(before, offsets):
                break
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
    said = [mixed[own] for mixed, own in zip(pools, rows, strict=True)]
    return _Bags(
        np.log(np.maximum(np.concatenate(said), tiny)).astype(np.float64),
        labels[np.concatenate(rows)],
        (np.arange(width) < np.concatenate(moving)[:, None]).astype(np.int64),
        np.concatenate(hits),
        np.concatenate(occurs),
    )


def _best_offset(bags: _Bags, offsets: np.ndarray, k: int, objective: str) -> np.ndarray:
    """(B,) what to add to class k's offset in each bag; 0 where nothing is better.

    Of equal intervals the widest, at its middle.
    """
    logits = bags.logits + offsets[:, None]
    own = logits[:, :, k].copy()
    logits[:, :, k] = -np.inf
    other = logits.argmax(axis=2)
    needed = np.take_along_axis(logits, other[:, :, None], axis=2)[:, :, 0] - own
    order = np.argsort(needed, axis=1, kind="stable")
    needed, other, labels, counted = (
        np.take_along_axis(a, order, axis=1) for a in (needed, other, bags.labels, bags.counted)
    )
    gains, losses = (labels == k) * counted, (labels == other) * counted
    if objective == "accuracy":
        start, along = np.zeros((len(needed), 1)), np.cumsum(gains - losses, axis=1)
    else:
        start = 2 * bags.hits[:, k, None] / np.maximum(bags.occurs[:, k, None], 1)
        along = _macro_f1_along(bags, other, gains, losses, counted, k)
    scores = np.concatenate([start, along], axis=1)
    # Only as far as the rows left out stay as they are.
    lowest, highest = (end - offsets[:, k, None] for end in (-FURTHEST, FURTHEST))
    edges = np.concatenate([lowest, needed.clip(lowest, highest), highest], axis=1)
    width = np.diff(edges, axis=1)
    scores = np.where(width > 1e-9, scores, -np.inf)
    best = scores.max(axis=1, keepdims=True)
    at = np.where(scores >= best - 1e-12, width, -1).argmax(axis=1)
    bag = np.arange(len(along))
    now = scores[bag, (needed < 0).sum(axis=1)]
    middle = (edges[bag, at] + edges[bag, at + 1]) / 2
    return np.where(now >= best[:, 0] - 1e-12, 0.0, middle)


def _macro_f1_along(
    bags: _Bags,
    other: np.ndarray,
    gains: np.ndarray,
    losses: np.ndarray,
    counted: np.ndarray,
    k: int,
) -> np.ndarray:
    """(B, n) summed F1, up to a constant a bag, after each row has gone from `other` to k."""
    (n_bags, n), n_classes = other.shape, bags.hits.shape[1]

    def f1(hits: np.ndarray, occurs: np.ndarray) -> np.ndarray:
        return 2 * hits / np.maximum(occurs, 1)

    own_hits = bags.hits[:, k, None] + np.cumsum(gains, axis=1)
    own = f1(own_hits, bags.occurs[:, k, None] + np.cumsum(counted, axis=1))
    # The others: class by class in order of the thresholds, so that one running sum serves all.
    cells = n_bags * n_classes
    of = (np.arange(n_bags)[:, None] * n_classes + other).ravel()
    order = np.argsort(of.astype(np.int16 if cells < 2**15 else np.int64), kind="stable")
    of, hit, one = of[order], losses.ravel()[order], counted.ravel()[order]
    begins = np.searchsorted(of, of)

    def left(steps: np.ndarray) -> np.ndarray:
        """How many are still with their class after each step."""
        running = np.cumsum(steps)
        total = np.bincount(of, steps, minlength=cells)[of]
        return total - (running - running[begins] + steps[begins])

    hits = bags.hits.ravel()[of] + left(hit)
    occurs = bags.occurs.ravel()[of] + left(one)
    change = np.empty(len(of))
    change[order] = f1(hits, occurs) - f1(hits + hit, occurs + one)
    return own + np.cumsum(change.reshape(n_bags, n), axis=1)


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
