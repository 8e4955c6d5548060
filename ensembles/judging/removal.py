"""What a vote would be without each of its members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ensembles.rules.mean import AnyRule, MeanRule
from ensembles.weights.predicted import predicted_without_each
from ensembles.weights.stack import Stack

# Of more rows every n-th is looked at.
ROWS = 8192


@dataclass
class Removal:
    """rows: (n,) indices of those looked at. whole: (n, K) float32, the vote; without: member for member
    the vote without it.
    """

    rows: np.ndarray
    whole: np.ndarray
    without: list[np.ndarray]

    @property
    def effects(self) -> np.ndarray:
        """(M,) float64 >= 0, sum 1: how far the vote moves without each member, the mean total variation
        distance, as shares; all alike where none moves it.
        """
        moved = np.array([abs(own - self.whole).mean(dtype=np.float64) for own in self.without])
        if not moved.any():
            moved += 1
        return moved / moved.sum()


def removal(stack: Stack, rules: Sequence[tuple[np.ndarray, AnyRule]]) -> Removal:
    """rules: for each part of the rows (indices) the rule fitted without it."""
    chosen = np.zeros(len(stack.labels), bool)
    chosen[:: -(-len(chosen) // ROWS)] = True
    at = np.cumsum(chosen) - 1
    shape = int(chosen.sum()), stack.n_classes
    whole = np.empty(shape, np.float32)
    without = [np.empty(shape, np.float32) for _ in range(stack.n_members)]
    for rows, rule in rules:
        inside = rows[chosen[rows]]
        place = at[inside]
        part = stack.copied(inside) if stack.is_large else stack.take(inside)
        whole[place], left = predicted_without_each(part, rule)
        for own, said in zip(without, left, strict=True):
            own[place] = said
    return Removal(np.flatnonzero(chosen), whole, without)


def of_members(rule: AnyRule, removed: Removal) -> AnyRule:
    """The rule; a mean with the effects of its members as its weights."""
    return replace(rule, weights=removed.effects) if isinstance(rule, MeanRule) else rule
