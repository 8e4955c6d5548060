"""How much one row moves a score, and from that the score's standard error.

A score is a function of weighted rows; the influence of a row is N times the derivative in its
weight (the delta method; Hampel 1974). The influences of all rows sum to 0, since no score changes
when every row counts double. Of a decision metric a row's influence depends on its true and its
predicted class only: `*_moves` give the (K, K) float64 of all cells from counts (K, K).
"""

from __future__ import annotations

import numpy as np

from ensembles.scores import scorers
from ensembles.scores.groups import numbered


def f1_moves(counts: np.ndarray) -> np.ndarray:
    """Of macro F1.

    F1 of class k is 2 tp / (true + predicted), so with occ_k = (true + predicted) / N a row adds
    (2 [tp] - F1_k ([true = k] + [predicted = k])) / occ_k.
    """
    f1 = scorers.f1_by_class(counts)
    occurs = np.maximum(counts.sum(axis=0) + counts.sum(axis=1), 1) / counts.sum()
    return (np.diag(2 / occurs) - (f1 / occurs)[:, None] - f1 / occurs) / len(counts)


def accuracy_moves(counts: np.ndarray) -> np.ndarray:
    """Of accuracy, a mean over rows: right or not, less the mean."""
    return np.eye(len(counts)) - counts.trace() / counts.sum()


def balanced_accuracy_moves(counts: np.ndarray) -> np.ndarray:
    """Of balanced accuracy: a row of class k adds ([right] - recall_k) / (true_k / N) / K."""
    true = np.maximum(counts.sum(axis=1), 1)
    recall = counts.diagonal() / true
    return (np.eye(len(counts)) - recall[:, None]) * (counts.sum() / true / len(counts))[:, None]


def mcc_moves(counts: np.ndarray) -> np.ndarray:
    """Of Matthews' correlation R = C / sqrt(P T), with h hits, true counts t and predicted counts p,
    C = h N - t.p, P = N^2 - p.p, T = N^2 - t.t.

    In the count of cell (i, j) the derivatives are C' = [i = j] N + h - p_i - t_j,
    P' = 2 (N - p_j), T' = 2 (N - t_i), and R' = C' / sqrt(P T) - R / 2 (P' / P + T' / T). 0 where
    R is 0/0.
    """
    n, hits = float(counts.sum()), float(counts.trace())
    true, predicted = counts.sum(axis=1).astype(float), counts.sum(axis=0).astype(float)
    of_true, of_predicted = n * n - true @ true, n * n - predicted @ predicted
    if of_true <= 0 or of_predicted <= 0:
        return np.zeros(counts.shape)
    root = np.sqrt(of_true * of_predicted)
    score = (hits * n - true @ predicted) / root
    shared = n * np.eye(len(counts)) + hits - predicted[:, None] - true
    spread = ((n - predicted) / of_predicted) + ((n - true) / of_true)[:, None]
    return n * (shared / root - score * spread)


def kappa_moves(counts: np.ndarray) -> np.ndarray:
    """Of quadratic kappa 1 - A / B, with A = sum w_ij n_ij, B = sum w_ij t_i p_j / N (Fleiss, Cohen
    and Everitt 1969).

    In the count of cell (i, j) the derivatives are A' = w_ij and B' = ((w p)_i + (t w)_j - B) / N,
    so kappa' = (A B' / B - A') / B. 0 where kappa is 0/0.
    """
    n, w = float(counts.sum()), scorers.squared_distances(len(counts))
    true, predicted = counts.sum(axis=1).astype(float), counts.sum(axis=0).astype(float)
    disagreement, by_chance = (w * counts).sum(), true @ w @ predicted / n
    if by_chance <= 0:
        return np.zeros(counts.shape)
    chance = ((w @ predicted)[:, None] + true @ w - by_chance) / n
    return n * (disagreement * chance / by_chance - w) / by_chance


def loss_moves(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(N,) of log-loss, a mean over rows."""
    losses = scorers.row_losses(labels, probabilities)
    return losses - losses.mean()


def roc_auc_moves(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(N,) of the macro one-vs-rest area under the ROC curve.

    With v the share of the other side's rows that a row is ranked right against (ties half), a row
    of the class adds (v - AUC) / (share of such rows), one of another class likewise: the
    projection of the Mann-Whitney statistic (DeLong et al. 1988), whose variance it gives.
    """
    n_rows, n_classes = probabilities.shape
    total = np.zeros(n_rows)
    for k, column in enumerate(np.ascontiguousarray(probabilities.T)):
        own = labels == k
        n_own = int(own.sum())
        if n_own in (0, n_rows):
            continue
        beaten = _share_below(np.sort(column[~own]), column[own])
        lost = _share_below(np.sort(column[own]), column[~own])
        area = beaten.mean()
        total[own] += (beaten - area) * (n_rows / n_own)
        total[~own] += (1 - lost - area) * (n_rows / (n_rows - n_own))
    return total / n_classes


def _share_below(ordered: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(n,) share of the sorted numbers that are below each value, ties half."""
    below, not_above = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    return (below + not_above) / (2 * len(ordered))


def standard_error(
    moves: np.ndarray, groups: np.ndarray | None = None, unseen: float = 0.0
) -> float:
    """Standard error of a score from its rows' influences (N,), or of a difference from theirs.

    groups: (N,) ids of what was sampled, a person with several photographs say: rows of a group
    err together, so their influences are summed first. Without groups rows count as independent,
    and where they are not the error comes out too small. unseen: the sum of squares of pseudo-units
    (`smoothed.smoothed_moves`).
    """
    n_rows, moves = len(moves), by_group(moves, groups)
    return error_of_squares(float(moves @ moves), len(moves), n_rows, unseen)


def by_group(moves: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """(G,) the sums of the groups' rows; (N,) as they are without groups."""
    if groups is None:
        return moves
    return np.bincount(numbered(groups), moves)


def error_of_squares(squares: float, n_units: int, n_rows: int, unseen: float = 0.0) -> float:
    """`standard_error` from the sum of the units' squared influences."""
    return float(np.sqrt(squares * n_units / max(n_units - 1, 1) + unseen) / n_rows)
