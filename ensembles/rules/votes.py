"""The three votes, on arrays.

probabilities: (M, N, K) float32, members in the order in which they are listed.
choices: (M, N) int, the class that each member votes for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Rows at once: numbers that the cache holds, and no fewer rows, whose products would be other ones.
CACHED, LEAST_ROWS = 1 << 14, 1024


def weighted(probabilities: Sequence[np.ndarray] | np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(N, K) float32: the weighted mean, also of tables (N, K) that do not lie in one array. weights:
    (M,) >= 0, scaled to sum 1 here.
    """
    shares, out = weights / np.sum(weights), np.empty(probabilities[0].shape, np.float32)
    for rows in blocks(out.shape):
        mixed = np.zeros(out[rows].shape)
        product = np.empty_like(mixed)
        for share, member in zip(shares, probabilities, strict=True):
            if share:
                mixed += np.multiply(member[rows], share, out=product)
        mixed /= mixed.sum(axis=1, keepdims=True)
        out[rows] = mixed
    return out


def blocks(shape: tuple[int, ...]) -> list[slice]:
    """Rows of a table (N, K), so many at once that what is computed of them stays in the cache."""
    n_rows, n_classes = shape
    at_once = max(LEAST_ROWS, CACHED // n_classes)
    return [slice(begin, begin + at_once) for begin in range(0, n_rows, at_once)]


def soft(probabilities: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """(N, K) float32: the plain mean, as `weighted`."""
    return weighted(probabilities, np.ones(len(probabilities)))


def hard(probabilities: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """(N,) int: the class with most members' first choices, each counting `weights` (M,) or once.

    A tie goes to the tied class with the highest summed probability; where those are equal too, to
    the tied class that the earliest-listed member voted for.
    """
    choices = probabilities.argmax(axis=2)
    support = np.zeros(probabilities.shape[1:])
    for weight, member in zip(_shares(len(choices), weights), probabilities, strict=True):
        if weight:
            support += weight * member
    return _plurality(choices, support, weights)


def hard_labels(
    choices: np.ndarray, n_classes: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """(N,) int: the class with most votes, ties to the one the earliest-listed member voted for."""
    return _plurality(choices, np.zeros((choices.shape[1], n_classes)), weights)


def vote_shares(
    choices: np.ndarray, winners: np.ndarray, n_classes: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """(N, K) float32: each class's share of the votes, the winner holding one vote more.

    So the winner is the most probable class even where it won a tie.
    """
    counts = _count_votes(choices, n_classes, weights)
    counts[np.arange(len(winners)), winners] += 1
    return (counts / (len(choices) + 1)).astype(np.float32)


def _shares(n_members: int, weights: np.ndarray | None) -> np.ndarray:
    """(M,) what each vote counts, M in sum."""
    return np.ones(n_members) if weights is None else weights * (n_members / np.sum(weights))


def _plurality(choices: np.ndarray, support: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Winners (N,); support (N, K) decides ties first, the order of the members after it."""
    counts = _count_votes(choices, support.shape[1], weights)
    tied = counts >= counts.max(axis=1, keepdims=True) - 1e-9
    support = np.where(tied, support, -np.inf)
    tied &= support == support.max(axis=1, keepdims=True)
    rows = np.arange(choices.shape[1])
    voted_for_tied = tied[rows, choices] & (_shares(len(choices), weights) > 0)[:, None]
    return choices[voted_for_tied.argmax(axis=0), rows]


def _count_votes(choices: np.ndarray, n_classes: int, weights: np.ndarray | None) -> np.ndarray:
    """(N, K) float64, M a row."""
    n_rows = choices.shape[1]
    cells = np.arange(n_rows) * n_classes + choices
    each = None if weights is None else _shares(len(choices), weights).repeat(n_rows)
    counts = np.bincount(cells.ravel(), each, n_rows * n_classes)
    return counts.reshape(n_rows, n_classes).astype(np.float64)
