"""How far two votes' scores on the same rows differ, and how much of that may be noise."""

from __future__ import annotations

import numpy as np

from ensembles.scores import metrics
from ensembles.scores.influence import standard_error


def paired_difference(
    metric: str,
    labels: np.ndarray,
    one: np.ndarray,
    other: np.ndarray,
    groups: np.ndarray | None = None,
    values: np.ndarray | None = None,
) -> tuple[float, float]:
    """How far `one` is ahead of `other` in a metric, positive where it is better, and the standard error.

    The error is that of the difference: rows (or groups) on which both err alike do not add to it, by the
    delta method on the difference of the rows' influences. metric: a name of `metrics.METRICS`, or of
    one target. labels: (N,) int. one, other: (N, K) probabilities. groups: (N,) what errs together.
    values: (K,) the target's value of each class, for a metric of one target.
    """
    of = metrics.named(metric)
    ahead = of.sign * (of.score(labels, one, values) - of.score(labels, other, values))
    moves = of.influence(labels, one, values) - of.influence(labels, other, values)
    return float(ahead), standard_error(moves, groups)
