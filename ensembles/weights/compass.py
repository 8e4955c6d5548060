"""Weights of the members for a metric of probabilities that has no solver of its own.

A compass search (Kolda, Lewis and Torczon 2003) over the simplex: from where it stands each member's
weight is tried a step larger and, where it has any, a step smaller, the others' in proportion; what
scores better is kept. Where a round over all members finds nothing the step is halved. It needs
neither slopes, which a metric of ranks does not have, nor a draw.
"""

from __future__ import annotations

import numpy as np

from ensembles.scores.metrics import Metric
from ensembles.weights.stack import Stack

STEPS = (1 / 4, 1 / 8, 1 / 16, 1 / 32)
MOST_ROUNDS = 4
SAME = 1e-9


def compass_weights(stack: Stack, metric: Metric, start: np.ndarray) -> np.ndarray:
    """Weights (M,) whose score on these rows is not below that of `start` (M,), sum 1.

    At most MOST_ROUNDS rounds a step; each scores all rows up to 2 M times.
    """
    weights = start / start.sum()
    mixed = np.tensordot(weights.astype(np.float32), stack.probabilities, axes=1)
    score = metric.sign * metric.score(stack.labels, mixed, stack.values)
    for step in STEPS:
        for _ in range(MOST_ROUNDS):
            before = score
            for member, own in enumerate(stack.probabilities):
                for share in _shares(weights[member], step):
                    tried = np.float32(1 - share) * mixed + np.float32(share) * own
                    found = metric.sign * metric.score(stack.labels, tried, stack.values)
                    if found > score + SAME:
                        score, mixed = found, tried
                        weights = (1 - share) * weights
                        weights[member] += share
                        break
            if score == before:
                break
    weights = np.maximum(weights, 0)
    return weights / weights.sum()


def _shares(weight: float, step: float) -> list[float]:
    """How much of a member to mix in: `step` more, and less, all of it where it has no more."""
    if weight > 1 - 1e-9:
        return []
    return [step] if weight <= 0 else [step, -min(step, weight) / (1 - weight)]
