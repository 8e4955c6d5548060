"""The aligned OOF predictions of all members as arrays, with what every fit would derive anew."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ensembles import pools
from ensembles.metrics import by_value
from ensembles.simplex import true_class_probabilities


@dataclass
class Stack:
    """probabilities: (M, N, K) float32. labels: (N,) int. favourites: (M, N) int16, each member's
    most probable class. true: (M, N) float64, its probability of the true class, >= 1e-15.
    values: (K,) int where one target of several is to be predicted, the target's value that each
    class means. Then `true` is the probability of the true value; None: every class for itself.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    favourites: np.ndarray
    true: np.ndarray
    values: np.ndarray | None = None

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
    def logs(self) -> np.ndarray:
        """(M, N, K) float32 log-probabilities (`pools.log`) less their mean over the classes.

        A constant a row changes no softmax; around its mean float32 sums keep more digits.
        """
        logs = pools.log(self.probabilities)
        logs -= logs.mean(axis=2, keepdims=True)
        return logs

    def meaning(self, classes: np.ndarray) -> np.ndarray:
        """The values that classes mean."""
        return classes if self.values is None else self.values[classes]

    def take(self, rows: np.ndarray) -> Stack:
        """The given rows only (indices or mask)."""
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        some = Stack(
            np.take(self.probabilities, rows, axis=1),
            self.labels[rows],
            np.take(self.favourites, rows, axis=1),
            np.take(self.true, rows, axis=1),
            self.values,
        )
        if "logs" in vars(self):
            some.logs = np.take(self.logs, rows, axis=1)
        return some

    def members(self, chosen: np.ndarray) -> Stack:
        """The given members only (indices)."""
        own = (self.probabilities, self.favourites, self.true)
        probabilities, favourites, true = (np.take(array, chosen, axis=0) for array in own)
        return Stack(probabilities, self.labels, favourites, true, self.values)


def stack(probabilities: np.ndarray, labels: np.ndarray, values: np.ndarray | None = None) -> Stack:
    """From (M, N, K) probabilities and (N,) labels; values: see `Stack`."""
    # rows chosen as p[:, rows] lie member beside member: every pass over one of them would be slow
    probabilities = np.ascontiguousarray(probabilities)
    favourites = np.stack([member.argmax(axis=1) for member in probabilities]).astype(np.int16)
    labels = np.asarray(labels, np.intp)
    if values is None:
        true = true_class_probabilities(probabilities, labels)
    else:
        sums = np.stack([by_value(member, values) for member in probabilities])
        true = true_class_probabilities(sums, values[labels])
    return Stack(probabilities, labels, favourites, true, values)
