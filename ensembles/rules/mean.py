"""The mean of several fitted votes, in probabilities, with one temperature after it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from ensembles.rules import votes
from ensembles.rules.mixes import Mixes
from ensembles.rules.pools import Rule, adjust
from ensembles.rules.stacker import Stacker

OneRule = Rule | Stacker
# Numbers of all members from which blocks of rows are voted on side by side.
SIDE_BY_SIDE = 1 << 26


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


def applied(rule: AnyRule, members: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
    """(N, K) float32, `rule.apply` of each member's (N, K), of large ones blocks of rows side by side,
    which need not lie in one array.
    """
    out = np.empty(members[0].shape, np.float32)
    if len(members) * out.size < SIDE_BY_SIDE:
        return rule.apply(np.asarray(members))

    def apply(rows: slice) -> None:
        out[rows] = rule.apply(np.stack([own[rows] for own in members]))

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        deque(threads.map(apply, votes.blocks(out.shape)), maxlen=0)
    return out


def mean_of(predictions: list[np.ndarray], shares: np.ndarray) -> np.ndarray:
    """(N, K) float32: the mean of (N, K) probabilities with shares (R,), summed in float64."""
    total = np.zeros_like(predictions[0], np.float64)
    for share, own in zip(shares, predictions, strict=True):
        total += share * own
    return total.astype(np.float32)
