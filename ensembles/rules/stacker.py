"""A second model on the members' log-probabilities, beside the log-linear pool that it starts from.

Its logits are the pool's plus a linear function of features: the members' log-probabilities, or the
pool's own. So it may learn which classes are taken for each other, which no pool can say.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ensembles.rules import pools, votes
from ensembles.rules.mixes import Mixes
from ensembles.rules.pools import Rule

Features = Literal["members", "pool"]


@dataclass
class Stacker:
    """base: a log-linear pool. features: what the coefficients (K, D) float64 multiply: D is M K + 1 or
    K + 1, the last of them for a constant 1.
    """

    base: Rule
    features: Features
    coefficients: np.ndarray
    temperature: float = 1.0

    @property
    def weights(self) -> np.ndarray:
        """(M,) float64: the pool's."""
        return self.base.weights

    @property
    def gradient(self) -> float | None:
        """The pool's."""
        return self.base.gradient

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """(N, K) float32 from (M, N, K)."""
        out = np.empty(probabilities.shape[1:], np.float32)
        for rows in votes.blocks(out.shape):
            out[rows] = self.said(Mixes(probabilities[:, rows]))
        return out

    def said(self, mixes: Mixes) -> np.ndarray:
        """(n, K) float32 of the rows of `mixes`."""
        pooled = np.ascontiguousarray(mixes.says(self.base).T)
        if self.features == "pool":
            given = of_pool(pooled, self.base.floor)
        else:
            logs = mixes.logs(self.base.floor, self.base.epsilon).transpose(0, 2, 1)
            given = of_members(logs - logs.mean(axis=1, keepdims=True))
        said = stacked(pooled, given, self.coefficients)
        return pools.adjust(np.ascontiguousarray(said.T), None, self.temperature)

    def without(self, member: int) -> Stacker:
        """Of the refitted pool, the member's own coefficients 0."""
        coefficients = self.coefficients
        if self.features == "members":
            coefficients, k = coefficients.copy(), len(coefficients)
            coefficients[:, member * k : (member + 1) * k] = 0
        return replace(self, base=self.base.without(member), coefficients=coefficients)

    def to_sum_1(self) -> Stacker:
        """As it is: its pool's sum is no temperature of the whole."""
        return self


def of_members(logs: np.ndarray) -> np.ndarray:
    """(M K + 1, N) float32 features from logs (M, K, N), less their mean over the classes."""
    n_rows = logs.shape[2]
    return np.concatenate([logs.reshape(-1, n_rows), np.ones((1, n_rows), np.float32)])


def of_pool(pooled: np.ndarray, floor: float) -> np.ndarray:
    """(K + 1, N) float32 features from a pool's probabilities (K, N)."""
    logs = pools.log(pooled, floor)
    return np.concatenate([logs - logs.mean(axis=0), np.ones_like(logs[:1])])


def stacked(pooled: np.ndarray, given: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """(K, N) float32 from the pool (K, N), features (D, N) and coefficients (K, D)."""
    n_rows = pooled.shape[1]
    # a product of few rows is summed in another order: a row would depend on how many stand beside it
    padded = np.pad(given, ((0, 0), (0, max(0, votes.LEAST_ROWS - n_rows))))
    logits = (coefficients.astype(np.float32) @ padded)[:, :n_rows]
    logits += np.log(np.maximum(pooled, np.finfo(np.float32).tiny))
    return pools.softmax_by_row(logits)
