"""What a network is judged by on its validation part: a name, a direction, and a function.

The caller of `fit` passes its metrics, so that a score has one definition wherever it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Metric:
    """A score of a validation part.

    score: from labels (N,) int64 and probabilities (N, K) float64, rows sum to 1. None: the
    validation loss, whose function is the recipe's.
    """

    name: str
    greater_is_better: bool = True
    score: Callable[[np.ndarray, np.ndarray], float] | None = None

    @property
    def sign(self) -> int:
        """1 where greater is better, else -1."""
        return 1 if self.greater_is_better else -1

    def of(self, labels: np.ndarray, probabilities: np.ndarray) -> float:
        """The score of labels (N,) and probabilities (N, K). Raises TypeError where there is none."""
        if self.score is None:
            raise TypeError(f"{self.name} has no score: it is no function of probabilities")
        return self.score(labels, probabilities)


def _macro_f1(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Over all K classes; one that is neither true nor predicted counts as 0."""
    from sklearn.metrics import f1_score  # half a second, paid only where it is used

    classes = range(probabilities.shape[1])
    guess = probabilities.argmax(axis=1)
    return float(f1_score(labels, guess, average="macro", labels=classes, zero_division=0))


def _accuracy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    return float(np.mean(labels == probabilities.argmax(axis=1)))


LOSS = Metric("loss", greater_is_better=False)
DEFAULT = (Metric("macro_f1", score=_macro_f1), Metric("accuracy", score=_accuracy))
