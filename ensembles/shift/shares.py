"""Class shares of rows without labels, from calibrated probabilities and the shares of training.

Where only the shares differ from those of training, the rows' likelihood of shares q is the product
over rows of sum_k q_k p_k / t_k, with p the probabilities and t the shares of training. The EM of
Saerens, Latinne and Decaestecker (2002) climbs to its maximum, slowly where classes are hard to tell
apart; as the logarithm is concave, Newton's method finds the same maximum, and the steepest slope
says how near it is.
"""

from __future__ import annotations

import numpy as np

STEPS = 500
GAP = 1e-10


def class_shares(
    probabilities: np.ndarray, training: np.ndarray, prior_rows: float = 1.0
) -> np.ndarray:
    """(K,) float64 of sum 1, within GAP of the highest mean log-likelihood.

    probabilities: (T, K), calibrated. training: (K,) shares, of sum 1; a class of share 0 there keeps
    it. prior_rows: above 0, how many rows of the shares of training count beside the T (a Dirichlet
    prior), so that no class gets a share of exactly 0.
    """
    there = np.flatnonzero(training)
    before = training[there]
    relative = probabilities[:, there] / before
    pseudo, n_rows = prior_rows * before, len(relative) + prior_rows

    def climbed(at: np.ndarray) -> float:
        return float((np.log(relative @ at).sum() + pseudo @ np.log(at)) / n_rows)

    shares = before.copy()
    for _ in range(STEPS):
        parts = relative / (relative @ shares)[:, None]
        slope = (parts.sum(axis=0) + pseudo / shares) / n_rows  # at the maximum 1 in each class
        if slope.max() - 1 <= GAP:
            break
        curvature = (parts.T @ parts + np.diag(pseudo / shares**2)) / n_rows
        step = np.linalg.solve(curvature, slope - 1)
        below = step < 0
        most = min(1.0, 0.9 * float(np.min(-shares[below] / step[below], initial=np.inf)))
        newton = shares + most * step
        newton /= newton.sum()
        em = shares * slope  # Saerens et al.'s step, which never goes down
        shares = max(em / em.sum(), newton, key=climbed)
    whole = np.zeros(len(training))
    whole[there] = shares
    return whole


def influences(probabilities: np.ndarray, training: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """(N, K) float64: how much each row moves the shares that are fitted to rows of `shares`, the
    delta method's. Their mean moves the shares by their mean.

    The inverse of the likelihood's curvature on changes of sum 0, times the row's own slope.
    """
    there = np.flatnonzero(training)
    relative = probabilities[:, there] / training[there]
    parts = relative / (relative @ shares[there])[:, None]
    # an orthonormal basis of the changes that keep the sum
    basis = np.linalg.svd(np.ones((1, len(there))))[2][1:]
    inverse = np.linalg.pinv(basis @ (parts.T @ parts) @ basis.T / len(parts), hermitian=True)
    whole = np.zeros((len(parts), len(training)))
    whole[:, there] = parts @ (basis.T @ inverse @ basis)
    return whole
