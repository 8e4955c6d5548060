"""What all candidates say of the rows that they are scored on: kept, or of a large stack said anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from ensembles.rules.mean import OneRule
from ensembles.weights.predicted import predicted_each
from ensembles.weights.stack import Stack

Rows = np.ndarray | slice
# Names -> (n, K) float32 each, what candidates say of a block of rows.
OfBlock = Callable[[Sequence[str]], list[np.ndarray]]


class Said(Protocol):
    """names: of the candidates, simplest first. is_kept: whether asking again costs nothing."""

    names: list[str]
    n_rows: int
    n_classes: int
    is_kept: bool

    def of(self, names: Sequence[str], rows: Rows) -> list[np.ndarray]:
        """(n, K) float32 each, of some rows (indices, or a slice of all)."""

    def blocks(self) -> Iterator[tuple[Rows, OfBlock]]:
        """All rows, so many at once as fit into the processor's cache or are kept."""


class Kept:
    """Predictions in memory: name -> (n, K)."""

    is_kept = True

    def __init__(self, predictions: Mapping[str, np.ndarray]):
        self.names, self._predictions = list(predictions), predictions
        self.n_rows, self.n_classes = next(iter(predictions.values())).shape

    def of(self, names: Sequence[str], rows: Rows) -> list[np.ndarray]:
        return [self._predictions[name][rows] for name in names]

    def blocks(self) -> Iterator[tuple[Rows, OfBlock]]:
        yield slice(None), lambda names: self.of(names, slice(None))


class SaidAnew:
    """Predictions by rules that were fitted without the rows' folds.

    parts: fold -> the stack of its rows, of which each has as many here, in the order of `folds` (n,).
    rules: fold -> name -> rule.
    """

    is_kept = False

    def __init__(
        self,
        parts: Mapping[int, Stack],
        folds: np.ndarray,
        rules: Mapping[int, Mapping[str, OneRule]],
    ):
        self._parts, self._rules = {fold: parts[fold] for fold in rules}, rules
        self._at = {fold: np.flatnonzero(folds == fold) for fold in rules}
        self._folds, self._place = folds, np.empty(len(folds), np.intp)
        for at in self._at.values():
            self._place[at] = np.arange(len(at))
        self.names = list(next(iter(rules.values())))
        self.n_rows, self.n_classes = len(folds), next(iter(parts.values())).n_classes

    def of(self, names: Sequence[str], rows: Rows) -> list[np.ndarray]:
        rows = np.arange(self.n_rows)[rows] if isinstance(rows, slice) else rows
        found = [np.empty((self.n_classes, len(rows)), np.float32) for _ in names]
        for fold, part in self._parts.items():
            at = np.flatnonzero(self._folds[rows] == fold)
            rules = [self._rules[fold][name] for name in names]
            there = predicted_each(part.take(self._place[rows[at]]), rules)
            for own, said in zip(found, there, strict=True):
                own[:, at] = said.T
        return [own.T for own in found]

    def blocks(self) -> Iterator[tuple[Rows, OfBlock]]:
        for fold, part in self._parts.items():
            for at, block in part.in_parts():

                def of(
                    names: Sequence[str], block: Stack = block, fold: int = fold
                ) -> list[np.ndarray]:
                    return predicted_each(block, [self._rules[fold][name] for name in names])

                yield self._at[fold][at], of
