"""Weights of the members for macro F1 or accuracy, by exact searches along lines.

Both scores are constant in the weights but for jumps where a row's predicted class changes. Along
a line from one mixture to another each class's score is linear, so a row's prediction is the upper
envelope of K lines. All breakpoints of all rows are found and sorted, and the score is swept
across them: the exact maximum over the line. Coordinate ascent repeats this, one member at a time.

probabilities: (M, N, K) float32, labels: (N,) int, weights: (M,) float64 over the simplex.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ensembles.simplex import true_class_probabilities

SAME = 1e-12
MOST_TIES = 32
MOST_PASSES = 20


@dataclass
class Breakpoints:
    """Where predictions change on (0, 1), sorted by t: each (E,), `left` class becomes `right`."""

    t: np.ndarray
    row: np.ndarray
    left: np.ndarray
    right: np.ndarray


@dataclass
class Search:
    """What stays the same during a search: the rows whose prediction can change, and the rest.

    varying: (M, R, K) probabilities of the rows on which some members disagree; `favourites`
        (M, R) their most probable classes, `labels` (R,) their true ones.
    fixed: (3, K) true positives, predicted and true counts, of all other rows together.
    true: (M, N) probability of the true class of every row, for ties.
    """

    objective: str
    varying: np.ndarray
    favourites: np.ndarray
    labels: np.ndarray
    fixed: np.ndarray
    true: np.ndarray

    def score(self, predictions: np.ndarray) -> float:
        """Macro F1 or accuracy of all rows, the varying ones predicted so."""
        counts = self.fixed + _counts(self.labels, predictions, self.fixed.shape[1])
        return float(_score(*counts, self.objective))


def line_search_weights(
    probabilities: np.ndarray, labels: np.ndarray, objective: str, starts: Iterable[np.ndarray]
) -> np.ndarray:
    """The best weights (M,) that coordinate ascent reaches from any of the starts.

    objective: "macro_f1" or "accuracy". Deterministic: equal scores go to the lower log-loss, then
    to the middle of the widest interval, then to the earlier start.
    """
    search = prepare(probabilities, labels, objective)
    reached = [_ascend(search, start) for start in starts]
    return min(reached, key=lambda found: (-round(found[0], 12), round(found[1], 12)))[2]


def prepare(probabilities: np.ndarray, labels: np.ndarray, objective: str) -> Search:
    """Set the rows aside on which all members agree: no weights change their prediction."""
    favourites = probabilities.argmax(axis=2)
    varying = (favourites != favourites[0]).any(axis=0)
    n_classes = probabilities.shape[2]
    return Search(
        objective,
        np.ascontiguousarray(probabilities[:, varying]),
        favourites[:, varying],
        labels[varying],
        _counts(labels[~varying], favourites[0, ~varying], n_classes),
        true_class_probabilities(probabilities, labels),
    )


def best_on_line(
    search: Search, start: np.ndarray, true_start: np.ndarray, member: int
) -> tuple[float, float]:
    """The highest score over (1-t) start + t member for t in [0, 1], and the t to take.

    start: (R, K) scores of the varying rows. true_start: (N,) probabilities of the true class of
    all rows, for ties.
    """
    first = start.argmax(axis=1)
    points = breakpoints(start, search.varying[member], first, search.favourites[member])
    after = scores_along(search, first, points)
    edges = np.concatenate([[0.0], points.t, [1.0]])
    wide = np.flatnonzero(np.diff(edges) > SAME)
    best = after[wide].max()
    tied = after[wide] >= best - SAME
    # Runs of neighbouring intervals with the best score are one interval.
    opens = np.flatnonzero(tied & ~np.concatenate([[False], tied[:-1]]))
    closes = np.flatnonzero(tied & ~np.concatenate([tied[1:], [False]]))
    low, high = edges[wide[opens]], edges[wide[closes] + 1]
    widest = np.argsort(low - high, kind="stable")[:MOST_TIES]
    middles = (low[widest] + high[widest]) / 2
    if len(middles) == 1:
        return float(best), float(middles[0])
    true_end = search.true[member]
    losses = [-np.log((1 - t) * true_start + t * true_end).mean() for t in middles]
    return float(best), float(middles[np.argmin(np.round(losses, 12))])


def breakpoints(
    start: np.ndarray, end: np.ndarray, first: np.ndarray, last: np.ndarray
) -> Breakpoints:
    """Every change of a row's most probable class along (1-t) start + t end, (R, K) each.

    first, last: (R,) the most probable class at t = 0 and t = 1. Where they are the same there is
    no change: a line that is highest at both ends is highest between. Elsewhere the two classes'
    lines cross, and either no third line is higher there, and this is the breakpoint, or one is,
    and both halves are looked at in turn. All rows go at once, at most K steps deep.
    """
    row = np.flatnonzero(first != last)
    left, right = first[row], last[row]
    low, high = np.zeros(len(row)), np.ones(len(row))
    found = []
    while len(row):
        at_start, at_end = start[row], end[row]
        here = np.arange(len(row))
        ahead = at_start[here, left] - at_start[here, right]
        behind = at_end[here, right] - at_end[here, left]
        # Both are 0 where the two lines coincide: any t is as good.
        t = np.clip(ahead / np.maximum(ahead + behind, np.finfo(float).tiny), low, high)
        heights = at_end * t[:, None]
        heights += at_start * (1 - t)[:, None]
        top = heights.argmax(axis=1)
        between = heights[here, top] > np.maximum(heights[here, left], heights[here, right]) + SAME
        done, split = ~between, np.flatnonzero(between)
        found.append((t[done], row[done], left[done], right[done]))
        row = row[split].repeat(2)
        left, right = _pairs(left[split], top[split]), _pairs(top[split], right[split])
        low, high = _pairs(low[split], t[split]), _pairs(t[split], high[split])
    if not found:
        return Breakpoints(np.empty(0), *(np.empty(0, np.intp) for _ in range(3)))
    t, row, left, right = (np.concatenate(column) for column in zip(*found, strict=True))
    order = np.argsort(t, kind="stable")
    return Breakpoints(t[order], row[order], left[order], right[order])


def scores_along(search: Search, predictions: np.ndarray, points: Breakpoints) -> np.ndarray:
    """(E + 1,) score before the first breakpoint and after each, from the predictions at t = 0."""
    labels, n_classes = search.labels, search.fixed.shape[1]
    hits, predicted, true = search.fixed + _counts(labels, predictions, n_classes)
    begin = _score(hits, predicted, true, search.objective)
    # Each change is two entries: one row less for `left`, one more for `right`.
    classes = np.stack([points.left, points.right], axis=1).ravel()
    steps = np.tile([-1, 1], len(points.t))
    hit_steps = steps * (labels[points.row].repeat(2) == classes)
    if search.objective == "accuracy":
        change = hit_steps / true.sum()
    else:
        # Class by class in order of time, so that one running sum gives each class's counts.
        order = np.argsort(classes.astype(np.int16), kind="stable")
        own, of = order, classes[order]
        first_of_class = np.concatenate([[True], of[1:] != of[:-1]])[: len(of)]
        hits_after = _running(hit_steps[own], first_of_class) + hits[of]
        occurs_after = _running(steps[own], first_of_class) + (predicted + true)[of]
        after = 2 * hits_after / np.maximum(occurs_after, 1)
        before = np.concatenate([[0.0], after[:-1]])[: len(of)]
        initially = 2 * hits / np.maximum(predicted + true, 1)
        before[first_of_class] = initially[of[first_of_class]]
        change = np.empty(len(of))
        change[own] = (after - before) / n_classes
    return begin + np.concatenate([[0.0], np.cumsum(change.reshape(-1, 2).sum(axis=1))])


def _ascend(search: Search, start: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Score, log-loss and weights where no single member's weight can be bettered."""
    weights = start / start.sum()
    score = search.score(_mixture(search, weights).argmax(axis=1))
    loss = float(-np.log(weights @ search.true).mean())
    for _ in range(MOST_PASSES):
        before = score
        # Afresh in every pass, so that rounding errors do not add up.
        mixture, true = _mixture(search, weights), weights @ search.true
        for member in range(len(weights)):
            weight = weights[member]
            if weight > 1 - 1e-9:
                continue
            end, true_end = search.varying[member], search.true[member]
            rest, true_rest = mixture, true
            if weight:
                rest = (mixture - weight * end) / (1 - weight)
                true_rest = (true - weight * true_end) / (1 - weight)
            hoped, t = best_on_line(search, rest, true_rest, member)
            new_true = (1 - t) * true_rest + t * true_end
            new_loss = float(-np.log(new_true).mean())
            if not _better(hoped, new_loss, score, loss):
                continue
            moved = (1 - t) * rest + t * end
            # Rounding may decide a tie otherwise than the sweep: only what is counted counts.
            new_score = search.score(moved.argmax(axis=1))
            if _better(new_score, new_loss, score, loss):
                weights = weights * ((1 - t) / (1 - weight))
                weights[member] = t
                mixture, true, score, loss = moved, new_true, new_score, new_loss
        # Less than a row's worth in a whole pass is noise, not worth another pass.
        if score < before + 1 / len(true):
            break
    return score, loss, weights / weights.sum()


