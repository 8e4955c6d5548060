"""All candidates fitted without some folds of the same rows, and what they say of those."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from ensembles.judging.said import Kept, Said, SaidAnew
from ensembles.rules.mean import OneRule
from ensembles.rules.pools import FLOOR
from ensembles.voting.candidates import SOFT_FLOOR, Fits
from ensembles.voting.kinds import WITH_OFFSETS
from ensembles.weights.predicted import predicted_each
from ensembles.weights.stack import Stack

# Of more rows than these folds are kept, with their logs, and not copied for each fit.
MANY = 1_000
# Numbers of logs that are kept while kinds are fitted; of more they are taken anew in every step.
LOGS_KEPT = 1 << 29


def turned(candidates: Sequence[str]) -> list[str]:
    """The kinds of those with class offsets."""
    return [name.removesuffix(WITH_OFFSETS) for name in candidates if WITH_OFFSETS in name]


class Shared:
    """The rows that all fits are of, fold by fold.

    Logs are taken once and serve every fit where few rows are not quicker copied and they are the same
    for all: where members rule classes out, how much is mixed in before logs is of each fit's own rows.
    Of a large stack rows are not copied and what candidates say is not kept; logs are, in blocks, of both
    floors, of ridge pools' alone, or of none, so that they are no more than LOGS_KEPT.
    """

    def __init__(
        self,
        stack: Stack,
        folds: np.ndarray,
        candidates: list[str],
        objective: str,
        threads: Executor,
    ):
        self.stack, self.folds = stack, folds
        self.candidates, self.objective = candidates, objective
        self.names = np.unique(folds).tolist()
        _ = stack.favourites  # here, not by every fit anew
        # first those of most steps
        logged = [] if stack.has_zeros else [SOFT_FLOOR, FLOOR]
        size = stack.n_members * stack.n_rows * stack.n_classes
        if stack.is_large:
            logged = logged[: LOGS_KEPT // size]
        self.in_parts = len(folds) > MANY and 0 < len(logged) * size <= LOGS_KEPT
        if not self.in_parts and not stack.is_large:
            _ = [stack.logs(floor) for floor in logged]

        def of_fold(fold: int) -> Stack:
            part = stack.take(folds == fold)
            if not part.is_large:
                _ = [part.logs(floor) for floor in logged]
            elif self.in_parts:
                return part.with_logs(logged)
            return part

        self.parts = dict(zip(self.names, threads.map(of_fold, self.names), strict=True))
        self.whole = self._of(self.names)

    def fit(
        self, left_out: tuple[int, ...], starts: Mapping[str, np.ndarray] | None = None
    ) -> Fitted:
        """All candidates fitted without some folds. starts: of a fit to some of the other rows."""
        inside = self._of([fold for fold in self.names if fold not in left_out])
        fits = Fits(inside, self.objective, len(left_out) == 1, starts)
        fits.fit_offsets(turned(self.candidates))
        rules = {name: fits.rule(name) for name in self.candidates}
        found: dict[tuple[int, str], np.ndarray] = {}
        for fold in () if self.stack.is_large else left_out:
            zeros = self.stack.has_zeros  # logs of this fit's own mixture, not to be kept
            there = self.stack.take(self.folds == fold) if zeros else self.parts[fold]
            said = predicted_each(there, list(rules.values()))
            found |= {(fold, name): own for name, own in zip(rules, said, strict=True)}
        return Fitted(rules, found, fits.starts)

    def said(self, rows: np.ndarray, parts: dict[int, Fitted]) -> Said:
        """What candidates say of rows (indices), each fold's by what was fitted without it."""
        folds = self.folds[rows]
        if self.stack.is_large:
            rules = {fold: part.rules for fold, part in parts.items()}
            return SaidAnew(self.parts, folds, rules)
        return Kept(
            {
                name: _in_place(folds, {f: part.predictions[f, name] for f, part in parts.items()})
                for name in self.candidates
            }
        )

    def _of(self, inside: list[int]) -> Stack:
        """The rows of some folds, in their order."""
        rows = np.flatnonzero(np.isin(self.folds, inside))
        if len(inside) == len(self.names) and not self.in_parts:
            return self.stack
        if not self.in_parts:
            return self.stack.take(rows)
        parts = []
        for fold in inside:
            at, part = np.flatnonzero(self.folds[rows] == fold), self.parts[fold]
            parts += [(at[own], block) for own, block in part.held] or [(at, part)]
        if len(inside) == len(self.names):
            return self.stack.held_in(parts)
        return self.stack.take(rows, parts)


@dataclass
class Fitted:
    """All candidates fitted without some folds, and what they predict for those folds' rows.

    predictions: fold and name -> (n, K) float32, none of a large stack. starts: see `Fits`.
    """

    rules: dict[str, OneRule]
    predictions: dict[tuple[int, str], np.ndarray]
    starts: dict[str, np.ndarray]


def _in_place(folds: np.ndarray, parts: dict[int, np.ndarray]) -> np.ndarray:
    """(n, K) from each fold's rows; class by class in memory."""
    out = np.empty((next(iter(parts.values())).shape[1], len(folds)), np.float32)
    for fold, part in parts.items():
        out[:, folds == fold] = part.T
    return out.T
