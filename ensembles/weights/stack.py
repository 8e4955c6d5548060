"""The aligned OOF predictions of all members as arrays, with what every fit would derive anew."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
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
    _parts: Sequence[tuple[np.ndarray, Stack]] = ()

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
            n_members, n_rows, n_classes = self.probabilities.shape
            logs = np.empty((n_members, n_classes, n_rows), np.float32)
            if self._parts:
                for at, part in self._parts:
                    logs[:, :, at] = part.logs(floor, epsilon)
            else:
                for own, given in zip(logs, self.probabilities, strict=True):
                    own[:] = pools.log(given, floor, epsilon).T
                    own -= own.mean(axis=0)
            self._logs[floor, epsilon] = logs
        return self._logs[floor, epsilon]

    def log_parts(
        self, floor: float = pools.FLOOR, epsilon: float = 0.0
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """`logs` as they lie in memory: which rows (n,), and their (M, K, n) float32."""
        if not self._parts:
            return [(np.arange(len(self.labels)), self.logs(floor, epsilon))]
        return [(at, part.logs(floor, epsilon)) for at, part in self._parts]

    def in_parts(self) -> list[tuple[np.ndarray | slice, Stack]]:
        """Where rows lie in this stack, and the stack that holds their logs."""
        return list(self._parts) or [(slice(None), self)]

    def meaning(self, classes: np.ndarray) -> np.ndarray:
        """The values that classes mean."""
        return classes if self.values is None else self.values[classes]

    def take(self, rows: np.ndarray, parts: Sequence[tuple[np.ndarray, Stack]] = ()) -> Stack:
        """The given rows only (indices or mask).

        parts: stacks that hold the same rows among them, each with where its rows lie in the new one:
        their logs serve then, and no others are copied.
        """
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        return self._part(self.labels[rows], rows, 1, parts)

    def held_in(self, parts: Sequence[tuple[np.ndarray, Stack]]) -> Stack:
        """The same rows, whose logs are those of `parts`, see `take`."""
        same = copy(self)
        same._parts, same._logs = parts, {}
        return same

    def members(self, chosen: np.ndarray) -> Stack:
        """The given members only (indices)."""
        return self._part(self.labels, chosen, 0)

    def _part(
        self,
        labels: np.ndarray,
        chosen: np.ndarray,
        axis: int,
        parts: Sequence[tuple[np.ndarray, Stack]] = (),
    ) -> Stack:
        """With all that has been derived so far."""
        probabilities, true = (np.take(a, chosen, axis) for a in (self.probabilities, self.true))
        kept = {} if parts else self._logs
        logs = {of: np.take(own, chosen, 2 * axis) for of, own in kept.items()}
        part = Stack(probabilities, labels, true, self.values, logs, parts)
        if not vars(self).get("has_zeros", True):
            part.has_zeros = False
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
