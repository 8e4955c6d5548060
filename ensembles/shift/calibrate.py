"""A vote's probabilities made to fit OOF labels: one temperature, then one number a class.

That is temperature scaling with class biases (Alexandari, Kundaje and Shrikumar 2020), who show that
estimates of class shares depend on it. At the fitted biases the mean probability of each class is
its share of the labels exactly, so that rows like these give back these shares.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ensembles.rules import pools
from ensembles.weights.offsets import fit_temperature

STEPS = 60
FURTHEST = 3.0  # of one step, in log-probability
# A step that promises less is taken as it is: in sums of float64 the likelihood cannot judge it.
ROUNDED = 1e-14


@dataclass(frozen=True)
class Calibration:
    """even: the share of equal probabilities that is mixed in first. temperature: what
    log-probabilities are divided by. biases: (K,), added after it; minus infinity for a class without
    any row, of which nothing can be said.
    """

    even: float
    temperature: float
    biases: np.ndarray

    def apply(self, mixed: np.ndarray) -> np.ndarray:
        """(N, K) float64 from a vote's probabilities (N, K)."""
        return pools.softmax(_logits(_evened(mixed, self.even), self.temperature) + self.biases)


def calibrated(mixed: np.ndarray, labels: np.ndarray) -> Calibration:
    """Fit to a vote's probabilities (N, K) of rows that it was not fitted to, and their labels (N,).

    The biases maximise the likelihood at the temperature that is best without them; Newton's method
    with steps that are halved where one would not do better. Where true classes have a probability
    of 0, as among counted votes, as much is mixed in evenly as gives them what they have in truth:
    no temperature makes 0 another number.
    """
    n_classes, true = mixed.shape[1], mixed[np.arange(len(labels)), labels]
    ruled_out = float(np.mean(true < pools.FLOOR))
    even = min(1.0, ruled_out * n_classes / max(n_classes - 1, 1))
    mixed = _evened(mixed, even)
    temperature = fit_temperature(mixed, labels)
    counts = np.bincount(labels, minlength=mixed.shape[1])
    there = np.flatnonzero(counts)
    shares, logits = counts[there] / len(labels), _logits(mixed[:, there], temperature)
    biases, best = np.zeros(len(there)), _likelihood(logits, shares, np.zeros(len(there)))
    for _ in range(STEPS):
        fitted = pools.softmax(logits + biases)
        mean = fitted.mean(axis=0)
        slope = shares - mean
        if abs(slope).max() < 1e-12:
            break
        # a constant for all classes changes nothing: it is held at 0
        curvature = np.diag(mean + 1e-12) - fitted.T @ fitted / len(fitted) + 1 / len(there)
        step = np.linalg.solve(curvature, slope)
        step *= min(1.0, FURTHEST / abs(step).max())
        if slope @ step <= ROUNDED:
            biases = biases + step
            continue
        for _ in range(STEPS):
            found = _likelihood(logits, shares, biases + step)
            if found >= best:
                break
            step /= 2
        else:
            break
        biases, best = biases + step, found
    whole = np.full(mixed.shape[1], -np.inf)
    whole[there] = biases
    return Calibration(even, temperature, whole)


def _evened(mixed: np.ndarray, even: float) -> np.ndarray:
    return (1 - even) * mixed + even / mixed.shape[1] if even else mixed


def _logits(mixed: np.ndarray, temperature: float) -> np.ndarray:
    return pools.log(mixed).astype(np.float64) / temperature


def _likelihood(logits: np.ndarray, shares: np.ndarray, biases: np.ndarray) -> float:
    """Mean log-likelihood, less what the biases do not change."""
    turned = logits + biases
    highest = turned.max(axis=1)
    totals = np.log(np.exp(turned - highest[:, None]).sum(axis=1)) + highest
    return float(shares @ biases - totals.mean())
