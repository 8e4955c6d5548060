"""Weights of the members for a metric of decisions, by exact searches along lines.

Such a score is constant in the weights but for jumps where a row's predicted class changes. Along
a line from one mixture to another each class's score is linear, so a row's prediction is the upper
envelope of K lines. All breakpoints of all rows are found and sorted, and the score is swept
across them: the exact maximum over the line. Coordinate ascent repeats this, one member at a time.

Few rows matter to a line: those that the far end predicts otherwise, and, where the line also leads
away from a member in use, those whose lead is less than what that member gave.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ensembles.scores import metrics, scorers
from ensembles.weights.stack import Stack
from ensembles.weights.sweep import first_of_each, running_sums

SAME = 1e-12
# Below this a row's lead is counted anew at every step, above it only bounded.
CLOSE = 0.05
TINY = np.finfo(float).tiny
MOST_PASSES = 20
# Rows are set aside only where so few are left that copying them pays.
WORTH_COPYING = 0.8


@dataclass
class Breakpoints:
    """Where predictions change on (0, 1), sorted by t: each (E,), `left` class becomes `right`."""

    t: np.ndarray
    row: np.ndarray
    left: np.ndarray
    right: np.ndarray


@dataclass
class LineSearch:
    """What stays the same during a search: the rows whose prediction can change, and the rest.

    all: every row. varying: the R rows on which some members disagree. fixed: (V, V) confusion
    counts of all other rows together.
    """

    metric: metrics.Metric
    all: Stack
    varying: Stack
    fixed: np.ndarray

    @classmethod
    def of(cls, stack: Stack, objective: str) -> LineSearch:
        """Set the rows aside on which all members agree: no weights change their prediction."""
        metric = metrics.named(objective)
        varying = (stack.favourites != stack.favourites[0]).any(axis=0)
        if varying.mean() > WORTH_COPYING:
            return cls(metric, stack, stack, np.zeros((stack.n_values, stack.n_values), np.intp))
        same = stack.take(~varying)
        return cls(metric, stack, stack.take(varying), _counts(same, same.favourites[0]))

    def counts(self, predictions: np.ndarray) -> np.ndarray:
        """(V, V) confusion counts of all rows, the varying ones predicted so."""
        return self.fixed + _counts(self.varying, predictions)

    def score(self, predictions: np.ndarray) -> float:
        """The metric of all rows, the varying ones predicted so."""
        return self.metric.score_counts(self.counts(predictions))


@dataclass
class State:
    """Where the search stands.

    weights: (M,). mixture: (R, K) of the varying rows; predictions: (R,) its most probable classes.
    lead: (R,) how far those are ahead of the second, or less. true: (N,) the mixture's probability
    of the true class, of all rows.
    """

    weights: np.ndarray
    mixture: np.ndarray
    predictions: np.ndarray
    lead: np.ndarray
    true: np.ndarray
    score: float
    loss: float


def line_search_weights(stack: Stack, objective: str, starts: Iterable[np.ndarray]) -> np.ndarray:
    """The best weights (M,) that coordinate ascent reaches from any of the starts.

    objective: a metric that takes decisions. Deterministic: equal scores go to the lower log-loss,
    then to the middle of the widest interval, then to the earlier start.
    """
    search = LineSearch.of(stack, objective)
    reached = [_ascend(search, start) for start in starts]
    best = min(reached, key=lambda state: (-round(state.score, 12), round(state.loss, 12)))
    return best.weights / best.weights.sum()


def state_at(search: LineSearch, weights: np.ndarray) -> State:
    mixture = np.zeros(search.varying.probabilities.shape[1:])
    for weight, member in zip(weights, search.varying.probabilities, strict=True):
        if weight:
            mixture += weight * member
    predictions, lead = _leads(mixture)
    true = weights @ search.all.true
    loss = float(-np.log(np.maximum(true, TINY)).mean())
    return State(weights, mixture, predictions, lead, true, search.score(predictions), loss)


def best_on_line(search: LineSearch, state: State, member: int) -> tuple[float, float]:
    """The highest score over all weights of one member, the others' in proportion; the weight.

    Of equal scores the one with the lower log-loss, each interval taken at its middle; of equal
    losses the widest interval.
    """
    weight = state.weights[member]
    own, favourites = search.varying.probabilities[member], search.varying.favourites[member]
    first = state.predictions
    if weight:
        # Without the member: only where it gave more to the leading class than the lead.
        doubtful = np.flatnonzero(state.lead <= weight * (1 + 1e-9))
        rest = np.take(state.mixture, doubtful, axis=0)
        rest -= weight * np.take(own, doubtful, axis=0)
        first = first.copy()
        first[doubtful] = rest.argmax(axis=1)
    rows = np.flatnonzero(first != favourites)
    start, end = np.take(state.mixture, rows, axis=0), np.take(own, rows, axis=0)
    if weight:
        start -= weight * end
        start /= 1 - weight
    points = breakpoints(start, end, first[rows], favourites[rows].astype(np.intp))
    points.row = rows[points.row]
    after = scores_along(search, first, points)
    edges = np.concatenate([[0.0], points.t, [1.0]])
    wide = np.flatnonzero(np.diff(edges) > SAME)
    best = after[wide].max()
    if best < state.score - SAME:
        return float(best), float(weight)
    tied = after[wide] >= best - SAME
    # Runs of neighbouring intervals with the best score are one interval.
    opens = np.flatnonzero(tied & ~np.concatenate([[False], tied[:-1]]))
    closes = np.flatnonzero(tied & ~np.concatenate([tied[1:], [False]]))
    low, high = edges[wide[opens]], edges[wide[closes] + 1]
    return float(best), _least_loss(search, state, member, low, high)


def _least_loss(
    search: LineSearch, state: State, member: int, low: np.ndarray, high: np.ndarray
) -> float:
    """Of the intervals' middles (sorted), the weight of `member` with the lowest log-loss.

    The loss is convex along the line, so its slope tells on which side of a middle the best lies.
    """
    middles = (low + high) / 2
    weight, end = state.weights[member], search.all.true[member]
    rest = (state.true - weight * end) / (1 - weight) if weight else state.true
    change = end - rest

    def slope(t: float) -> float:
        return -(change / np.maximum(rest + t * change, TINY)).mean()

    below, above = 0, len(middles) - 1
    while above - below > 1:
        centre = (below + above) // 2
        below, above = (centre, above) if slope(middles[centre]) < 0 else (below, centre)
    if above == below:
        return float(middles[0])
    pair = [below, above]
    losses = [-np.log(np.maximum(rest + middles[i] * change, TINY)).mean() for i in pair]
    widths = [low[i] - high[i] for i in pair]
    return float(middles[min(zip(np.round(losses, 12), widths, pair, strict=True))[2]])


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
    found: list[tuple[np.ndarray, ...]] = []
    while len(row):
        at_start, at_end = start, end
        if found or len(row) < len(start):
            at_start, at_end = np.take(start, row, axis=0), np.take(end, row, axis=0)
        here = np.arange(len(row)) * start.shape[1]
        ahead = np.take(at_start, here + left) - np.take(at_start, here + right)
        behind = np.take(at_end, here + right) - np.take(at_end, here + left)
        # Both are 0 where the two lines coincide: any t is as good.
        t = np.clip(ahead / np.maximum(ahead + behind, TINY), low, high)
        heights = at_end - at_start
        heights *= t[:, None]
        heights += at_start
        top = heights.argmax(axis=1)
        sides = np.maximum(np.take(heights, here + left), np.take(heights, here + right))
        between = np.take(heights, here + top) > sides + SAME
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


def scores_along(search: LineSearch, predictions: np.ndarray, points: Breakpoints) -> np.ndarray:
    """(E + 1,) score before the first breakpoint and after each, from the predictions at t = 0."""
    counts, varying = search.counts(predictions), search.varying
    truth = varying.meaning(varying.labels)[points.row]
    left, right = varying.meaning(points.left), varying.meaning(points.right)
    if search.metric.sums:
        return _by_sums(search.metric.sums, counts, truth, left, right)
    changes = _accuracy_changes if search.metric.name == "accuracy" else _f1_changes
    begin = search.metric.score_counts(counts)
    return begin + np.concatenate([[0.0], np.cumsum(changes(counts, truth, left, right))])


def _by_sums(
    sums: metrics.Sums, counts: np.ndarray, truth: np.ndarray, left: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """As `scores_along`, of any metric: its sums are carried along, and scored after each change."""
    true = counts.sum(axis=1)
    steps = sums.of_rows(true, truth, right) - sums.of_rows(true, truth, left)
    along = np.concatenate([sums.of_all(counts)[:, None], steps], axis=1)
    return sums.score(np.cumsum(along, axis=1), true)


def _accuracy_changes(
    counts: np.ndarray, truth: np.ndarray, left: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """(E,) what each change adds."""
    return ((truth == right).astype(int) - (truth == left)) / counts.sum()


def _f1_changes(
    counts: np.ndarray, truth: np.ndarray, left: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """(E,) what each change adds to macro F1."""
    hits, occurs = counts.diagonal(), counts.sum(axis=0) + counts.sum(axis=1)
    # Each change is two entries: one row less for `left`, one more for `right`.
    classes = np.stack([left, right], axis=1).ravel()
    steps = np.tile([-1, 1], len(left))
    hit_steps = steps * (truth.repeat(2) == classes)
    # Class by class in order of time, so that one running sum gives each class's counts.
    order = np.argsort(classes.astype(np.int16), kind="stable")
    of = classes[order]
    first_of_class = first_of_each(of)
    hits_after = running_sums(hit_steps[order], first_of_class) + hits[of]
    occurs_after = running_sums(steps[order], first_of_class) + occurs[of]
    after = 2 * hits_after / np.maximum(occurs_after, 1)
    before = np.concatenate([[0.0], after[:-1]])[: len(of)]
    initially = 2 * hits / np.maximum(occurs, 1)
    before[first_of_class] = initially[of[first_of_class]]
    change = np.empty(len(of))
    change[order] = (after - before) / len(counts)
    return change.reshape(-1, 2).sum(axis=1)


def _ascend(search: LineSearch, start: np.ndarray) -> State:
    """Where no single member's weight can be bettered."""
    state = state_at(search, start / start.sum())
    n_rows, n_members = len(search.all.labels), search.all.n_members
    for _ in range(MOST_PASSES):
        before = state.score
        for member in range(n_members):
            if state.weights[member] > 1 - 1e-9:
                continue
            promised, weight = best_on_line(search, state, member)
            if promised >= state.score - SAME:
                state = _moved(search, state, member, weight, promised)
        # A whole pass that gains less than one row, or half a standard error, gains noise.
        spread = max(before * (1 - before), 0.0)  # of a correlation below 0 there is none to take
        if state.score < before + max(1 / n_rows, math.sqrt(spread / n_rows) / 2):
            break
        # Afresh in every pass, so that rounding errors do not add up.
        state = state_at(search, state.weights)
    return state


