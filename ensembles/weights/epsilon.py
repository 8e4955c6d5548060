"""How much of 1/K to mix into tables that rule classes out, as hard votes do, before any log.

-mean log((1 - e) p + e / K), p the probability of the true class, is convex in e. A class that is
ruled out where the OOF rows never show one wrongly so may be the true one elsewhere: half a further
row counts as such.
"""

from __future__ import annotations

import numpy as np

# of so many rows of each member a fixed part is taken: one number needs no more
ROWS = 4096
MOST = 0.99


def fit_epsilon(true: np.ndarray, n_classes: int) -> float:
    """The share of least log-loss, within 0 and MOST. true: (n,) probabilities of the true class."""
    given = np.append(true, 0.0)
    counts = np.append(np.ones(len(true)), 0.5)
    low, high = 0.0, MOST
    share = float(min(max(1 - true.mean(), 1e-3), MOST))
    for _ in range(60):
        mixed = (1 - share) * given + share / n_classes
        slopes = (1 / n_classes - given) / np.maximum(mixed, 1e-300)
        slope, bend = float(counts @ slopes), float(counts @ slopes**2)
        low, high = (share, high) if slope > 0 else (low, share)
        new = share + slope / bend
        new = new if low < new < high else (low + high) / 2
        if abs(new - share) < 1e-9:
            break
        share = new
    return share


def tables_epsilon(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """One share for all tables (M, N, K) by the members that rule classes out; 0 where none does."""
    some = slice(None, None, max(1, len(labels) // ROWS))
    certain = probabilities[probabilities.min(axis=(1, 2)) == 0][:, some]
    if not len(certain):
        return 0.0
    true = certain[:, np.arange(certain.shape[1]), labels[some]].astype(np.float64)
    return fit_epsilon(true.ravel(), probabilities.shape[2])


def pool_epsilon(mixed: np.ndarray, labels: np.ndarray) -> float:
    """A pool's share (N, K); 0 where it rules nothing out."""
    if mixed.min() > 0:
        return 0.0
    some = slice(None, None, max(1, len(labels) // ROWS))
    true = mixed[some][np.arange(len(labels[some])), labels[some]].astype(np.float64)
    return fit_epsilon(true, mixed.shape[1])
