"""What a stacker sees of the members: their log-probabilities, in the arrays that fits go over."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

# The share of 1/K that is mixed into every row before logs: no member alone rules a class out, and a
# table of zeros and ones differs from a sure one by as much as a few rows can tell.
EPSILON = 0.01


@dataclass
class Features:
    """logs: (N, M, K) float64 log-probabilities, of mean 0 over the classes of each member.

    A constant a member and row changes no softmax; so nothing is lost.
    """

    logs: np.ndarray

    @property
    def n_classes(self) -> int:
        return self.logs.shape[2]

    @cached_property
    def flat(self) -> np.ndarray:
        """(N, M K), member after member."""
        return self.logs.reshape(len(self.logs), -1)

    def pool(self, weights: np.ndarray) -> np.ndarray:
        """(N, K) sum over the members, with (M,) weights: the logits of their log-linear pool."""
        return np.einsum("j,njk->nk", weights, self.logs)

    def take(self, rows: np.ndarray) -> Features:
        """The given rows only (indices or mask)."""
        return Features(self.logs[rows])


def features(probabilities: np.ndarray) -> Features:
    """From (M, N, K) probabilities."""
    n_classes = probabilities.shape[2]
    mixed = (1 - EPSILON) * probabilities.astype(np.float64) + EPSILON / n_classes
    logs = np.log(mixed).transpose(1, 0, 2)
    return Features(np.ascontiguousarray(logs - logs.mean(axis=2, keepdims=True)))
