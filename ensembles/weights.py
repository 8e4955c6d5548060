"""Weights of the members, fitted to out-of-fold predictions for the score that is asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ensembles import metrics
from ensembles.errors import BadInput
from ensembles.greedy import greedy_weights
from ensembles.line_search import line_search_weights
from ensembles.request import VoteRequest
from ensembles.simplex import log_loss_weights
from ensembles.stack import Stack, stack

# Of all classes, or, as in `macro_f1:age`, of the values of one target (`Stack.values`).
OBJECTIVES = ("log_loss", "macro_f1", "accuracy")


@dataclass
class Fit:
    """weights: (M,) float64 >= 0, sum 1. gap: certified distance from the optimum (log-loss)."""

    weights: np.ndarray
    gap: float | None


def fit_weights(probabilities: np.ndarray, labels: np.ndarray, objective: str) -> Fit:
    """Weights over the simplex for (M, N, K) probabilities and (N,) labels.

    objective: "log_loss" (the exact optimum, certified), "macro_f1" or "accuracy" (exact line
    searches from the weights of greedy selection, so never worse than those). Raises BadInput for
    another one.
    """
    if problems := VoteRequest("weighted", objective).problems():
        raise BadInput(problems)
    return fit_stack(stack(probabilities, labels), objective)


def fit_stack(stack: Stack, objective: str, ridge: float = 0.0) -> Fit:
    """As `fit_weights`. ridge: see `simplex.log_loss_weights`."""
    objective = metrics.base(objective)
    if objective == "log_loss":
        solved = log_loss_weights(stack.true, ridge=ridge)
        return Fit(solved.weights, solved.gap)
    start = greedy_weights(stack, objective)[0]
    return Fit(line_search_weights(stack, objective, [start]), None)


def solo_scores(stack: Stack, objective: str) -> np.ndarray:
    """(M,) each member's own score, higher is better: log-loss with its sign turned."""
    objective = metrics.base(objective)
    if objective == "log_loss":
        return np.log(stack.true).mean(axis=1)
    truth, guesses = stack.meaning(stack.labels), stack.meaning(stack.favourites)
    if objective == "accuracy":
        return (guesses == truth).mean(axis=1)
    return np.array([metrics.macro_f1(truth, guess, stack.n_values) for guess in guesses])


def best_member(stack: Stack, objective: str) -> int:
    """The member best in `objective` alone, the first of equals."""
    return int(solo_scores(stack, objective).argmax())
