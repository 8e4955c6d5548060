"""The coefficients of a stacker: multinomial logistic regression beside a pool, pulled to it.

With the pool's logits l and features x, the mean log-loss of softmax(l + x V) plus
ridge / (2 N) |V|^2 is convex in V; at V = 0 it is the pool's (Wolpert 1992; the pull is towards the
pool instead of towards ignorance, so that few rows leave the pool as it is). By L-BFGS (Nocedal and
Wright 2006, algorithm 7.5) with halved steps, whose test allows for what float32 rounding leaves unsure
of a loss: without that the last steps towards a small gradient cannot be told from worse ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from ensembles.rules.pools import softmax_by_row

# The largest entry of the gradient at which a fit is done, and after how many steps it is anyway.
TOLERANCE, MOST_STEPS = 2e-6, 300
# Steps of which second derivatives are made. What rounding leaves unsure of a mean log-loss.
MEMORY, ROUNDING = 10, 1e-8
Loss = Callable[[np.ndarray], tuple[float, np.ndarray]]


def stacker_coefficients(
    pooled: np.ndarray,
    given: np.ndarray,
    labels: np.ndarray,
    ridge: float,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """(K, D) float64 from the pool (K, N) float32, features (D, N) float32 and labels (N,).

    ridge: in units of a photograph's curvature. start: (K, D) to begin from. Deterministic.
    """
    n_classes, n_rows = pooled.shape
    logits = np.log(np.maximum(pooled, np.finfo(np.float32).tiny))
    rows, pull = np.arange(n_rows), ridge / n_rows
    across = np.ascontiguousarray(given.T)

    def loss(v: np.ndarray) -> tuple[float, np.ndarray]:
        chances = softmax_by_row(logits + v.astype(np.float32) @ given)
        own = np.maximum(chances[labels, rows], np.finfo(np.float32).tiny)
        total = -np.log(own).mean(dtype=np.float64) + pull * np.vdot(v, v) / 2
        chances[labels, rows] -= 1
        return total, (chances @ across).astype(np.float64) / n_rows + pull * v

    return _minimum(loss, np.zeros((n_classes, len(given))) if start is None else start)


def _minimum(loss: Loss, at: np.ndarray) -> np.ndarray:
    """Where a convex loss is least, from `at`, of any shape; `loss` gives its gradient as well."""
    steps: deque[tuple[np.ndarray, np.ndarray, float]] = deque(maxlen=MEMORY)
    now, gradient = loss(at)
    for _ in range(MOST_STEPS):
        if abs(gradient).max() <= TOLERANCE:
            break
        change = _direction(gradient, steps)
        promised, length = -float(np.vdot(gradient, change)), 1.0
        while True:
            found = loss(at + length * change)
            if found[0] <= now - 1e-4 * length * promised + ROUNDING or length < 1e-3:
                break
            length /= 2
        step, turned = length * change, found[1] - gradient
        if (curved := float(np.vdot(step, turned))) > 0:
            steps.append((step, turned, 1 / curved))
        at, (now, gradient) = at + step, found
    return at


def _direction(
    gradient: np.ndarray, steps: deque[tuple[np.ndarray, np.ndarray, float]]
) -> np.ndarray:
    """Against the gradient, as the last steps, each with how it changed the gradient and 1 by the product
    of both, tell the curvature.
    """
    if not steps:
        return -gradient / abs(gradient).sum()
    left, shares = gradient, []
    for step, turned, scale in reversed(steps):
        shares.append(share := scale * np.vdot(step, left))
        left = left - share * turned
    step, turned, scale = steps[-1]
    found = left / (scale * np.vdot(turned, turned))
    for (step, turned, scale), share in zip(steps, reversed(shares), strict=True):
        found += (share - scale * np.vdot(turned, found)) * step
    return -found
