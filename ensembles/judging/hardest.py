"""Rows that members find hard."""

from __future__ import annotations

import numpy as np

from ensembles.scores.scorers import EPSILON


def hardest(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(N,) int, rows by the mean over members of the log-loss of their label, the greatest first.

    labels: (N,) int. probabilities: (M, N, K), out-of-fold. Of rows as hard as each other the first.
    """
    true = np.maximum(probabilities[:, np.arange(len(labels)), labels], EPSILON)
    return np.argsort(np.log(true.astype(np.float64)).mean(axis=0), kind="stable")
