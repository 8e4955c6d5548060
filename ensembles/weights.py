"""Weights of the members, fitted to out-of-fold predictions for the score that is asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ensembles import estimate
from ensembles.line_search import line_search_weights
from ensembles.simplex import log_loss_weights, true_class_probabilities

OBJECTIVES = ("log_loss", "macro_f1", "accuracy")


@dataclass
class Fit:
    """weights: (M,) float64 >= 0, sum 1. gap: certified distance from the optimum (log-loss)."""

    weights: np.ndarray
    gap: float | None


def fit_weights(probabilities: np.ndarray, labels: np.ndarray, objective: str) -> Fit:
    """Weights over the simplex for (M, N, K) probabilities and (N,) labels.

    objective: "log_loss" (the exact optimum, certified), "macro_f1" or "accuracy" (exact line
    searches from the log-loss weights, the plain mean and the best single member).
    """
    solved = log_loss_weights(true_class_probabilities(probabilities, labels))
    if objective == "log_loss":
        return Fit(solved.weights, solved.gap)
    n_members = len(probabilities)
    single = estimate.best_single(probabilities, labels, objective)
    starts = [solved.weights, np.full(n_members, 1 / n_members), single]
    return Fit(line_search_weights(probabilities, labels, objective, starts), None)
