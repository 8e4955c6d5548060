"""Weights of the members that minimise the log-loss of their mixture: the exact optimum.

With A (M, N), the probability that member j gives to row i's true class, the mixture's log-loss
f(w) = -mean(log(w A)) is convex over the simplex. Its gradient is -g with g = A (1 / (w A)) / N,
and f(w) - min f <= max(g) - 1: the certified gap (the Frank-Wolfe duality gap, since w g = 1).
Dropping sum(w) = 1 and adding + sum(w) leaves the optimum where it was (Kim, Carbonetto, Stephens
and Anitescu 2020, "mixsqp"), so that only w >= 0 is left to hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ensembles.metrics import EPSILON

GAP = 1e-9
ENTER_AT_ONCE = 8
SUBSAMPLE = 20_000


@dataclass
class LogLossFit:
    """weights: (M,) float64, >= 0, sum 1. gap: certified distance of the loss from its minimum."""

    weights: np.ndarray
    gap: float


def true_class_probabilities(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(M, N) float64 of the true class, from (M, N, K); no less than 1e-15, as in `log_loss`."""
    rows = np.arange(len(labels))
    true = np.stack([member[rows, labels] for member in probabilities]).astype(np.float64)
    return np.maximum(true, EPSILON, out=true)


def log_loss_weights(true: np.ndarray, gap: float = GAP, ridge: float = 0.0) -> LogLossFit:
    """Weights over the simplex of least log-loss, certified to `gap`.

    true: (M, N) float64 > 0, each member's probability of the true class. Newton steps on the
    members in use; one gradient over all adds the members that would help and certifies the rest.
    Many rows are first solved on every n-th one, so that few steps touch them all.
    ridge: pull towards equal weights, as strong as that many more photographs, of which each
    member alone knows an equal share (a Dirichlet prior: the problem keeps its form and its
    certificate, which is then that of the penalised loss).
    """
    n_members, n_rows = true.shape
    # The loss changes by a constant when a row is scaled, its conditioning by far more.
    scaled = true / true.max(axis=0)
    if ridge:
        return _with_ridge(scaled, gap, ridge)
    start = np.zeros(n_members)
    if n_rows > 2 * SUBSAMPLE:
        rows = np.ascontiguousarray(scaled[:, :: n_rows // SUBSAMPLE])
        start = log_loss_weights(rows, gap=1e-6).weights
    else:
        start[np.log(scaled).sum(axis=1).argmax()] = 1.0
    weights, best = start, LogLossFit(start, np.inf)
    for _ in range(20 + 2 * n_members):
        gradient = scaled @ (1 / (weights @ scaled)) / n_rows
        found = float(gradient.max()) - 1
        if found < best.gap:
            best = LogLossFit(weights, max(found, 0.0))
        if best.gap <= gap:
            break
        entering = np.argsort(-gradient, kind="stable")[:ENTER_AT_ONCE]
        used = np.union1d(np.flatnonzero(weights), entering[gradient[entering] > 1])
        weights = np.zeros(n_members)
        weights[used] = _newton(scaled[used], start[used], gap / 2)
        start = weights
    return best


def certified_gap(weights: np.ndarray, true: np.ndarray) -> float:
    """How far at most the log-loss of weights (M,) is from its minimum; true: (M, N)."""
    return max(float((true @ (1 / (weights @ true))).max()) / true.shape[1] - 1, 0.0)


def _with_ridge(scaled: np.ndarray, gap: float, ridge: float) -> LogLossFit:
    """Every member gets some weight, so all are in use from the first step."""
    n_members, n_rows = scaled.shape
    counts = np.append(np.ones(n_rows), np.full(n_members, ridge / n_members))
    extended = np.concatenate([scaled, np.eye(n_members)], axis=1)
    weights = _newton(extended, np.full(n_members, 1 / n_members), gap, counts)
    gradient = extended @ (counts / (weights @ extended)) / counts.sum()
    return LogLossFit(weights, max(float(gradient.max()) - 1, 0.0))


def _newton(
    true: np.ndarray, weights: np.ndarray, gap: float, counts: np.ndarray | None = None
) -> np.ndarray:
    """Weights (k,) of least log-loss over the k given members, from a feasible start.

    counts: (N,) how often each row counts; once where it is None.

    Each step minimises the quadratic model over w >= 0. N f is self-concordant (a sum of -log of
    linear functions), so a step of Newton decrement below 1/4 is safe at full length; longer ones
    are halved until the loss falls.
    """
    n_members, n_rows = len(true), true.shape[1] if counts is None else counts.sum()
    for _ in range(100):
        mixture = weights @ true
        relative = true / mixture
        gradient = relative.mean(axis=1) if counts is None else relative @ counts / n_rows
        if gradient.max() - 1 <= gap:
            break
        hessian = (relative if counts is None else relative * counts) @ relative.T / n_rows
        # Members that agree on every row make it singular; a ridge around the current weights
        # slows the step and leaves the optimum alone.
        hessian[np.diag_indices(n_members)] += 1e-10 * hessian.trace() / n_members
        step = nonnegative_minimum(hessian, hessian @ weights + gradient - 1, weights) - weights
        length = 1.0
        if counts is not None or n_rows * (step @ hessian @ step) > 1 / 16:
            loss = _loss(weights, true, counts)
            slope = step @ (1 - gradient)
            while _loss(weights + length * step, true, counts) > loss + 0.01 * length * slope:
                length /= 2
                if length < 1e-12:
                    return weights
        weights = np.maximum(weights + length * step, 0)
        weights /= weights.sum()
    return weights


def newton_step(weights: np.ndarray, gradient: np.ndarray, hessian: np.ndarray) -> np.ndarray:
    """Weights (M,) after a full Newton step over the simplex, near the optimum.

    gradient: (M,) mean of A / (w A) over rows; hessian: (M, M) mean of its outer products.
    """
    hessian = hessian.copy()
    hessian[np.diag_indices(len(weights))] += 1e-10 * hessian.trace() / len(weights)
    stepped = nonnegative_minimum(hessian, hessian @ weights + gradient - 1, weights)
    return stepped / stepped.sum()


def _loss(weights: np.ndarray, true: np.ndarray, counts: np.ndarray | None) -> float:
    with np.errstate(divide="ignore"):
        logs = np.log(weights @ true)
    return weights.sum() - (logs.mean() if counts is None else logs @ counts / counts.sum())


def nonnegative_minimum(hessian: np.ndarray, linear: np.ndarray, start: np.ndarray) -> np.ndarray:
    """argmin over x >= 0 of x'Hx/2 - linear'x, H positive definite (k, k).

    Active set (Lawson and Hanson 1974 on normal equations), started at the positive entries of
    `start`. Deterministic; finite, as every full step lowers the objective.
    """
    x, free = np.where(start > 0, start, 0.0), start > 0
    for _ in range(10 * len(x) + 10):
        target = np.zeros_like(x)
        target[free] = np.linalg.solve(hessian[np.ix_(free, free)], linear[free])
        if (target[free] > 0).all():
            x = target
            slack = np.where(free, -np.inf, linear - hessian @ x)
            if slack.max() <= 1e-14:
                break
            free[slack.argmax()] = True
        else:
            out = np.flatnonzero(free & (target <= 0))
            ratio = x[out] / np.maximum(x[out] - target[out], np.finfo(float).tiny)
            x = np.maximum(x + ratio.min() * (target - x), 0)
            x[out[ratio.argmin()]] = 0
            free &= x > 0
    return x
