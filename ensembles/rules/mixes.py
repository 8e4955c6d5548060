"""The pools of some rows, each computed once however many rules share it.

Of a mean's rules several have the same weights, with and without class offsets, or a stacker above
them, and all log-linear ones the same logs. Every number is a row's own, computed as if it stood alone:
how many rows are given at once changes no bit.
"""

from __future__ import annotations

import numpy as np

from ensembles.rules import pools
from ensembles.rules.pools import Rule


class Mixes:
    """Of members' probabilities (M, n, K); as many rows as `votes.blocks` has at once."""

    def __init__(self, probabilities: np.ndarray):
        self.probabilities = probabilities
        self._mixed: dict[tuple[str, bytes, float, float], np.ndarray] = {}
        self._logs: dict[tuple[float, float], np.ndarray] = {}

    def says(self, rule: Rule) -> np.ndarray:
        """(n, K) float32, as `rule.apply`."""
        return pools.adjust(self.of(rule), rule.offsets, rule.temperature)

    def of(self, rule: Rule) -> np.ndarray:
        """(n, K) float32, as `rule.mix`."""
        key = rule.pool, rule.weights.tobytes(), rule.floor, rule.epsilon
        if key not in self._mixed:
            self._mixed[key] = self._pool(rule)
        return self._mixed[key]

    def logs(self, floor: float, epsilon: float) -> np.ndarray:
        """(M, n, K) float32, as `pools.log`."""
        if (floor, epsilon) not in self._logs:
            logs = np.empty(self.probabilities.shape, np.float32)
            for own, member in zip(logs, self.probabilities, strict=True):
                own[:] = pools.log(member, floor, epsilon)
            self._logs[floor, epsilon] = logs
        return self._logs[floor, epsilon]

    def _pool(self, rule: Rule) -> np.ndarray:
        if rule.pool != "log_linear":
            return rule.mix(self.probabilities)
        logs, used = self.logs(rule.floor, rule.epsilon), np.flatnonzero(rule.weights)
        weights, shape = rule.weights[used], self.probabilities.shape[1:]
        return pools.product_of((logs[j] for j in used), weights, shape).astype(np.float32)
