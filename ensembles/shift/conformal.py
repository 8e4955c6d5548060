"""Sets of classes that hold the true one in a given share of cases.

Split conformal prediction (Vovk, Gammerman and Shafer 2005). A class is in the set where its
probability is at least a threshold, which gives the smallest sets of all on average (Sadinle, Lei and
Wasserman 2019); the most probable class always is, so that no set is empty. Thresholds are quantiles
of held-out rows' scores. Rows of a group err together, so each group counts once, divided among its
rows, and a group more counts as never covered: then a row of a new group is covered in at least the
share asked for, however groups' rows hang together (Dunn, Wasserman and Ramdas 2022; Lee, Barber and
Willett 2023). Where each row stands alone, that is the usual (n + 1) quantile.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ensembles.errors import BadInput
from ensembles.scores.influence import standard_error
from ensembles.shift.rows import HeldOut

SLACK = 1e-12


def scores(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(N,) float64: 1 less the probability of the true class, 0 where that is the most probable."""
    rows = np.arange(len(labels))
    found = 1 - probabilities[rows, labels].astype(np.float64)
    return np.where(probabilities.argmax(axis=1) == labels, 0.0, found)


def in_set(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """(N, K) bool: the classes of each row's set, those of score `threshold` or less."""
    found = 1 - probabilities.astype(np.float64) <= threshold
    found[np.arange(len(found)), probabilities.argmax(axis=1)] = True
    return found


def weights_of(groups: np.ndarray | None, n_rows: int) -> np.ndarray:
    """(N,) what each row counts, 1 a group in sum."""
    return np.ones(n_rows) if groups is None else 1 / np.bincount(groups)[groups]


def threshold(found: np.ndarray, weights: np.ndarray, level: float, never: float = 1.0) -> float:
    """The least score at which rows of that score or less have the share `level` of all weight.

    found: (N,) scores. weights: (N,). never: the weight of the row or group to come, whose score
    counts as infinite. Infinite where the rows are too few for the level.
    """
    order = np.argsort(found, kind="stable")
    reached = np.cumsum(weights[order]) >= level * (weights.sum() + never) - SLACK
    return float(found[order[reached.argmax()]]) if reached.any() else float("inf")


def prediction_sets(
    rows: HeldOut, level: float, ratios: np.ndarray | None = None
) -> dict[str, Any]:
    """`level`, `threshold`, and how the sets fare on held-out rows by thresholds from the other
    folds' rows: `coverage` with `standard_error`, each group counted once, `row_coverage`, each row
    counted once, `mean_size`; `groups`, how many counted.

    ratios: (K,) each class's share to come by its share of these rows, where it is another; then
    rows count by it (Podkopaev and Ramdas 2021). rows: with probabilities as corrected for it.
    Raises BadInput where there are too few groups for the level.
    """
    n_rows = len(rows.labels)
    found, weights = scores(rows.probabilities, rows.labels), weights_of(rows.groups, n_rows)
    share = np.ones(rows.probabilities.shape[1]) if ratios is None else ratios
    weights = weights * share[rows.labels]
    never = float(share.max())
    chosen = threshold(found, weights, level, never)
    if not np.isfinite(chosen):
        most = weights.sum() / (weights.sum() + never)
        raise BadInput(
            f"sets: {level} of rows to come takes more OOF rows than the {rows.n_groups} "
            f"{'rows' if rows.groups is None else 'groups'} there are. Give {_below(most)} or less."
        )
    covered, sizes = np.empty(n_rows), np.empty(n_rows)
    for fold in np.unique(rows.folds):
        inside = rows.folds == fold
        own = threshold(found[~inside], weights[~inside], level, never)
        covered[inside] = found[inside] <= own
        sizes[inside] = in_set(rows.probabilities[inside], own).sum(axis=1)
    relative = weights * n_rows / weights.sum()
    coverage = min(1.0, float(np.mean(relative * covered)))
    return {
        "level": level,
        "threshold": chosen,
        "coverage": coverage,
        "standard_error": standard_error(relative * (covered - coverage), rows.groups),
        "row_coverage": float(np.mean(covered)),
        "mean_size": float(np.mean(sizes)),
        "groups": rows.n_groups,
    }


def _below(share: float) -> str:
    """Two digits more than the nines it begins with, rounded down."""
    digits = 2 + int(max(0, np.floor(-np.log10(max(1 - share, 1e-9)))))
    return f"{np.floor(share * 10**digits) / 10**digits:.{digits}f}"
