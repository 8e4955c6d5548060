"""What a teacher says of photographs to train on, beside their labels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from members.errors import BadInput


@dataclass(frozen=True, eq=False)
class Soft:
    """shares: (N, K) float32, `softmax(log p / temperature)` of the teacher's probabilities p.

    labelled: (N,) bool, whether the photo has a label to learn beside; of others the teacher alone counts.
    hard: the label's share in the loss, 0 to below 1. temperature: above 0.
    """

    shares: np.ndarray
    labelled: np.ndarray
    hard: float
    temperature: float

    @classmethod
    def of(
        cls, probabilities: np.ndarray, temperature: float, hard: float, labelled: bool = True
    ) -> Soft:
        """From the teacher's probabilities (N, K), rows of sum 1, all of photos with or without labels.

        Raises BadInput for a temperature or share that is none, and for rows that are no probabilities.
        """
        wrong = []
        if not 0 < temperature < np.inf:
            wrong.append(f"temperature: {temperature}, but must be above 0")
        if not 0 <= hard < 1:
            wrong.append(f"hard: {hard}, but must be a share from 0 to below 1")
        sums = probabilities.sum(axis=1)
        if not (np.abs(sums - 1) < 1e-3).all() or probabilities.min(initial=0) < 0:
            wrong.append("a teacher's rows must be probabilities of sum 1")
        if wrong:
            raise BadInput(wrong)
        known = np.full(len(probabilities), labelled)
        return cls(tempered(probabilities, temperature), known, hard, temperature)

    def take(self, rows: np.ndarray) -> Soft:
        return replace(self, shares=self.shares[rows], labelled=self.labelled[rows])

    def columns(self, rows: np.ndarray) -> np.ndarray:
        """(n, K + 1) float32 for the photos at `rows`: shares, and the label's share in the loss."""
        hard = np.where(self.labelled[rows], self.hard, 0).astype(np.float32)
        return np.concatenate([self.shares[rows], hard[:, None]], axis=1)


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """`softmax(log p / temperature)`, float32 of (N, K); of probability 0 stays 0."""
    greatest = probabilities.max(axis=1, keepdims=True)
    powers = (probabilities.astype(np.float64) / greatest) ** (1 / temperature)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def joined_soft(first: Soft | None, second: Soft | None) -> Soft | None:
    """Of photographs, and of others behind them. Raises BadInput where only some have a teacher."""
    if first is None and second is None:
        return None
    if first is None or second is None:
        raise BadInput("photographs with a teacher are joined to such photographs only")
    if (first.hard, first.temperature) != (second.hard, second.temperature):
        raise BadInput("photographs of different shares or temperatures are not joined")
    return replace(
        first,
        shares=np.concatenate([first.shares, second.shares]),
        labelled=np.concatenate([first.labelled, second.labelled]),
    )
