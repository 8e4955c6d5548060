"""The three votes, on arrays.

probabilities: (M, N, K) float32, members in the order in which they are listed.
choices: (M, N) int, the class that each member votes for.
"""

from __future__ import annotations

import numpy as np


def weighted(probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(N, K) float32: the weighted mean. weights: (M,) >= 0, scaled to sum 1 here."""
    mixed = np.zeros(probabilities.shape[1:])
    for weight, member in zip(weights / np.sum(weights), probabilities, strict=True):
        if weight:
            mixed += weight * member
    return (mixed / mixed.sum(axis=1, keepdims=True)).astype(np.float32)


def soft(probabilities: np.ndarray) -> np.ndarray:
    """(N, K) float32: the plain mean."""
    return weighted(probabilities, np.ones(len(probabilities)))


def hard(probabilities: np.ndarray) -> np.ndarray:
    """(N,) int: the class with most members' first choices.

    A tie goes to the tied class with the highest summed probability; where those are equal too, to
    the tied class that the earliest-listed member voted for.
    """
    choices = probabilities.argmax(axis=2)
    return _plurality(choices, probabilities.sum(axis=0, dtype=np.float64))


def hard_labels(choices: np.ndarray, n_classes: int) -> np.ndarray:
    """(N,) int: the class with most votes, ties to the one the earliest-listed member voted for."""
    return _plurality(choices, np.zeros((choices.shape[1], n_classes)))


def vote_shares(choices: np.ndarray, winners: np.ndarray, n_classes: int) -> np.ndarray:
    """(N, K) float32: each class's share of the votes, the winner holding one vote more.

    So the winner is the most probable class even where it won a tie.
    """
    counts = _count_votes(choices, n_classes)
    counts[np.arange(len(winners)), winners] += 1
    return (counts / (len(choices) + 1)).astype(np.float32)


def _plurality(choices: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Winners (N,); support (N, K) decides ties first, the order of the members after it."""
    counts = _count_votes(choices, support.shape[1])
    tied = counts == counts.max(axis=1, keepdims=True)
    support = np.where(tied, support, -np.inf)
    tied &= support == support.max(axis=1, keepdims=True)
    rows = np.arange(choices.shape[1])
    voted_for_tied = tied[rows, choices]
    return choices[voted_for_tied.argmax(axis=0), rows]


def _count_votes(choices: np.ndarray, n_classes: int) -> np.ndarray:
    """(N, K) float64."""
    n_rows = choices.shape[1]
    cells = np.arange(n_rows) * n_classes + choices
    counts = np.bincount(cells.ravel(), minlength=n_rows * n_classes)
    return counts.reshape(n_rows, n_classes).astype(np.float64)
