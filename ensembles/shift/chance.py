"""Whether two means differ by more than chance gives, where rows of a group err together."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

# With fewer groups than this nothing is said: their spread says too little of chance.
GROUPS = 5
# In how many cases drift is said where there is none, all that is compared together.
LEVEL = 0.01


@dataclass(frozen=True)
class Difference:
    """By column (V,): the means of the OOF and the test rows, the standard error of the difference,
    and the degrees of freedom of that error.
    """

    oof: np.ndarray
    test: np.ndarray
    error: np.ndarray
    freedom: np.ndarray

    @property
    def by(self) -> np.ndarray:
        return self.test - self.oof

    def beyond(
        self, less: np.ndarray | float, more: np.ndarray | float, level: float
    ) -> np.ndarray:
        """(V,) bool: whether test rows have less by more than `less`, or more by more than `more`, and
        chance gives that in `level` of all cases at most, of all columns together (Bonferroni's
        bound, Student's t).
        """
        chance = quantile(1 - level / (2 * len(self.error)), self.freedom) * self.error
        far = (-self.by > less + chance) | (self.by > more + chance)
        return np.asarray((self.freedom >= GROUPS - 1) & far)


def difference(oof: np.ndarray, test: np.ndarray, groups: np.ndarray | None = None) -> Difference:
    """Of the columns of (N, V) and (T, V). groups: (N,) numbers from 0 of what errs together.

    The variance of a mean of OOF rows is that of the sums of groups. Of test rows groups are not
    known, so their variance counts as many times that of independent rows as it does of OOF rows
    (the design effect; Kish 1965), 1 at least. Taken is the larger of two errors: of unequal
    variances, and of one variance for all rows, as one of few test rows may be small by chance.
    """
    n_oof, n_test = len(oof), len(test)
    n_groups = n_oof if groups is None else int(groups.max()) + 1
    deviations = oof - oof.mean(axis=0)
    squares = (deviations**2).sum(axis=0), ((test - test.mean(axis=0)) ** 2).sum(axis=0)
    alone = squares[0] / max(n_oof - 1, 1) / n_oof
    of_groups, design = alone, np.ones(oof.shape[1])
    if groups is not None:
        sums = np.stack([np.bincount(groups, own, n_groups) for own in deviations.T], axis=1)
        of_groups = (sums**2).sum(axis=0) * n_groups / max(n_groups - 1, 1) / n_oof**2
        design = np.maximum(of_groups / np.maximum(alone, 1e-300), 1.0)
    of_test = squares[1] / max(n_test - 1, 1) / n_test * design
    pooled = (squares[0] + squares[1]) / max(n_oof + n_test - 2, 1) * design
    pooled = pooled * (1 / n_oof + 1 / n_test)
    n_test_groups = max(n_test * n_groups / n_oof, 1.0)
    unequal = of_groups + of_test
    lost = of_groups**2 / max(n_groups - 1, 0.1) + of_test**2 / max(n_test_groups - 1, 0.1)
    freedom = np.where(unequal > 0, unequal**2 / np.maximum(lost, 1e-300), n_groups - 1.0)
    error = np.sqrt(np.maximum(unequal, pooled))
    return Difference(oof.mean(axis=0), test.mean(axis=0), error, freedom)


def quantile(level: float, freedom: np.ndarray) -> np.ndarray:
    """Student's t quantile, of 4 or more degrees of freedom: Abramowitz and Stegun 26.7.5."""
    z, n = NormalDist().inv_cdf(level), np.maximum(freedom, GROUPS - 1.0)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / n**power for power, term in enumerate(terms, start=1))
