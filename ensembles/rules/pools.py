"""How members' probabilities become the vote's: a pool, class offsets, one temperature.

linear: sum over members of w_j p_j. log-linear: proportional to the product of p_j ** w_j, which is
logistic regression on the members' log-probabilities (Genest and Zidek 1986), its weights of any
sum and, on request, of any sign. hard: each member gives its weight to its first choice.
Offsets are added to the log-probabilities of the classes, then all are divided by the temperature:
neither needs more than the average.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ensembles.rules import votes

# Below this a member's probability counts as this in a product: no member alone rules a class out.
FLOOR = 1e-6
ROWS_AT_ONCE = 65_536


@dataclass
class Rule:
    """A fitted vote. weights: (M,) float64. offsets: (K,) float64 in log-probability, or None."""

    weights: np.ndarray
    pool: str = "linear"
    offsets: np.ndarray | None = None
    temperature: float = 1.0

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """(N, K) float32 from (M, N, K)."""
        return adjust(mix(probabilities, self.weights, self.pool), self.offsets, self.temperature)

    def to_sum_1(self) -> Rule:
        """The same vote with weights of sum 1, where they have a sum: the rest is temperature."""
        total = self.weights.sum()
        if self.pool != "log_linear" or total <= 1e-6:
            return self
        offsets = None if self.offsets is None else self.offsets / total
        return Rule(self.weights / total, self.pool, offsets, self.temperature / total)


def mix(probabilities: np.ndarray, weights: np.ndarray, pool: str = "linear") -> np.ndarray:
    """(N, K) float32: the members' pool. probabilities: (M, N, K)."""
    if pool == "linear":
        return votes.weighted(probabilities, weights)
    if pool == "hard":
        winners = votes.hard(probabilities, weights)
        return votes.vote_shares(
            probabilities.argmax(axis=2), winners, probabilities.shape[2], weights
        )
    n_rows = probabilities.shape[1]
    out = np.empty(probabilities.shape[1:], np.float32)
    for begin in range(0, n_rows, ROWS_AT_ONCE):
        part = slice(begin, begin + ROWS_AT_ONCE)
        logits = np.zeros(out[part].shape)
        for weight, member in zip(weights, probabilities, strict=True):
            if weight:
                logits += weight * log(member[part])
        out[part] = softmax(logits)
    return out


def mix_logs(logs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(N, K) float32: the log-linear pool from logs (M, N, K) float32, in float32."""
    flat = logs.reshape(len(logs), -1)
    return softmax((weights.astype(np.float32) @ flat).reshape(logs.shape[1:]))


def adjust(
    mixed: np.ndarray, offsets: np.ndarray | None = None, temperature: float = 1.0
) -> np.ndarray:
    """(N, K) float32: class offsets, then a temperature, on a pool's probabilities."""
    if offsets is None and temperature == 1:
        return mixed
    logits = np.log(np.maximum(mixed, np.finfo(np.float32).tiny), dtype=np.float64)
    if offsets is not None:
        logits += offsets
    return softmax(logits / temperature).astype(np.float32)


def log(probabilities: np.ndarray) -> np.ndarray:
    """Log of probabilities, no less than of FLOOR."""
    return np.log(np.maximum(probabilities, np.float32(FLOOR)))


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
