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


@dataclass(frozen=True)
class Calibration:
    """temperature: what log-probabilities are divided by. biases: (K,), added after it; minus
    infinity for a class without any row, of which nothing can be said.
    """

    temperature: float
    biases: np.ndarray

    def apply(self, mixed: np.ndarray) -> np.ndarray:
        """(N, K) float64 from a vote's probabilities (N, K)."""
        return pools.softmax(_logits(mixed, self.temperature) + self.biases)


def calibrated(mixed: np.ndarray, labels: np.ndarray) -> Calibration:
    """Fit to a vote's probabilities (N, K) of rows that it was not fitted to, and their labels (N,).

    The biases maximise the likelihood at the temperature that is best without them; Newton's method
    with steps that are halved where one would not do better.
    """
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
    return Calibration(temperature, whole)


def _logits(mixed: np.ndarray, temperature: float) -> np.ndarray:
    return pools.log(mixed).astype(np.float64) / temperature


def _likelihood(logits: np.ndarray, shares: np.ndarray, biases: np.ndarray) -> float:
    """Mean log-likelihood, less what the biases do not change."""
    turned = logits + biases
    highest = turned.max(axis=1)
    totals = np.log(np.exp(turned - highest[:, None]).sum(axis=1)) + highest
    return float(shares @ biases - totals.mean())
