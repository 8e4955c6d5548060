"""Rows whose label is probably wrong, by what members say of them that did not learn it (OOF)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ensembles.judging.shared_by_groups import against_their_group


@dataclass(frozen=True)
class Suspicion:
    """Of N rows. own: (N,) float64, the probability of each row's label; other: (N,) int, the most probable
    of the other classes, and of_other its probability; agree: (N,) int, how many members find that one
    the most probable of all; proposed: (N,) bool, rows to be corrected to it. by_tables: (N,) float64,
    `own` before groups were asked; contradicts: (N,) bool, rows whose label is not what the others of
    their group have in common.
    """

    own: np.ndarray
    other: np.ndarray
    of_other: np.ndarray
    agree: np.ndarray
    proposed: np.ndarray
    by_tables: np.ndarray
    contradicts: np.ndarray

    @property
    def order(self) -> np.ndarray:
        """(N,) rows, the most suspicious first."""
        return np.argsort(self.own, kind="stable")

    @property
    def suspects(self) -> np.ndarray:
        """(n,) rows whose label is less probable than another class, the most suspicious first."""
        return self.order[(self.of_other > self.own)[self.order]]


def suspicion(
    probabilities: np.ndarray,
    labels: np.ndarray,
    voted: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    targets: Mapping[str, np.ndarray] | None = None,
) -> Suspicion:
    """How likely each label is to be wrong.

    probabilities: (M, N, K) out of fold; labels: (N,) int. voted: (N, K), what a vote over the members says
    of each row, fitted without its fold; None: their mean. groups: (N,) int >= 0, rows that may share a
    label (photographs of one person); None: unknown. targets: name -> (K,) int, the value of each class in
    what may be shared; None: the classes.

    Rows are ranked by their label's own probability (self-confidence: Northcutt, Jiang and Chuang, Journal of
    Artificial Intelligence Research 70, 2021). Where labels are changed to any other with one chance, no
    ranking by true probabilities finds more: that of a right label rises with it. A target that groups nearly
    always share multiplies the probabilities of rows that contradict theirs: see `against_their_group`.

    A row is proposed where another class is more probable than its label and as probable as rows of that
    class are on average (the threshold of confident learning), and more than half of the members find it
    the most probable, or the row contradicts its group.
    """
    m, n, k = probabilities.shape
    rows = np.arange(n)
    given = probabilities.mean(axis=0, dtype=np.float64) if voted is None else voted
    said = given.astype(np.float64)
    by_tables = said[rows, labels]
    contradicts = np.zeros(n, bool)
    if groups is not None:
        for value_of in (targets or {"": np.arange(k)}).values():
            against, times = against_their_group(value_of[labels], groups, int(value_of.max()) + 1)
            contradicts[against] = True
            said[against] *= times[:, value_of]
        said[contradicts] /= said[contradicts].sum(axis=1, keepdims=True)
    own = said[rows, labels]
    said[rows, labels] = -1.0
    other = said.argmax(axis=1)
    of_other = said[rows, other]
    agree = (probabilities.argmax(axis=2) == other).sum(axis=0)
    counts = np.bincount(labels, minlength=k)
    usual = np.bincount(labels, own, minlength=k) / np.maximum(counts, 1)
    known = counts[other] > 0
    proposed = known & (of_other > own) & (of_other >= usual[other])
    proposed &= (2 * agree > m) | contradicts
    return Suspicion(own, other, of_other, agree, proposed, by_tables, contradicts)
