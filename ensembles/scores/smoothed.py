"""Standard errors of decision metrics that count what has not been seen yet.

The delta method takes the rows for all that can happen. A class whose rows were all right has no
influence on macro F1 then, and 8 rows that were all right would have shown F1 to be exactly 1. So
confusion counts get pseudo-units before the derivatives are taken: half a hit and half a miss, as
Jeffreys' prior of a share does (Brown, Cai and DasGupta 2001, section 4.1.3), for each class where a
metric is a mean over classes, and once in all where it is not. Misses go to the other classes
alike, so that each has its false alarms. They take part in the error as rows do.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ensembles.scores.groups import distinct
from ensembles.scores.influence import error_of_squares

HALF = 0.5


def unit_sizes(truth: np.ndarray, groups: np.ndarray | None, n_classes: int) -> np.ndarray:
    """(K,) float64: how many rows of a class a group has that has any; 1 where rows stand alone.

    truth: (N,) int. groups: (N,) int numbers of the groups, or None.
    """
    if groups is None:
        return np.ones(n_classes)
    pairs = distinct(groups.astype(np.int64) * n_classes + truth)
    in_groups = np.bincount(pairs % n_classes, minlength=n_classes)
    return np.bincount(truth, minlength=n_classes) / np.maximum(in_groups, 1)


def effective_sizes(sizes: np.ndarray, of_rows: float, of_groups: float) -> np.ndarray:
    """(K,) `unit_sizes`, no more than the design effect (Kish 1965): rows of a group that err
    independently are a unit each, rows that err alike are one together.

    of_rows, of_groups: sums of squared influences, a row's and a group's. Where there are none all
    rows were right, and nothing says that those of a group err independently.
    """
    effect = of_groups / of_rows if of_rows > 0 else np.inf
    return np.clip(effect, 1.0, np.maximum(sizes, 1.0))


def smoothed_moves(
    cell_moves: Callable[[np.ndarray], np.ndarray],
    counts: np.ndarray,
    sizes: np.ndarray,
    over_classes: bool,
) -> tuple[np.ndarray, float]:
    """(K, K) float64, the influence of a row of each cell, and the pseudo-units' sum of squares.

    cell_moves: the metric's, of (K, K) counts [true class, predicted class]. sizes: (K,) rows of a
    unit (`effective_sizes`). over_classes: whether the metric is a mean over classes. Influences are in
    the rows that are there: the square root of all units' squares over N is the error.
    """
    n_classes, true = len(counts), counts.sum(axis=1)
    units = (true > 0) if over_classes else true / max(true.sum(), 1)
    own = HALF * units * sizes
    off = own / max(n_classes - 1, 1)
    smoothed = counts + off[:, None]
    smoothed[np.diag_indices(n_classes)] += own - off
    moves = cell_moves(smoothed)
    # no further (K, K) array: of thousands of classes each is large
    of_hits = moves.diagonal() ** 2
    of_misses = np.einsum("ij,ij->i", moves, moves) - of_hits
    return moves, float((own * sizes) @ of_hits + (off * sizes) @ of_misses)


def standard_error(
    cell_moves: Callable[[np.ndarray], np.ndarray],
    over_classes: bool,
    truth: np.ndarray,
    guess: np.ndarray,
    counts: np.ndarray,
    sizes: np.ndarray,
    numbers: np.ndarray | None,
) -> float:
    """Of a decision metric's score, over rows, or over groups.

    truth, guess: (N,) int; counts: (K, K) of them; sizes: their `unit_sizes`; numbers: (N,) int, those
    of the groups from 0 without a gap, or None.
    """
    if numbers is not None:
        plain = cell_moves(counts)[truth, guess]
        whole = np.bincount(numbers, plain)
        sizes = effective_sizes(sizes, float(plain @ plain), float(whole @ whole))
    moves, unseen = smoothed_moves(cell_moves, counts, sizes, over_classes)
    own = moves[truth, guess]
    of_units = own if numbers is None else np.bincount(numbers, own)
    return error_of_squares(float(of_units @ of_units), len(of_units), len(own), unseen)
