"""Greedy selection with replacement (Caruana et al. 2004), in the variant of AutoGluon.

Start empty; add, one at a time, the member with which the plain mean of all added scores best; a
member may be added often. Keep the first prefix with the best score. The weights are the shares of
the additions.

The rows are few that one more member can move: the sum of s members is ahead of its second class by
s times a mean margin, and one member adds less than 1. Those rows alone are added up.
"""

from __future__ import annotations

import numpy as np

from ensembles.scores import metrics, scorers
from ensembles.scores.by_part import by_value
from ensembles.weights.stack import Stack

PAIRS_AT_ONCE = 200_000


def greedy_weights(
    stack: Stack, objective: str = "macro_f1", size: int = 25
) -> tuple[np.ndarray, float]:
    """Weights (M,) and the score of the best prefix of `size` additions.

    objective: a metric that takes decisions, of what classes mean (`Stack.meaning`). Equal scores
    (to 6 digits, from the second addition on) go to members already in, then to the lower log-loss, then
    to a draw with a fixed seed: as AutoGluon's `EnsembleSelection(tie_breaker="second_metric")`,
    whose weights these are, too, where its metric is macro F1 over all K classes. By itself it
    leaves out a class that is neither among the labels nor predicted.
    """
    n_members, n_rows = stack.favourites.shape
    rng = np.random.RandomState(0)  # the legacy generator, for AutoGluon's draws
    order: list[int] = []
    trajectory: list[float] = []
    mean = np.zeros(stack.probabilities.shape[1:])
    top, lead = np.zeros(n_rows, np.intp), np.zeros(n_rows)
    for s in range(size):
        if s:
            mean *= (s - 1) / s
            mean += stack.probabilities[order[-1]] / s
            # Only a member that favours another class takes off a lead, at most 1: few rows are unsure.
            lead -= stack.favourites[order[-1]] != top
            unsure = np.flatnonzero(lead <= 1 + 1e-9)
            top[unsure], ahead = _leads(mean[unsure])
            lead[unsure] = s * ahead
        errors = 1 - _scores_with_each(stack, mean, s, top, lead, objective)
        if s:
            errors = errors.round(6)
        best = np.flatnonzero(np.isclose(errors, errors.min(), atol=0, rtol=1e-12))
        if len(best) > 1 and order:
            best = best[np.isin(best, order)] if np.isin(best, order).any() else best
        if len(best) > 1:
            losses = [_loss_with(stack, mean, s, member) for member in best.tolist()]
            best = best[np.isclose(losses, np.min(losses), atol=0, rtol=1e-12)]
        chosen = int(rng.choice(best))
        order.append(chosen)
        error = errors[chosen]
        trajectory.append(float(error.round(6) if not s and error > 1e-4 else error))
        if n_members == 1:
            break
    length = int(np.argmin(trajectory)) + 1
    weights = np.bincount(order[:length], minlength=n_members) / length
    if weights.sum() < 1:
        weights /= weights.sum()
    return weights, 1 - trajectory[length - 1]


def _scores_with_each(
    stack: Stack, mean: np.ndarray, s: int, top: np.ndarray, lead: np.ndarray, objective: str
) -> np.ndarray:
    """(M,) score of the mean of s additions with each member as the next.

    top: (N,) the mean's most probable class. lead: (N,) s times its margin, or less.
    """
    if not s:
        return np.array([_score(stack, own, objective) for own in stack.favourites])
    n_members, n_classes, n_values = stack.n_members, stack.n_classes, stack.n_values
    live = np.flatnonzero(lead <= 1 + 1e-9)
    members, at = np.nonzero(stack.favourites[:, live] != top[live])
    moved = live[at]
    cells = members * len(top) + moved
    flat = stack.probabilities.reshape(-1, n_classes)
    to, away = (cells * n_classes + own for own in (stack.favourites[members, moved], top[moved]))
    pull = np.take(flat, to) - np.take(flat, away)
    close = pull >= lead[moved] - 1e-6
    members, moved, cells = members[close], moved[close], cells[close]
    after = np.empty(len(moved), np.intp)
    for begin in range(0, len(moved), PAIRS_AT_ONCE):
        part = slice(begin, begin + PAIRS_AT_ONCE)
        # AutoGluon's arithmetic, rounding included: the addend stays float32, the sum is divided.
        total = np.take(mean, moved[part], axis=0)
        total *= s / float(s + 1)
        total += (1.0 / float(s + 1)) * np.take(flat, cells[part], axis=0)
        total /= total.sum(axis=1)[:, None]
        after[part] = total.argmax(axis=1)
    labels, top, after = map(stack.meaning, (stack.labels, top, after))
    changed = after != top[moved]
    members, moved, after = members[changed], moved[changed], after[changed]
    truth, before = labels[moved], top[moved]
    sums, true = metrics.named(objective).sums, np.bincount(labels, minlength=n_values)
    if sums:
        base = scorers.confusion(labels, top, n_values)
        added = sums.of_rows(true, truth, after) - sums.of_rows(true, truth, before)
        each = np.stack([np.bincount(members, own, n_members) for own in added])
        return sums.score(sums.of_all(base)[:, None] + each, true)
    n_cells = n_members * n_values

    def tally(classes: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        at = members[chosen] * n_values + classes[chosen]
        return np.bincount(at, minlength=n_cells).reshape(n_members, n_values)

    right = np.bincount(labels[labels == top], minlength=n_values)
    hits = right + tally(after, after == truth) - tally(before, before == truth)
    if objective == "accuracy":
        return hits.sum(axis=1) / len(stack.labels)
    every = np.ones(len(moved), bool)
    predicted = np.bincount(top, minlength=n_values) + tally(after, every) - tally(before, every)
    # scikit-learn's order of operations, so that the last digit is the same.
    return np.mean(2 * hits / np.maximum(predicted + true, 1), axis=1)


def _leads(mean: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) most probable class and how far it is ahead of the second."""
    rows = np.arange(len(mean))
    top = mean.argmax(axis=1)
    rest = mean.copy()
    rest[rows, top] = -1.0
    return top, mean[rows, top] - rest.max(axis=1)


def _score(stack: Stack, predictions: np.ndarray, objective: str) -> float:
    truth, guess = stack.meaning(stack.labels), stack.meaning(predictions)
    return metrics.named(objective).score_decisions(truth, guess, stack.n_values)


def _loss_with(stack: Stack, mean: np.ndarray, s: int, member: int) -> float:
    mixed = mean * (s / (s + 1)) + stack.probabilities[member] / (s + 1)
    if stack.values is not None:
        mixed = by_value(mixed, stack.values)
    return scorers.log_loss(stack.meaning(stack.labels), mixed)
