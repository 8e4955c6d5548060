"""The aligned OOF predictions of all members as arrays, with what every fit would derive anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ensembles.rules import pools
from ensembles.scores.by_part import by_value
from ensembles.scores.scorers import EPSILON

# A stack of more numbers than these in all members' tables is large: neither tables nor rows are copied,
# and what is made of them is made of one block of rows after the other.
LARGE = 1 << 26
# Numbers of such a block, which the processor's cache holds.
BLOCK = 1 << 19
LEAST_ROWS = 64
# (M, N, K), or (N, K) of each member.
Tables = np.ndarray | Sequence[np.ndarray]


@dataclass
class Stack:
    """given: M tables (N', K) float32, of which `rows` (N,) are this stack's, None all. labels: (N,)
    int. true: (M, N) float64, each member's probability of the true class, >= 1e-15. values: (K,) int
    where one target of several is to be predicted, the target's value that each class means. Then
    `true` is the probability of the true value; None: every class for itself.
    """

    given: Tables
    labels: np.ndarray
    true: np.ndarray
    values: np.ndarray | None = None
    rows: np.ndarray | None = None
    _logs: dict[tuple[float, float], np.ndarray] = field(default_factory=dict)
    _parts: Sequence[tuple[np.ndarray, Stack]] = ()

    @property
    def n_members(self) -> int:
        return len(self.given)

    @property
    def n_rows(self) -> int:
        return len(self.labels)

    @property
    def n_classes(self) -> int:
        return self.given[0].shape[1]

    @property
    def n_values(self) -> int:
        return self.n_classes if self.values is None else int(self.values.max()) + 1

    @property
    def is_large(self) -> bool:
        """Whether what is made of all its rows should be made of one block after the other."""
        return len(self.given) * self.given[0].size > LARGE

    @cached_property
    def probabilities(self) -> np.ndarray:
        """(M, N, K) float32; of a large stack a copy, which `in_blocks` and `member` do without."""
        if self.rows is None:
            return np.asarray(self.given)
        return np.stack([np.take(own, self.rows, axis=0) for own in self.given])

    def member(self, j: int) -> np.ndarray:
        """(N, K) float32 of one member."""
        if not self.is_large:
            return self.probabilities[j]
        return self.given[j] if self.rows is None else np.take(self.given[j], self.rows, axis=0)

    @cached_property
    def favourites(self) -> np.ndarray:
        """(M, N) int16, each member's most probable class."""
        each = (self.member(j).argmax(axis=1) for j in range(self.n_members))
        return np.stack(list(each)).astype(np.int16)

    @cached_property
    def has_zeros(self) -> bool:
        """Whether any member rules a class out altogether, as hard votes do."""
        return any(bool((part.probabilities == 0).any()) for _, part in self.in_blocks())

    def row_blocks(self) -> Iterator[np.ndarray | slice]:
        """All rows at once, or of a large stack so many (indices) as the cache holds."""
        if not self.is_large:
            yield slice(None)
            return
        at_once = max(LEAST_ROWS, BLOCK // (self.n_members * self.n_classes))
        for begin in range(0, self.n_rows, at_once):
            yield np.arange(begin, min(begin + at_once, self.n_rows))

    def in_blocks(self) -> Iterator[tuple[np.ndarray | slice, Stack]]:
        """Where rows lie in this stack, and the stack that holds them: this one, or of a large one copies
        of `row_blocks`.
        """
        for at in self.row_blocks():
            yield at, self if isinstance(at, slice) else self.copied(at)

    def copied(self, at: np.ndarray) -> Stack:
        """A stack of some rows (indices) that holds them itself."""
        rows = at if self.rows is None else self.rows[at]
        own = np.stack([np.take(table, rows, axis=0) for table in self.given])
        return Stack(own, self.labels[at], self.true[:, at], self.values)

    def with_logs(self, floors: Sequence[float]) -> Stack:
        """The same rows of a large stack, whose logs are kept, block by block.

        All of a floor lie in one array: what is as large goes back to the system when nothing holds it
        any more, which the memory of many small ones does not.
        """
        size, begin = self.n_members * self.n_classes, 0
        room = {(floor, 0.0): np.empty(size * self.n_rows, np.float32) for floor in floors}
        parts = []
        for at, block in self.in_blocks():
            part = self.take(np.arange(self.n_rows)[at])
            for (floor, epsilon), whole in room.items():
                own = whole[begin : begin + size * part.n_rows]
                own = own.reshape(self.n_members, self.n_classes, part.n_rows)
                own[:] = block.logs(floor)
                part._logs[floor, epsilon] = own
            begin += size * part.n_rows
            parts.append((np.arange(self.n_rows)[at], part))
        return self.held_in(parts)

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

    def log_parts(self, floor: float = pools.FLOOR, epsilon: float = 0.0) -> LogParts | LogBlocks:
        """`logs` as they lie in memory: which rows (n,), and their (M, K, n) float32."""
        kept = [(floor, epsilon) in part._logs for _, part in self._parts]
        if self.is_large and not (kept and all(kept)):
            return LogBlocks(self, floor, epsilon)
        if not self._parts:
            return [(np.arange(len(self.labels)), self.logs(floor, epsilon))]
        return [(at, part.logs(floor, epsilon)) for at, part in self._parts]

    @property
    def held(self) -> Sequence[tuple[np.ndarray, Stack]]:
        """The parts that hold its logs, if there are any, see `held_in`."""
        return self._parts

    def in_parts(self) -> Iterator[tuple[np.ndarray | slice, Stack]]:
        """Where rows lie in this stack, and the stack that holds their logs."""
        for at, part in self._parts or self.in_blocks():
            if self._parts and part.is_large:
                own = part.copied(np.arange(part.n_rows))
                own._logs = dict(part._logs)  # what else is asked for is not kept
                yield at, own
            else:
                yield at, part

    def meaning(self, classes: np.ndarray) -> np.ndarray:
        """The values that classes mean."""
        return classes if self.values is None else self.values[classes]

    def take(self, rows: np.ndarray, parts: Sequence[tuple[np.ndarray, Stack]] = ()) -> Stack:
        """The given rows only (indices or mask).

        parts: stacks that hold the same rows among them, each with where its rows lie in the new one:
        their logs serve then, and no others are copied.
        """
        rows = np.flatnonzero(rows) if rows.dtype == bool else rows
        kept = {} if parts else self._logs
        logs = {of: np.take(own, rows, axis=2) for of, own in kept.items()}
        true, given = np.take(self.true, rows, axis=1), rows
        if self.rows is not None:
            given = self.rows[rows]
        part = Stack(self.given, self.labels[rows], true, self.values, given, logs, parts)
        return self._with_derived(part, rows, 1)

    def held_in(self, parts: Sequence[tuple[np.ndarray, Stack]]) -> Stack:
        """The same rows, whose logs are those of `parts`, see `take`."""
        same = copy(self)
        same._parts, same._logs = parts, {}
        return same

    def members(self, chosen: np.ndarray) -> Stack:
        """The given members only (indices)."""
        given, true = [self.given[j] for j in chosen.tolist()], np.take(self.true, chosen, axis=0)
        logs = {of: np.take(own, chosen, axis=0) for of, own in self._logs.items()}
        part = Stack(given, self.labels, true, self.values, self.rows, logs)
        return self._with_derived(part, chosen, 0)

    def _with_derived(self, part: Stack, chosen: np.ndarray, axis: int) -> Stack:
        """A part with all that has been derived so far."""
        if not vars(self).get("has_zeros", True):
            part.has_zeros = False
        if "favourites" in vars(self):
            part.favourites = np.take(self.favourites, chosen, axis)
        return part


# Which rows (n,), and their logs (M, K, n) float32.
LogParts = Sequence[tuple[np.ndarray, np.ndarray]]


@dataclass
class LogBlocks:
    """The logs of a large stack's rows (`Stack.logs`), a block after the other, taken anew each time."""

    stack: Stack
    floor: float
    epsilon: float

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for at, part in self.stack.in_blocks():
            rows = at if isinstance(at, np.ndarray) else np.arange(self.stack.n_rows)
            yield rows, part.logs(self.floor, self.epsilon)

    def take(self, rows: np.ndarray) -> LogBlocks:
        """Of some of the rows (indices)."""
        return LogBlocks(self.stack.take(rows), self.floor, self.epsilon)


def stack_members(
    probabilities: Tables,
    labels: np.ndarray,
    values: np.ndarray | None = None,
) -> Stack:
    """From probabilities (M, N, K), or (N, K) of each member, and (N,) labels; values: see `Stack`.

    What is given one by one is copied into one array unless it is large.
    """
    size = sum(own.size for own in probabilities)
    if isinstance(probabilities, np.ndarray) or size <= LARGE:
        # rows chosen as p[:, rows] lie member beside member: every pass over one of them would be slow
        probabilities = np.ascontiguousarray(probabilities)
    labels = np.asarray(labels, np.intp)
    if values is None:
        true = true_class_probabilities(probabilities, labels)
    else:
        sums = [by_value(member, values) for member in probabilities]
        true = true_class_probabilities(sums, values[labels])
    return Stack(probabilities, labels, true, values)


def true_class_probabilities(probabilities: Tables, labels: np.ndarray) -> np.ndarray:
    """(M, N) float64 of the true class, from (M, N, K); no less than 1e-15, as in `log_loss`."""
    at = np.arange(len(labels)) * probabilities[0].shape[1] + labels
    true = np.stack([np.take(member, at) for member in probabilities]).astype(np.float64)
    return np.maximum(true, EPSILON, out=true)
