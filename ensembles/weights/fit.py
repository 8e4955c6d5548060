"""Weights of the members, fitted to out-of-fold predictions for a given metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ensembles.errors import BadInput, nearest
from ensembles.inputs.tables import Members, labelled
from ensembles.scores import metrics, scorers
from ensembles.weights.compass import compass_weights
from ensembles.weights.greedy import greedy_weights
from ensembles.weights.line_search import line_search_weights
from ensembles.weights.simplex import log_loss_weights
from ensembles.weights.stack import Stack, stack_members


@dataclass
class Fit:
    """weights: (M,) float64 >= 0, sum 1. gap: certified distance from the optimum (log-loss)."""

    weights: np.ndarray
    gap: float | None


def fit_weights(probabilities: Members, labels: Any, objective: str) -> Fit:
    """Weights over the simplex for (M, N, K) probabilities and (N,) labels.

    probabilities: also a dict or list of (N, K) arrays or frames, whose columns and index are read
    as by `VoteClassifier.fit`. labels: numbers 0 to K-1 of the columns.
    objective: a name or alias of `metrics.METRICS`. Of log-loss the exact optimum, certified; of a
    metric of decisions what exact line searches reach from the weights of greedy selection, so
    never worse than those; of any other metric of probabilities what a compass search reaches from
    the log-loss weights, so never worse than those (all on these rows).
    Raises BadInput with every problem.
    """
    problems = []
    metric = metrics.canonical(objective) if isinstance(objective, str) else ""
    if metric not in metrics.METRICS:
        problems.append(
            f"objective: {objective!r}, but must be one of {', '.join(metrics.METRICS)}."
            f"{nearest(str(objective), metrics.METRICS)}"
        )
    try:
        read = labelled(probabilities, labels, numbered=True)
    except BadInput as error:
        problems += error.problems
    if problems:
        raise BadInput(problems)
    return fit_stack(stack_members(np.stack(list(read.members.values())), read.labels), metric)


def fit_stack(stack: Stack, objective: str, ridge: float = 0.0) -> Fit:
    """As `fit_weights`. ridge: see `simplex.log_loss_weights`."""
    metric = metrics.named(objective)
    if metric.takes == "decisions":
        start = greedy_weights(stack, metric.name)[0]
        return Fit(line_search_weights(stack, metric.name, [start]), None)
    solved = log_loss_weights(stack.true, ridge=ridge)
    if metric.convex:
        return Fit(solved.weights, solved.gap)
    return Fit(compass_weights(stack, metric, solved.weights), None)


def solo_scores(stack: Stack, objective: str, rows: np.ndarray | None = None) -> np.ndarray:
    """(M,) each member's own score, higher is better: log-loss with its sign turned. rows: indices of
    those that count, all without.
    """
    metric = metrics.named(objective)
    labels = stack.labels if rows is None else stack.labels[rows]

    def of(values: np.ndarray) -> np.ndarray:
        return values if rows is None else np.take(values, rows, axis=0)

    if metric.convex:
        return np.array([np.log(of(own)).mean() for own in stack.true])
    if metric.takes == "decisions":
        truth, guesses = stack.meaning(labels), (stack.meaning(of(g)) for g in stack.favourites)
        counts = (scorers.confusion(truth, guess, stack.n_values) for guess in guesses)
        return metric.sign * np.array([metric.score_counts(own) for own in counts])
    members = map(stack.member, range(stack.n_members))
    scores = (metric.score(labels, of(p), stack.values) for p in members)
    return metric.sign * np.array(list(scores))


def best_member(stack: Stack, objective: str, rows: np.ndarray | None = None) -> int:
    """The member best in `objective` alone, the first of equals. rows: as of `solo_scores`."""
    return int(solo_scores(stack, objective, rows).argmax())
