"""Scores of a member with their errors, and how it differs from another on the same photographs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ensembles.scores.influence import standard_error
from ensembles.scores.metrics import named

METRICS = ("macro_f1", "accuracy", "log_loss")


def figures(
    labels: np.ndarray,
    groups: np.ndarray,
    own: Sequence[np.ndarray],
    base: Sequence[np.ndarray] | None,
) -> dict[str, tuple[float, ...]]:
    """By metric the score and its error and, with `base`, the difference and its paired error.

    own, base: (N, K) probabilities of each seed, the same seeds; scores are means over the seeds.
    The influence of a row on a difference is the difference of its influences; groups: (N,) int.
    """
    found: dict[str, tuple[float, ...]] = {}
    for name in METRICS:
        metric = named(name)
        score = float(np.mean([metric.score(labels, p) for p in own]))
        errors = [metric.standard_error(labels, p, groups=groups) for p in own]
        found[name] = (score, float(np.mean(errors)))
        if base is not None:
            pairs = list(zip(own, base, strict=True))
            apart = [metric.score(labels, a) - metric.score(labels, b) for a, b in pairs]
            moves = [metric.influence(labels, a) - metric.influence(labels, b) for a, b in pairs]
            error = standard_error(np.mean(moves, axis=0), groups)
            found[name] += (float(np.mean(apart)), error)
    return found