def _moved(search: LineSearch, state: State, member: int, weight: float, promised: float) -> State:
    """The state with the member at that weight if it is better in truth, else as it was.

    A new state takes the mixture of the old one over.
    """
    others = (1 - weight) / (1 - state.weights[member])
    added = weight - others * state.weights[member]
    true = np.maximum(others * state.true + added * search.all.true[member], TINY)
    loss = float(-np.log(true).mean())
    if not _better(promised, loss, state.score, state.loss):
        return state
    mixture, own = state.mixture, search.varying.probabilities[member]
    # One member takes at most `added` off a lead, and nothing where it favours the same class.
    predictions = state.predictions.copy()
    agrees = search.varying.favourites[member] == predictions if added > 0 else False
    lead = others * state.lead - np.where(agrees, 0.0, abs(added))
    unsure = np.flatnonzero(lead <= CLOSE)
    after = others * np.take(mixture, unsure, axis=0)
    after += added * np.take(own, unsure, axis=0)
    predictions[unsure], lead[unsure] = _leads(after)
    # Rounding may decide a tie otherwise than the sweep: only what is counted counts.
    score = search.score(predictions)
    if not _better(score, loss, state.score, state.loss):
        return state
    weights = others * state.weights
    weights[member] = weight
    mixture *= others
    mixture += added * own
    return State(weights, mixture, predictions, lead, true, score, loss)


def _leads(mixture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) most probable class of each row and how far it is ahead of the second."""
    rows = np.arange(len(mixture))
    predictions = mixture.argmax(axis=1)
    rest = mixture.copy()
    rest[rows, predictions] = -np.inf
    return predictions, mixture[rows, predictions] - rest.max(axis=1, initial=-np.inf)


def _better(score: float, loss: float, than_score: float, than_loss: float) -> bool:
    return score > than_score + SAME or (score > than_score - SAME and loss < than_loss - 1e-9)


def _pairs(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.stack([first, second], axis=1).ravel()


def _counts(stack: Stack, predictions: np.ndarray) -> np.ndarray:
    """(V, V) confusion counts of the classes, or of a target's values."""
    truth, guess = stack.meaning(stack.labels), stack.meaning(predictions)
    return scorers.confusion(truth, guess, stack.n_values)