def _better(score: float, loss: float, than_score: float, than_loss: float) -> bool:
    return score > than_score + SAME or (score > than_score - SAME and loss < than_loss - 1e-9)


def _pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.stack([first, second], axis=1).ravel()


def _mixture(search: Search, weights: np.ndarray) -> np.ndarray:
    mixed = np.zeros(search.varying.shape[1:])
    for weight, member in zip(weights, search.varying, strict=True):
        if weight:
            mixed += weight * member
    return mixed


def _counts(labels: np.ndarray, predictions: np.ndarray, n_classes: int) -> np.ndarray:
    """(3, K): true positives, predicted and true counts of each class."""
    hits = labels[labels == predictions]
    return np.stack([np.bincount(c, minlength=n_classes) for c in (hits, predictions, labels)])


def _score(hits: np.ndarray, predicted: np.ndarray, true: np.ndarray, objective: str) -> float:
    if objective == "accuracy":
        return hits.sum() / true.sum()
    return (2 * hits / np.maximum(predicted + true, 1)).mean()


def _running(steps: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Running sums (E,) that begin anew wherever `first` is true."""
    total = np.cumsum(steps)
    starts = np.flatnonzero(first)
    lengths = np.diff(np.append(starts, len(steps)))
    return total - np.repeat(total[starts] - steps[starts], lengths)
