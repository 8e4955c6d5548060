"""Weights of the log-linear pool by log-loss: a convex problem, solved by Newton's method.

With z_j = log p_j, the pool is softmax(sum_j w_j z_j), and the mean log-loss plus
ridge / (2 N) |w - 1/M|^2 is convex in w. Its gradient is mean(sum_k (q_k - [k = y]) z_jk), its
Hessian the mean over rows of the covariance of z under q.
"""

from __future__ import annotations

import numpy as np

from ensembles.weights.simplex import nonnegative_minimum
from ensembles.weights.stack import Stack

RIDGE = 1.0
# In mean log-loss: a step that promises less gains nothing, and near the optimum, where a step
# promises little, the last step's second derivatives serve the next.
LEAST, NEAR = 1e-8, 1e-3
HESSIAN_ROWS = 2048


def log_linear_weights(
    stack: Stack, ridge: float = RIDGE, negative: bool = False, start: np.ndarray | None = None
) -> np.ndarray:
    """(M,) float64, >= 0 unless `negative`; they need not sum to 1.

    ridge: pull towards 1/M each, in units of a photograph's curvature. start: (M,) weights to begin
    from. The Hessian, which only steers, is of at most HESSIAN_ROWS rows.
    """
    n_members, n_rows, n_classes = stack.probabilities.shape
    flat = stack.logs.reshape(n_members, n_rows * n_classes)
    step = max(1, n_rows // HESSIAN_ROWS)
    true = stack.logs[:, np.arange(n_rows), stack.labels].mean(axis=1, dtype=np.float64)
    centre, pull = np.full(n_members, 1 / n_members), ridge / n_rows
    weights = centre.copy() if start is None else start

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

    (loss, gradient, chances), promised = at(weights), np.inf
    hessian = np.empty((0, 0))
    for _ in range(50):
        if promised > NEAR:
            hessian = _hessian(stack.logs[:, ::step], chances[::step])
            hessian[np.diag_indices(n_members)] += pull + 1e-7 * hessian.trace() / n_members
        if negative:
            change = -np.linalg.solve(hessian, gradient)
        else:
            target = nonnegative_minimum(hessian, hessian @ weights - gradient)
            change = target - weights
        promised, length = float(-gradient @ change), 1.0
        if promised <= LEAST:
            break
        while True:
            found = at(weights + length * change)
            if found[0] <= loss - 1e-4 * length * promised or length < 1e-3:
                break
            length /= 2
        if found[0] >= loss - LEAST / 10:
            break
        weights, (loss, gradient, chances) = weights + length * change, found
    return weights


def _hessian(logs: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """(M, M) mean covariance of logs (M, n, K) under chances (n, K)."""
    n_members, n_rows = logs.shape[:2]
    weighted = logs * chances
    means = weighted.sum(axis=2)
    second = weighted.reshape(n_members, -1) @ logs.reshape(n_members, -1).T
    return ((second - means @ means.T) / n_rows).astype(np.float64)
