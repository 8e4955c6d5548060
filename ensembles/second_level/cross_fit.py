"""Nested cross-fitting: each fold's rows are predicted by a stacker that saw none of them.

How strongly a stacker is held to the pool is chosen for each fold from the other folds alone: by fits
without it and one more, scored on that one. A fit without two folds serves both.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ensembles.errors import BadInput, examples
from ensembles.judging.estimate import folds_for_weights
from ensembles.judging.steps import Progress, Steps
from ensembles.scores import scorers
from ensembles.second_level.features import Features
from ensembles.second_level.logistic import RIDGES, logistic_path
from ensembles.second_level.trees import ROUNDS, trees_path

# Whole folds of the tables are put together where there are more: 15 fits are enough.
FOLDS = 5
# Settings are chosen by fits to no more rows than these: more would not choose better.
CHOICE_ROWS = 4096


class Stacker(Protocol):
    """A fitted one: features -> (N, K) float64 probabilities."""

    def predict(self, x: Features) -> np.ndarray: ...


@dataclass(frozen=True)
class Kind:
    """How stackers of a kind are fitted.

    settings: from the one that is held most to the pool to the freest. path: features, labels and
    some of the settings -> a stacker each.
    """

    settings: Sequence[float]
    setting: str
    path: Callable[[Features, np.ndarray, Sequence[Any]], Sequence[Stacker]]


KINDS: dict[str, Kind] = {
    "logistic": Kind(RIDGES, "ridge", logistic_path),
    "lightgbm": Kind(ROUNDS, "rounds", trees_path),
}


@dataclass
class CrossFit:
    """folds: (N,) int, what was held out together. held_out: (N, K) float64, each row by a stacker
    that saw neither it nor its fold. stackers: one a fold, in the order of their numbers; chosen:
    their settings.
    """

    folds: np.ndarray
    held_out: np.ndarray
    stackers: list[Stacker]
    chosen: list[float]

    def predict(self, x: Features) -> np.ndarray:
        """(N, K) of new rows: the mean of the folds' stackers.

        These are the ones that `held_out` is of. Log-loss is convex, so their mean is on no row worse
        than they are in the mean.
        """
        return np.mean([stacker.predict(x) for stacker in self.stackers], axis=0)


def cross_fit(
    x: Features,
    labels: np.ndarray,
    folds: np.ndarray,
    groups: np.ndarray | None,
    kind: Kind,
    progress: Progress | None = None,
) -> CrossFit:
    """labels, folds, groups: (N,). Raises BadInput for groups that straddle folds, and for fewer than
    three groups.
    """
    folds = stacking_folds(folds, groups)
    names = np.unique(folds).tolist()
    pairs = list(itertools.combinations(names, 2))
    steps = Steps(len(pairs) + len(names), progress)
    # losses[fold, other][setting]: on `fold`'s rows, of fits without both
    losses: dict[tuple[int, int], np.ndarray] = {}
    for pair in pairs:
        inside = _at_most(CHOICE_ROWS, np.flatnonzero(~np.isin(folds, pair)))
        path = kind.path(x.take(inside), labels[inside], kind.settings)
        for fold, other in (pair, pair[::-1]):
            rows = folds == fold
            there, truth = x.take(rows), labels[rows]
            losses[fold, other] = np.array(
                [_loss(stacker.predict(there), truth) * rows.sum() for stacker in path]
            )
        steps.counted(None)
    held_out = np.empty((len(folds), x.n_classes))
    stackers, chosen = [], []
    for fold in names:
        total = sum(losses[other, fold] for other in names if other != fold)
        at = int(np.argmin(total))  # the first of equals is the one that is held most
        inside = folds != fold
        stacker = kind.path(x.take(inside), labels[inside], kind.settings[at : at + 1])[0]
        held_out[~inside] = stacker.predict(x.take(~inside))
        stackers.append(stacker)
        chosen.append(float(kind.settings[at]))
        steps.counted(None)
    return CrossFit(folds, held_out, stackers, chosen)


def stacking_folds(folds: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """(N,) int 0, 1, ...: the tables' folds, at most FOLDS of them, or drawn by group where there are
    fewer than three. Raises BadInput as `cross_fit`.
    """
    drawn = folds_for_weights(folds, groups, least=3)
    found = np.unique(drawn, return_inverse=True)[1] % FOLDS
    if len(np.unique(found)) < 3:
        what = "rows" if groups is None else "groups"
        raise BadInput(
            f"a stack takes 3 or more folds or {what} of OOF rows, and there are "
            f"{len(np.unique(found))}: one to predict, one to choose by, and one to fit to. Give more "
            "rows, or vote without it."
        )
    if groups is not None and (straddling := _straddling(folds, groups)).size:
        raise BadInput(
            f"{len(straddling)} of {len(np.unique(groups))} groups stand in several folds: "
            f"{examples(straddling)}. A stacker must not see the group that it predicts: split by group."
        )
    return found


def _straddling(folds: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The groups with rows in more than one of the tables' folds."""
    names, number = np.unique(groups, return_inverse=True)
    pairs = np.unique(np.stack([number, folds]), axis=1)
    return names[np.bincount(pairs[0], minlength=len(names)) > 1]


def _at_most(n: int, rows: np.ndarray) -> np.ndarray:
    """All rows, or n of them, always the same."""
    if len(rows) <= n:
        return rows
    return np.sort(np.random.default_rng(0).permutation(rows)[:n])


def _loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return scorers.log_loss(labels, probabilities)
