"""Scores of candidates, and of means of them, on rows held out from their fits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ensembles.rules.mean import mean_of
from ensembles.scores import metrics, scorers
from ensembles.scores.influence import standard_error
from ensembles.weights.offsets import fit_temperature
from ensembles.weights.predicted import tempered

TEMPERATURE_ROWS = 4096
# of those as good in the first, those as good in the second
SECOND = "log_loss"


class Scored:
    """Of all candidates on the same rows.

    predictions: name -> (n, K), simplest first. folds: (n,) in which they were held out.
    """

    def __init__(
        self,
        predictions: dict[str, np.ndarray],
        labels: np.ndarray,
        folds: np.ndarray,
        groups: np.ndarray | None,
    ):
        self._predictions, self._labels = predictions, labels
        self._folds, self._groups = folds, groups
        self._temperatures: dict[str, float] = {}
        self._tempered: dict[str, np.ndarray] = {}
        self._decided: dict[str, np.ndarray] = {}
        self._means: dict[tuple[str, ...], np.ndarray] = {}
        self._moves: dict[tuple[str, str], tuple[float, np.ndarray]] = {}

    @property
    def names(self) -> list[str]:
        return list(self._predictions)

    def tempered(self, name: str) -> np.ndarray:
        """(n, K) a candidate with its temperature."""
        if name not in self._tempered:
            own = self._predictions[name]
            self._tempered[name] = tempered(own, self.temperature(name))
        return self._tempered[name]

    def mean(self, names: Sequence[str]) -> np.ndarray:
        """(n, K) the equal mean of candidates, each with its temperature; of one without."""
        if len(names) == 1:
            return self._predictions[names[0]]
        if (key := tuple(names)) not in self._means:
            shares = np.full(len(names), 1 / len(names))
            self._means[key] = mean_of(list(map(self.tempered, names)), shares)
        return self._means[key]

    def temperature(self, name: str) -> float:
        """A candidate's, of least log-loss on these rows."""
        if name not in self._temperatures:
            self._temperatures[name] = _fitted(self._predictions[name], self._labels)
        return self._temperatures[name]

    def last_temperature(self, names: Sequence[str]) -> float:
        """What divides the logs of the mean; 1 where temperatures fitted without each fold make its
        rows' log-loss worse than none.
        """
        mixed, turned = self.mean(names), 0.0
        for fold in np.unique(self._folds):
            own = self._folds == fold
            fitted = _fitted(mixed, self._labels, np.flatnonzero(~own))
            turned += scorers.log_loss(self._labels[own], tempered(mixed[own], fitted)) * own.sum()
        if turned / len(mixed) > scorers.log_loss(self._labels, mixed):
            return 1.0
        return _fitted(mixed, self._labels)

    def score(self, name: str, metric: str) -> tuple[float, np.ndarray]:
        """A metric, of probabilities with the temperature, and each row's influence on it."""
        if (name, metric) not in self._moves:
            mixed, labels, of = self._predictions[name], self._labels, metrics.named(metric)
            if of.takes == "probabilities":
                mixed = self.tempered(name)
            elif name not in self._decided:
                self._decided[name] = mixed.argmax(axis=1)
            given = labels, mixed, None, self._decided.get(name)
            self._moves[name, metric] = of.score(*given), of.influence(*given)
        return self._moves[name, metric]

    def behind(self, name: str, best: str, metric: str) -> tuple[float, float]:
        """How far a candidate is behind the best, and the standard error of that."""
        (one, moves), (other, best_moves) = self.score(name, metric), self.score(best, metric)
        gap = metrics.named(metric).sign * (other - one) + 0.0  # 0 has no sign
        return gap, standard_error(best_moves - moves, self._groups)

    def best(self, names: Sequence[str], metric: str) -> str:
        sign = metrics.named(metric).sign
        return max(names, key=lambda name: sign * self.score(name, metric)[0])

    def near(self, names: Sequence[str], metric: str, errors: float) -> list[str]:
        """Those within so many standard errors of the best of them, simplest first."""
        best = self.best(names, metric)
        gaps = {name: self.behind(name, best, metric) for name in names}
        return [name for name, (gap, error) in gaps.items() if gap <= errors * error]


def _fitted(mixed: np.ndarray, labels: np.ndarray, rows: np.ndarray | None = None) -> float:
    """The temperature of rows (indices, or all) of (n, K), of at most TEMPERATURE_ROWS of them."""
    rows = np.arange(len(mixed)) if rows is None else rows
    some = rows[np.random.default_rng(0).permutation(len(rows))[:TEMPERATURE_ROWS]]
    return fit_temperature(mixed[some], labels[some])
