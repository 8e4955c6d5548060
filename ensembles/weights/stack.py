"""The aligned OOF predictions of all members as arrays, with what every fit would derive anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ensembles.rules import pools
from ensembles.scores.by_part import by_value
from ensembles.scores.scorers import EPSILON


@dataclass
class Stack:
    """probabilities: (M, N, K) float32. labels: (N,) int. true: (M, N) float64, each member's
    probability of the true class, >= 1e-15. values: (K,) int where one target of several is to be
    predicted, the target's value that each class means. Then `true` is the probability of the true
    value; None: every class for itself.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    true: np.ndarray
    values: np.ndarray | None = None
    _logs: dict[tuple[float, float], np.ndarray] = field(default_factory=dict)

    @property
    def n_members(self) -> int:
        return len(self.probabilities)

    @property
    def n_classes(self) -> int:
        return self.probabilities.shape[2]

    @property
    def n_values(self) -> int:
        return self.n_classes if self.values is None else int(self.values.max()) + 1

    @cached_property
    def favourites(self) -> np.ndarray:
        """(M, N) int16, each member's most probable class."""
        return np.stack([own.argmax(axis=1) for own in self.probabilities]).astype(np.int16)

    @cached_property
    def has_zeros(self) -> bool:
        """Whether any member rules a class out altogether, as hard votes do."""
        return bool((self.probabilities.min(axis=(1, 2)) == 0).any())

    def logs(self, floor: float = pools.FLOOR, epsilon: float = 0.0) -> np.ndarray:
        """(M, K, N) float32 log-probabilities (`pools.log`) less their mean over the classes.

        A constant a row changes no softmax; around its mean float32 sums keep more digits. Rows lie
        along the last axis, which sums over a few classes run along. Kept, and passed on to parts.
        """
        if (floor, epsilon) not in self._logs:
            logs = pools.log(self.probabilities, floor, epsilon)
            logs = np.ascontiguousarray(logs.transpose(0, 2, 1))
            logs -= logs.mean(axis=1, keepdims=True)
            self._logs[floor, epsilon] = logs
        return self._logs[floor, epsilon]

    def meaning(self, classes: np.ndarray) -> np.ndarray:
        """The values that classes mean."""
        return classes if self.values is None else self.values[classes]

    def take(self, rows: np.ndarray) -> Stack:
        """The given rows only (indices or mask)."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        return self._part(self.labels[rows], rows, axis=1)

    def members(self, chosen: np.ndarray) -> Stack:
        """The given members only (indices)."""
        return self._part(self.labels, chosen, axis=0)

    def _part(self, labels: np.ndarray, chosen: np.ndarray, axis: int) -> Stack:
        """With all that has been derived so far."""
        probabilities, true = (np.take(a, chosen, axis) for a in (self.probabilities, self.true))
        logs = {of: np.take(own, chosen, 2 * axis) for of, own in self._logs.items()}
        part = Stack(probabilities, labels, true, self.values, logs)
        if "favourites" in vars(self):
            part.favourites = np.take(self.favourites, chosen, axis)
        return part


def stack_members(
    probabilities: np.ndarray, labels: np.ndarray, values: np.ndarray | None = None
) -> Stack:
    """From (M, N, K) probabilities and (N,) labels; values: see `Stack`."""
    # rows chosen as p[:, rows] lie member beside member: every pass over one of them would be slow
    probabilities = np.ascontiguousarray(probabilities)
    labels = np.asarray(labels, np.intp)
    if values is None:
        true = true_class_probabilities(probabilities, labels)
    else:
        sums = np.stack([by_value(member, values) for member in probabilities])
        true = true_class_probabilities(sums, values[labels])
    return Stack(probabilities, labels, true, values)


def true_class_probabilities(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(M, N) float64 of the true class, from (M, N, K); no less than 1e-15, as in `log_loss`."""
    at = np.arange(len(labels)) * probabilities.shape[2] + labels
    true = np.stack([np.take(member, at) for member in probabilities]).astype(np.float64)
    return np.maximum(true, EPSILON, out=true)
