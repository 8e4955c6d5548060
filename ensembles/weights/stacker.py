"""The coefficients of a stacker: multinomial logistic regression beside a pool, pulled to it.

With the pool's logits l and features x, the mean log-loss of softmax(l + x V) plus
ridge / (2 N) |V|^2 is convex in V; at V = 0 it is the pool's (Wolpert 1992; the pull is towards the
pool instead of towards ignorance, so that few rows leave the pool as it is).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from threadpoolctl import threadpool_limits

from ensembles.rules.pools import softmax_by_row

# The largest entry of the gradient at which a fit is done, and after how many steps it is anyway.
TOLERANCE, MOST_STEPS = 2e-5, 300


@contextmanager
def one_blas_thread(with_stackers: bool) -> Iterator[None]:
    """Products as small as a vote's are slower on several threads, by far where cores are busy.

    scipy, which fits stackers, brings a BLAS of its own, and only what is loaded can be limited.
    """
    if with_stackers:
        import scipy.optimize  # noqa: F401
    with threadpool_limits(1, "blas"):
        yield


def stacker_coefficients(
    pooled: np.ndarray,
    given: np.ndarray,
    labels: np.ndarray,
    ridge: float,
    start: np.ndarray | None = None,
) -> np.ndarray:
    """(K, D) float64 from the pool (K, N) float32, features (D, N) float32 and labels (N,).

    ridge: in units of a photograph's curvature. start: (K, D) to begin from. By L-BFGS; deterministic.
    """
    from scipy.optimize import minimize  # takes a third of a second

    n_classes, n_rows = pooled.shape
    logits = np.log(np.maximum(pooled, np.finfo(np.float32).tiny))
    rows, pull = np.arange(n_rows), ridge / n_rows
    shape = n_classes, len(given)
    across = np.ascontiguousarray(given.T)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        v = flat.reshape(shape)
        chances = softmax_by_row(logits + v.astype(np.float32) @ given)
        own = np.maximum(chances[labels, rows], np.finfo(np.float32).tiny)
        total = -np.log(own).mean(dtype=np.float64) + pull * (flat @ flat) / 2
        chances[labels, rows] -= 1
        gradient = (chances @ across).astype(np.float64) / n_rows + pull * v
        return total, gradient.ravel()

    first = np.zeros(shape) if start is None else start
    options = {"maxiter": MOST_STEPS, "gtol": TOLERANCE, "ftol": 0, "maxcor": 10}
    found = minimize(loss, first.ravel(), jac=True, method="L-BFGS-B", options=options)
    return found.x.reshape(shape)
