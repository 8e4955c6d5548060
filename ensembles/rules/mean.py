"""The mean of several fitted votes, in probabilities, with one temperature after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ensembles.rules import votes
from ensembles.rules.mixes import Mixes
from ensembles.rules.pools import Rule, adjust
from ensembles.rules.stacker import Stacker

OneRule = Rule | Stacker


@dataclass
class MeanRule:
    """parts: name -> rule. shares: (R,) float64 >= 0, sum 1. temperature: after the mean.

    weights: (M,) float64 >= 0, sum 1, effective ones: how far the mean moves without each member, see
    `judging.removal`. Nothing is computed from them.
    """

    parts: Mapping[str, OneRule]
    shares: np.ndarray
    temperature: float = 1.0
    weights: np.ndarray = field(default_factory=lambda: np.empty(0))

    pool = "mean"
    offsets = None
    gradient = None

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """(N, K) float32 from (M, N, K)."""
        return adjust(self.mix(probabilities), None, self.temperature)

    def mix(self, probabilities: np.ndarray) -> np.ndarray:
        """(N, K) float32: the mean, before the temperature."""
        out = np.empty(probabilities.shape[1:], np.float32)
        for rows in votes.blocks(out.shape):
            mixes = Mixes(probabilities[:, rows])
            said = [
                part.said(mixes) if isinstance(part, Stacker) else mixes.says(part)
                for part in self.parts.values()
            ]
            out[rows] = mean_of(said, self.shares)
        return out

    def without(self, member: int) -> MeanRule:
        """The mean of the parts without a member."""
        left = {name: part.without(member) for name, part in self.parts.items()}
        return replace(self, parts=left)

    def to_sum_1(self) -> MeanRule:
        """As it is."""
        return self


AnyRule = Rule | MeanRule


def mean_of(predictions: list[np.ndarray], shares: np.ndarray) -> np.ndarray:
    """(N, K) float32: the mean of (N, K) probabilities with shares (R,), summed in float64."""
    total = np.zeros_like(predictions[0], np.float64)
    for share, own in zip(shares, predictions, strict=True):
        total += share * own
    return total.astype(np.float32)
