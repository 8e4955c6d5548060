"""Scores of one class or of one target that the classes stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ensembles.scores import scorers


def by_value(probabilities: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(N, V) summed probabilities of the classes (N, K) that mean each value; values: (K,)."""
    return probabilities @ np.eye(int(values.max()) + 1, dtype=probabilities.dtype)[values]


def by_class(counts: np.ndarray, classes: Sequence[str]) -> list[dict[str, str | float | int]]:
    """A row a class from confusion counts (K, K): precision, recall, f1, support, predicted."""
    hits, support, predicted = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    return [
        {
            "class": str(name),
            "precision": float(hits[k] / max(predicted[k], 1)),
            "recall": float(hits[k] / max(support[k], 1)),
            "f1": float(f1),
            "support": int(support[k]),
            "predicted": int(predicted[k]),
        }
        for k, (name, f1) in enumerate(zip(classes, scorers.f1_by_class(counts), strict=True))
    ]


def by_target(
    labels: np.ndarray, predictions: np.ndarray, target_of_class: Mapping[str, np.ndarray]
) -> dict[str, dict[str, float]]:
    """Accuracy and macro F1 of each target that a joint class stands for.

    target_of_class: for each target (K,) int, the target's index that joint class k means.
    """
    found = {}
    for target, index in target_of_class.items():
        index = np.asarray(index)
        truth, guess = index[labels], index[predictions]
        found[target] = _figures(truth, guess, int(index.max()) + 1)
    return found


def by_marginals(
    labels: np.ndarray, probabilities: np.ndarray, target_of_class: Mapping[str, np.ndarray]
) -> dict[str, dict[str, float]]:
    """As `by_target`, with each target's most probable class by its own marginal probability.

    A marginal is the sum of the joint probabilities (N, K) over the other targets' classes; its
    winner need not be part of the most probable joint class.
    """
    found = {}
    for target, index in target_of_class.items():
        index = np.asarray(index)
        marginal = by_value(probabilities.astype(np.float64), index)
        found[target] = _figures(index[labels], marginal.argmax(axis=1), marginal.shape[1])
    return found


def _figures(truth: np.ndarray, guess: np.ndarray, n_values: int) -> dict[str, float]:
    accuracy = scorers.accuracy(truth, guess)
    return {"accuracy": accuracy, "macro_f1": scorers.macro_f1(truth, guess, n_values)}
