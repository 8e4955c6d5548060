"""Rows that members find hard, and labels that an honest vote does not believe."""

from __future__ import annotations

import numpy as np

from ensembles.scores.scorers import EPSILON


def hardest(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(N,) int, rows by the mean over members of the log-loss of their label, the greatest first.

    labels: (N,) int. probabilities: (M, N, K), out-of-fold. Of rows as hard as each other the first.
    """
    true = np.maximum(probabilities[:, np.arange(len(labels)), labels], EPSILON)
    return np.argsort(np.log(true.astype(np.float64)).mean(axis=0), kind="stable")


def doubted(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(n,) int, the rows whose label is not the most probable class, by the probability of their own
    label, the least first: self-confidence (Northcutt et al. 2021, Confident Learning).

    labels: (N,) int. probabilities: (N, K), of models and rules that did not see the rows. Of rows with
    one probability the first.
    """
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    return wrong[np.argsort(probabilities[wrong, labels[wrong]], kind="stable")]
