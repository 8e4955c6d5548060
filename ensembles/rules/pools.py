"""How members' probabilities become the vote's: a pool, class offsets, one temperature.

linear: sum over members of w_j p_j. log-linear: proportional to the product of p_j ** w_j, which is
logistic regression on the members' log-probabilities (Genest and Zidek 1986), its weights of any
sum and, on request, of any sign. hard: each member gives its weight to its first choice.
Offsets are added to the log-probabilities of the classes, then all are divided by the temperature:
neither needs more than the average. Before any log a share of 1/K may be mixed in (epsilon), so that
no class is ruled out by those who are sure without reason.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ensembles.rules import votes

# Below this a member's probability counts as this in a product: no member alone rules a class out.
FLOOR = 1e-6
# From so many on a row's sums are as fast along its classes as along rows.
MANY_CLASSES = 128


@dataclass
class Rule:
    """A fitted vote. weights: (M,) float64. offsets: (K,) float64 in log-probability, or None.

    epsilon: the share of 1/K that is mixed in before logs: into every table of a log-linear pool, into
    the mean of a linear one, which is the same, and into the shares of a hard vote. floor: what a
    probability counts at least in a product.
    left_out: (M, M) float64 whose row j is the weights refitted without member j; None where the
    others' stay in proportion. left_out_offsets: (M, K), as they are then, where they are fitted together.
    gradient: what certifies weights of a convex log-loss, its gradient's largest entry where the fit ended
    (`log_linear.LogLinearFit`); None of weights that are fitted otherwise.
    """

    weights: np.ndarray
    pool: str = "linear"
    offsets: np.ndarray | None = None
    temperature: float = 1.0
    epsilon: float = 0.0
    floor: float = FLOOR
    left_out: np.ndarray | None = None
    left_out_offsets: np.ndarray | None = None
    gradient: float | None = None

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """(N, K) float32 from (M, N, K)."""
        return adjust(self.mix(probabilities), self.offsets, self.temperature)

    def mix(self, probabilities: np.ndarray) -> np.ndarray:
        """(N, K) float32: the pool, before offsets and temperature."""
        if self.pool == "log_linear":
            return mix_log_linear(probabilities, self.weights, self.floor, self.epsilon)
        return smoothed(mix(probabilities, self.weights, self.pool), self.epsilon)

    def without(self, member: int) -> Rule:
        """The vote without a member: refitted, or the others in proportion; all alike where no other
        has weight. Of one member the vote as it is.
        """
        if len(self.weights) < 2 or not self.weights[member]:
            return self
        offsets = self.offsets
        if self.left_out is not None:
            weights = self.left_out[member]
            if self.left_out_offsets is not None:
                offsets = self.left_out_offsets[member]
        else:
            weights = np.where(np.arange(len(self.weights)) == member, 0, self.weights)
        if not weights.any() or (self.pool != "log_linear" and weights.sum() <= 0):
            weights = (np.arange(len(weights)) != member) / (len(weights) - 1)
        left = replace(self, weights=weights, offsets=offsets, gradient=None)
        return replace(left, left_out=None, left_out_offsets=None)

    def among(self, there: np.ndarray) -> Rule:
        """The vote of some members, for rows that the others lack: their weights scaled to sum 1, all alike
        where none of them has weight. there: (M,) bool, at least one. Not of log-linear pools, whose weights
        are fitted to each other.
        """
        weights = self.weights[there]
        if weights.sum() <= 0:
            weights = np.ones(len(weights))
        scaled = weights / weights.sum()
        return replace(self, weights=scaled, left_out=None, left_out_offsets=None, gradient=None)

    def to_sum_1(self) -> Rule:
        """The same vote with weights of sum 1, where they have a sum: the rest is temperature."""
        total = self.weights.sum()
        if self.pool != "log_linear" or total <= 1e-6:
            return self
        scaled: dict[str, Any] = {
            name: None if (own := getattr(self, name)) is None else own / total
            for name in ("offsets", "left_out", "left_out_offsets")
        }
        temperature = self.temperature / total
        return replace(self, weights=self.weights / total, temperature=temperature, **scaled)


def mix(probabilities: np.ndarray, weights: np.ndarray, pool: str = "linear") -> np.ndarray:
    """(N, K) float32: the members' pool. probabilities: (M, N, K)."""
    if pool == "linear":
        return votes.weighted(probabilities, weights)
    if pool == "hard":
        winners = votes.hard(probabilities, weights)
        return votes.vote_shares(
            probabilities.argmax(axis=2), winners, probabilities.shape[2], weights
        )
    return mix_log_linear(probabilities, weights)


