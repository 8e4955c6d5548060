"""Log-loss weights from rows that some members lack: by the likelihood of what is there.

A row's vote is the mixture of the members that have it, their weights scaled to sum 1. With A (M, N) the
probabilities of the true class and P (M, N) 1 where a member has the row, else 0, the loss is

    -mean_i log( sum_j w_j P_ji A_ji / sum_j w_j P_ji ).

It is that of `simplex` where nothing is missing; else it is not convex in w, and it may have its
minimum where several weights go to 0 together, which leaves rows without a vote. A Dirichlet prior of
one photograph, the ridge of `simplex`, keeps it from there. It is minimised over log w by Newton's
method, with the sizes of the Hessian's eigenvalues in their place where it bends downwards, and each
step is shortened until the loss falls: the weights are stationary, from equal ones, always the same.

Filling what is missing with the row's mixture, as is often done, solves something else: its fixed point
counts each row by the weight of the members that have it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

PRIOR = 1.0
# Of the gradient's largest entry, over log w.
TOLERANCE = 1e-10
MOST_STEPS = 200
# Of a step over log w: where the loss hardly bends, Newton's would leave what exp can hold.
LONGEST = 4.0


@dataclass
class PartialFit:
    """weights: (M,) float64 > 0, sum 1. gradient: the largest entry over log w that was left."""

    weights: np.ndarray
    gradient: float


def partial_loss(
    weights: np.ndarray, true: np.ndarray, present: np.ndarray, ridge: float = PRIOR
) -> float:
    """The loss above with its prior, -ridge / M sum_j log(w_j / sum w), both over N."""
    loss = np.log(weights @ present) - np.log(weights @ np.where(present, true, 0.0))
    prior = np.mean(np.log(weights / weights.sum()))
    return float((loss.sum() - ridge * prior) / len(loss))


def partial_weights(true: np.ndarray, present: np.ndarray, ridge: float = PRIOR) -> PartialFit:
    """Weights that are stationary for the loss of rows that some members lack.

    true: (M, N) float64 > 0, each member's probability of the true class, any value where it has
    none. present: (M, N) bool, at least one member a row. ridge: above 0, in photographs.
    """
    n_members, n_rows = true.shape
    there = np.where(present, 1.0, 0.0)
    own = np.where(present, true, 0.0)
    pull = ridge / (n_members * n_rows)

    def loss_at(logs: np.ndarray) -> float:
        w = np.exp(logs)
        return float(np.mean(np.log(w @ there) - np.log(w @ own)) - pull * np.sum(logs))

    logs = np.full(n_members, -np.log(n_members))
    for _ in range(MOST_STEPS):
        w = np.exp(logs)[:, None]
        part, share = w * own / (w[:, 0] @ own), w * there / (w[:, 0] @ there)
        # w sums to 1, where the prior's gradient is this too
        prior = pull * (n_members * w[:, 0] - 1)
        gradient = (share - part).mean(axis=1) + prior
        if np.abs(gradient).max() <= TOLERANCE:
            break
        hessian = (part @ part.T - share @ share.T) / n_rows
        hessian += np.diag((share - part).mean(axis=1))
        hessian += ridge / n_rows * (np.diag(w[:, 0]) - w @ w.T)
        step = -np.linalg.solve(_positive(hessian), gradient)
        step *= min(1.0, LONGEST / np.abs(step).max())
        here, slope, length = loss_at(logs), float(gradient @ step), 1.0
        # negated, so that a loss which is no number is none that fell
        while length > 1e-9 and not _scaled_loss(loss_at, logs + length * step) <= (
            here + 1e-4 * length * slope + 1e-15
        ):
            length /= 2
        logs = _scaled(logs + length * step)
    return PartialFit(np.exp(logs), float(np.abs(gradient).max()))


def _scaled(logs: np.ndarray) -> np.ndarray:
    """Of weights that sum to 1."""
    top = logs.max()
    return logs - top - np.log(np.exp(logs - top).sum())


def _scaled_loss(loss_at, logs: np.ndarray) -> float:
    return loss_at(_scaled(logs))


def _positive(hessian: np.ndarray) -> np.ndarray:
    """With the size of each eigenvalue in its place; that of the scale, which is free, is 0."""
    values, vectors = np.linalg.eigh(hessian)
    size = np.maximum(np.abs(values), 1e-8 * np.abs(values).max())
    return (vectors * size) @ vectors.T
