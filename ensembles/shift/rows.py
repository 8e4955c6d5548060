"""What is known of the rows that a vote is judged by, and of those that it was asked about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ensembles.scores import groups as of_groups

# Numbers of a table of probabilities that shares are fitted to; of more, rows at a fixed step.
MOST = 1_000_000


@dataclass(frozen=True)
class Rows:
    """probabilities: (N, K) of the vote. disagreement: (N,) the share of the members whose own most
    probable class is not the vote's; None of a single member.
    """

    probabilities: np.ndarray
    disagreement: np.ndarray | None

    @property
    def confidence(self) -> np.ndarray:
        """(N,) float64, the probability of the answer."""
        return np.asarray(self.probabilities.max(axis=1), np.float64)


@dataclass(frozen=True)
class HeldOut(Rows):
    """OOF rows, each with the vote of a rule that was fitted without it. labels, folds: (N,) int.
    groups: (N,) int from 0, what errs together; None where every row stands alone.
    """

    labels: np.ndarray
    folds: np.ndarray
    groups: np.ndarray | None

    @property
    def shares(self) -> np.ndarray:
        """(K,) float64 of the labels."""
        return np.bincount(self.labels, minlength=self.probabilities.shape[1]) / len(self.labels)

    @property
    def n_groups(self) -> int:
        return len(self.labels) if self.groups is None else int(self.groups.max()) + 1

    def some(self) -> HeldOut:
        """Every `step`-th of them."""
        at = step(*self.probabilities.shape)
        if at == 1:
            return self
        return HeldOut(
            self.probabilities[::at],
            None if self.disagreement is None else self.disagreement[::at],
            self.labels[::at],
            self.folds[::at],
            numbered(None if self.groups is None else self.groups[::at]),
        )


def step(n_rows: int, n_classes: int) -> int:
    """Every how-manieth row makes a table of at most MOST numbers."""
    return max(1, -(-n_rows * n_classes // MOST))


def numbered(groups: np.ndarray | None) -> np.ndarray | None:
    """(N,) int from 0 for names of groups."""
    return None if groups is None else of_groups.numbered(groups)


def disagreement(favourites: np.ndarray, decided: np.ndarray) -> np.ndarray | None:
    """(N,) float64 from the members' most probable classes (M, N) and the vote's (N,)."""
    if len(favourites) < 2:
        return None
    return np.asarray(np.mean(favourites != decided, axis=0))
