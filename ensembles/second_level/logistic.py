"""Multinomial logistic regression on the members' log-probabilities, shrunk towards their pool.

With z_j the centred log-probabilities of member j, the logits are

    sum_j (w_j z_j + V_j z_j) + b,

a log-linear pool of weights w of any sign with class offsets b, and on top of it a number in V from
each class of each member to each class: what one member means where it says "2" is learnt, confusions
between classes among it. Minimised is

    mean log-loss + (ridge |V|^2 + 10 |w - 1/M|^2 + 3 |b|^2) / (2 N),

which is convex; ridges are in photographs. With much ridge the pool is left and not a constant: a
stacker of few rows is as good as a pool, and of many rows it may differ from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ensembles.rules.pools import softmax
from ensembles.second_level.features import Features

RIDGES = (np.inf, 1000.0, 300.0, 100.0, 30.0, 10.0, 3.0)
WEIGHTS_RIDGE, OFFSETS_RIDGE = 10.0, 3.0
# Of the gradient's largest entry, at the minimum.
TOLERANCE = 1e-7
NEWTON_STEPS, CONJUGATE_STEPS = 100, 250


@dataclass
class Logistic:
    """weights: (M,) w. offsets: (K,) b. confusions: (M K, K) V, or None where the ridge was infinite.
    gradient: the largest entry of the gradient that was left.
    """

    weights: np.ndarray
    offsets: np.ndarray
    confusions: np.ndarray | None
    gradient: float

    def logits(self, x: Features) -> np.ndarray:
        """(N, K) float64."""
        own = x.pool(self.weights) + self.offsets
        return own if self.confusions is None else own + x.flat @ self.confusions

    def predict(self, x: Features) -> np.ndarray:
        """(N, K) float64 probabilities."""
        return softmax(self.logits(x))


def fit_logistic(
    x: Features, labels: np.ndarray, ridge: float, start: Logistic | None = None
) -> Logistic:
    """labels: (N,) int. ridge: in photographs; infinite: no V. start: where to begin.

    By Newton's method, each step by conjugate gradients.
    """
    n, m, k = x.logs.shape
    size = 0 if np.isinf(ridge) else m * k * k
    flat, rows = x.flat, np.arange(n)
    strength = [(m, WEIGHTS_RIDGE), (k, OFFSETS_RIDGE), (size, 0.0 if np.isinf(ridge) else ridge)]
    ridges = np.concatenate([np.full(length, own) for length, own in strength]) / n
    centre = np.zeros(len(ridges))
    centre[:m] = 1 / m

    def spread(p: np.ndarray) -> np.ndarray:
        """(N, K) logits, which are linear in the parameters."""
        out = x.pool(p[:m]) + p[m : m + k]
        return out + flat @ p[m + k :].reshape(m * k, k) if size else out

    def gathered(errors: np.ndarray) -> np.ndarray:
        """The transpose of `spread`, over N."""
        by_class = flat.T @ errors  # (M K, K)
        of_pool = np.einsum("jkk->j", by_class.reshape(m, k, k))
        own = by_class.ravel() if size else np.empty(0)
        return np.concatenate([of_pool, errors.sum(axis=0), own]) / n

    def at(p: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        logits = spread(p)
        logits -= logits.max(axis=1, keepdims=True)
        powers = np.exp(logits)
        total = powers.sum(axis=1, keepdims=True)
        away = p - centre
        loss = (np.log(total[:, 0]) - logits[rows, labels]).mean() + ridges @ (away * away) / 2
        chances = powers / total
        errors = chances.copy()
        errors[rows, labels] -= 1
        return float(loss), gathered(errors) + ridges * away, chances

    p = centre.copy()
    if start is not None:
        p[:m], p[m : m + k] = start.weights, start.offsets
        if size and start.confusions is not None:
            p[m + k :] = start.confusions.ravel()
    loss, gradient, chances = at(p)
    for _ in range(NEWTON_STEPS):
        left = np.abs(gradient).max()
        if left <= TOLERANCE:
            break

        def curved(d: np.ndarray, chances: np.ndarray = chances) -> np.ndarray:
            along = spread(d)
            along -= (chances * along).sum(axis=1, keepdims=True)
            return gathered(chances * along) + ridges * d

        step = _conjugate(curved, -gradient, min(0.1, float(np.sqrt(left))))
        slope, length = gradient @ step, 1.0
        while True:
            found = at(p + length * step)
            if found[0] <= loss + 1e-4 * length * slope or length < 1e-4:
                break
            length /= 2
        if found[0] >= loss and np.abs(found[1]).max() >= left:
            break  # the digits of the loss are used up
        p, (loss, gradient, chances) = p + length * step, found
    confusions = p[m + k :].reshape(m * k, k) if size else None
    return Logistic(p[:m].copy(), p[m : m + k].copy(), confusions, float(np.abs(gradient).max()))


def logistic_path(x: Features, labels: np.ndarray, ridges: Sequence[float]) -> list[Logistic]:
    """One fit a ridge, each begun from the one before it."""
    found: list[Logistic] = []
    for ridge in ridges:
        found.append(fit_logistic(x, labels, ridge, found[-1] if found else None))
    return found


def _conjugate(
    curved: Callable[[np.ndarray], np.ndarray], right: np.ndarray, accuracy: float
) -> np.ndarray:
    """`curved(step) = right` by conjugate gradients, until the rest is `accuracy` of it."""
    step, rest = np.zeros_like(right), right.copy()
    direction, size = rest.copy(), rest @ rest
    enough = accuracy**2 * size
    for _ in range(CONJUGATE_STEPS):
        bent = curved(direction)
        length = size / (direction @ bent)
        step += length * direction
        rest -= length * bent
        size, before = rest @ rest, size
        if size <= enough:
            break
        direction = rest + size / before * direction
    return step
