"""Weights of the log-linear pool by log-loss: a convex problem, solved by Newton's method.

With z_j = log p_j, the pool is softmax(sum_j w_j z_j), and the mean log-loss plus
ridge / (2 N) |w - 1/M|^2 is convex in w. Its gradient is mean(sum_k (q_k - [k = y]) z_jk), its
Hessian the mean over rows of the covariance of z under q.
"""

from __future__ import annotations

import numpy as np

from ensembles import pools
from ensembles.simplex import nonnegative_minimum
from ensembles.stack import Stack

RIDGE = 1.0
TOLERANCE = 1e-5
HESSIAN_ROWS = 4096


def log_linear_weights(stack: Stack, ridge: float = RIDGE, negative: bool = False) -> np.ndarray:
    """(M,) float64, >= 0 unless `negative`; they need not sum to 1.

    ridge: pull towards 1/M each, in units of a photograph's curvature. TOLERANCE bounds the
    projected gradient. The Hessian, which only steers, is of at most HESSIAN_ROWS rows.
    """
    n_members, n_rows, n_classes = stack.probabilities.shape
    logs = pools.log(stack.probabilities)
    # A constant a row changes no softmax; around its mean the float32 sums keep more digits.
    logs -= logs.mean(axis=2, keepdims=True)
    flat = logs.reshape(n_members, n_rows * n_classes)
    few = logs[:, :: max(1, n_rows // HESSIAN_ROWS)]
    true = logs[:, np.arange(n_rows), stack.labels].mean(axis=1, dtype=np.float64)
    centre, pull = np.full(n_members, 1 / n_members), ridge / n_rows
    weights = centre.copy()

    def at(w: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        logits = (w.astype(np.float32) @ flat).reshape(n_rows, n_classes)
        top = logits.max(axis=1, keepdims=True)
        powers = np.exp(logits - top)
        total = powers.sum(axis=1, keepdims=True)
        norm = (np.log(total) + top).mean(dtype=np.float64)
        away = w - centre
        loss = norm - w @ true + pull * (away @ away) / 2
        chances = powers / total
        gradient = (flat @ chances.ravel()).astype(np.float64) / n_rows - true + pull * away
        return loss, gradient, chances

    loss, gradient, chances = at(weights)
    for _ in range(50):
        blocked = (weights <= 0) & (gradient > 0) & (not negative)
        if abs(np.where(blocked, 0, gradient)).max() <= TOLERANCE:
            break
        hessian = _hessian(few, chances[:: max(1, n_rows // HESSIAN_ROWS)])
        hessian[np.diag_indices(n_members)] += pull + 1e-7 * hessian.trace() / n_members
        if negative:
            step = -np.linalg.solve(hessian, gradient)
        else:
            step = nonnegative_minimum(hessian, hessian @ weights - gradient, weights) - weights
        length, slope = 1.0, gradient @ step
        while True:
            tried = weights + length * step
            found = at(tried)
            if found[0] <= loss + 1e-4 * length * slope or length < 1e-3:
                break
            length /= 2
        if found[0] >= loss - 1e-9:
            break
        weights, (loss, gradient, chances) = tried, found
    return weights


def _hessian(logs: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """(M, M) mean covariance of logs (M, n, K) under chances (n, K)."""
    n_members, n_rows = logs.shape[:2]
    weighted = logs * chances
    means = weighted.sum(axis=2)
    second = weighted.reshape(n_members, -1) @ logs.reshape(n_members, -1).T
    return ((second - means @ means.T) / n_rows).astype(np.float64)
