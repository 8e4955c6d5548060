"""The score of a vote on rows to which neither its members nor its weights were fitted.

Members' out-of-fold predictions are honest already. Weights are not: their score on the rows they
were fitted to is too good. So they are fitted once more for each fold, to the rows of all the
others, and the held-out rows of all folds are scored together.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ensembles import metrics, vote

PSEUDO_FOLDS = 5


def nested_probabilities(
    probabilities: np.ndarray,
    labels: np.ndarray,
    folds: np.ndarray,
    fit: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> np.ndarray:
    """(N, K) float32, each row mixed with weights fitted without its fold.

    probabilities: (M, N, K), labels and folds: (N,), at least two different folds.
    fit: (probabilities, labels) of some rows -> weights (M,).
    """
    held_out = np.empty(probabilities.shape[1:], np.float32)
    for fold in np.unique(folds):
        inside, outside = folds == fold, folds != fold
        weights = fit(probabilities[:, outside], labels[outside])
        held_out[inside] = vote.weighted(probabilities[:, inside], weights)
    return held_out


def estimate(
    labels: np.ndarray, probabilities: np.ndarray, groups: np.ndarray | None = None
) -> dict[str, float | dict[str, float]]:
    """macro_f1, accuracy, log_loss and `standard_error` of each, of pooled held-out predictions.

    The error is the delta method's over rows, or over `groups` (N,) where rows of one person err
    together (`metrics.standard_errors`): it needs no draws, and unlike the spread over a handful of
    folds it is not itself a guess from five numbers. It does not count that the weights, refitted,
    would differ a little.
    """
    errors = metrics.standard_errors(labels, probabilities, groups)
    return {**metrics.scores(labels, probabilities), "standard_error": errors}


def folds_for_weights(folds: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
    """The tables' folds (N,), or five drawn ones where all rows are of one fold (a hold-out).

    No member saw any row of a hold-out, so any split of it is honest for weights. The draw is by
    group where groups are given, and always the same.
    """
    if len(np.unique(folds)) > 1:
        return folds
    units = np.arange(len(folds)) if groups is None else np.unique(groups, return_inverse=True)[1]
    n_units = units.max() + 1
    draw = np.random.default_rng(0).permutation(n_units) % min(PSEUDO_FOLDS, n_units)
    return draw[units].astype(folds.dtype)


def best_single(probabilities: np.ndarray, labels: np.ndarray, objective: str) -> np.ndarray:
    """Weights (M,) that are 1 for the member best in `objective`, the first of equals."""
    found = [metrics.scores(labels, member)[objective] for member in probabilities]
    best = np.argmin(found) if objective == "log_loss" else np.argmax(found)
    return np.eye(len(probabilities))[best]