def mix_log_linear(
    probabilities: np.ndarray, weights: np.ndarray, floor: float = FLOOR, epsilon: float = 0.0
) -> np.ndarray:
    """(N, K) float32: the log-linear pool of (M, N, K). floor, epsilon: as of `Rule`."""
    out = np.empty(probabilities.shape[1:], np.float32)
    for rows in votes.blocks(out.shape):
        used = np.flatnonzero(weights)
        logs = (log(probabilities[j][rows], floor, epsilon) for j in used)
        out[rows] = product_of(logs, weights[used], out[rows].shape)
    return out


def product_of(
    logs: Iterable[np.ndarray], weights: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """(n, K) float64: the log-linear pool from logs (n, K) of each member, one after the other."""
    logits, weighted = np.zeros(shape), np.empty(shape)
    for weight, own in zip(weights, logs, strict=True):
        logits += np.multiply(own, weight, out=weighted)
    return softmax(logits)


def mix_logs(logs: np.ndarray, weights: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """(K, N) float32: the log-linear pool from logs (M, K, N) float32, in float32.

    bias: (K,), added to the logits.
    """
    logits = (weights.astype(np.float32) @ logs.reshape(len(logs), -1)).reshape(logs.shape[1:])
    if bias is not None:
        logits += bias.astype(np.float32)[:, None]
    return softmax_by_row(logits)


def softmax_by_row(logits: np.ndarray) -> np.ndarray:
    """The softmax over the first axis of (K, N), in place: along rows, where it is fastest."""
    logits -= logits.max(axis=0)
    powers = np.exp(logits, out=logits)
    powers /= powers.sum(axis=0)
    return powers


def adjust(
    mixed: np.ndarray, offsets: np.ndarray | None = None, temperature: float = 1.0
) -> np.ndarray:
    """(N, K) float32: class offsets, then a temperature, on a pool's probabilities."""
    if offsets is None and temperature == 1:
        return mixed
    logits = np.log(np.maximum(mixed, np.finfo(np.float32).tiny), dtype=np.float64)
    if offsets is not None:
        logits += offsets
    logits /= temperature
    if logits.shape[1] >= MANY_CLASSES:
        logits -= logits.max(axis=1, keepdims=True)
        powers = np.exp(logits, out=logits)
        powers /= powers.sum(axis=1, keepdims=True)
        return powers.astype(np.float32)
    return np.ascontiguousarray(softmax_by_row(np.ascontiguousarray(logits.T)).T, np.float32)


def smoothed(probabilities: np.ndarray, epsilon: float) -> np.ndarray:
    """(1 - epsilon) p + epsilon / K, of any shape (..., K); what came in where epsilon is 0."""
    if not epsilon:
        return probabilities
    share = np.float32(1 - epsilon)
    return probabilities * share + np.float32(epsilon / probabilities.shape[-1])


def log(probabilities: np.ndarray, floor: float = FLOOR, epsilon: float = 0.0) -> np.ndarray:
    """Log of probabilities with epsilon mixed in, no less than of `floor`."""
    logs = np.maximum(smoothed(probabilities, epsilon), np.float32(floor))
    return np.log(logs, out=logs)


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
