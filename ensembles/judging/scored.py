"""Scores of candidates, and of means of them, on rows held out from their fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ensembles.judging.said import Kept, Rows, Said
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

    predictions: name -> (n, K), simplest first, or what gives them. folds: (n,) in which they were held out.
    """

    def __init__(
        self,
        predictions: Mapping[str, np.ndarray] | Said,
        labels: np.ndarray,
        folds: np.ndarray,
        groups: np.ndarray | None,
    ):
        self._said: Said = Kept(predictions) if isinstance(predictions, Mapping) else predictions
        self._labels, self._folds, self._groups = labels, folds, groups
        self._temperatures: dict[str, float] = {}
        self._tempered: dict[str, np.ndarray] = {}
        self._decided: dict[str, np.ndarray] = {}
        self._losses: dict[str, np.ndarray] = {}
        self._means: dict[tuple[str, ...], np.ndarray] = {}
        self._moves: dict[tuple[str, str], tuple[float, np.ndarray]] = {}

    @property
    def names(self) -> list[str]:
        return list(self._said.names)

    def look(self, names: Sequence[str], losses: bool = False) -> None:
        """Take the decisions of candidates, and their rows' losses, in one go over all rows."""
        undecided = [name for name in names if name not in self._decided]
        unknown = [name for name in names if losses and name not in self._losses]
        wanted = [name for name in names if name in undecided or name in unknown]
        temperatures = {name: self.temperature(name) for name in unknown}
        for name in undecided:
            self._decided[name] = np.empty(self._said.n_rows, np.intp)
        for name in unknown:
            self._losses[name] = np.empty(self._said.n_rows)
        for rows, of in self._said.blocks() if wanted else ():
            for name, own in zip(wanted, of(wanted), strict=True):
                if name in undecided:
                    self._decided[name][rows] = own.argmax(axis=1)
                if name in unknown:
                    turned = self._turned(name, own, temperatures[name])
                    self._losses[name][rows] = scorers.row_losses(self._labels[rows], turned)

    def mean(self, names: Sequence[str], rows: Rows) -> np.ndarray:
        """(n, K) the equal mean of candidates, each with its temperature; of one without. Of some rows."""
        if not self._said.is_kept:
            return self._mean_of(names, self._said.of(names, rows))
        key, every = tuple(names), slice(None)
        if key not in self._means:
            self._means[key] = self._mean_of(names, self._said.of(names, every))
        return self._means[key][rows]

    def _mean_of(self, names: Sequence[str], said: Sequence[np.ndarray]) -> np.ndarray:
        """(n, K) from what they say of some rows."""
        if len(names) == 1:
            return said[0]
        turned = [
            self._turned(name, own, self.temperature(name))
            for name, own in zip(names, said, strict=True)
        ]
        return mean_of(turned, np.full(len(names), 1 / len(names)))

    def temperature(self, name: str) -> float:
        """A candidate's, of least log-loss on these rows."""
        if name not in self._temperatures:
            rows = self._some(np.arange(self._said.n_rows))
            self._temperatures[name] = fit_temperature(
                self._said.of([name], rows)[0], self._labels[rows]
            )
        return self._temperatures[name]

    def last_temperature(self, names: Sequence[str]) -> float:
        """What divides the logs of the mean; 1 where temperatures fitted without each fold make its
        rows' log-loss worse than none.
        """

        def fitted(rows: np.ndarray) -> float:
            some = self._some(rows)
            return fit_temperature(self.mean(names, some), self._labels[some])

        folds, labels = self._folds, self._labels
        without = {fold: fitted(np.flatnonzero(folds != fold)) for fold in np.unique(folds)}
        plain, turned = np.empty(len(labels)), np.empty(len(labels))
        for rows, of in self._said.blocks():
            mixed = (
                self.mean(names, rows) if self._said.is_kept else self._mean_of(names, of(names))
            )
            of_fold, true = folds[rows], labels[rows]
            plain[rows], own_losses = scorers.row_losses(true, mixed), np.empty(len(true))
            for fold in np.unique(of_fold):
                own = of_fold == fold
                said = tempered(mixed[own], without[fold])
                own_losses[own] = scorers.row_losses(true[own], said)
            turned[rows] = own_losses
        total = sum(turned[folds == fold].mean() * (folds == fold).sum() for fold in without)
        return 1.0 if total / len(labels) > plain.mean() else fitted(np.arange(len(labels)))

    def score(self, name: str, metric: str) -> tuple[float, np.ndarray]:
        """A metric, of probabilities with the temperature, and each row's influence on it."""
        if (name, metric) not in self._moves:
            of = metrics.named(metric)
            if of.takes == "decisions":
                self.look([name])
                given = self._labels, self._decided[name], self._said.n_classes
                found = of.score_decisions(*given), of.influence_decisions(*given)
            elif of.name == SECOND:
                self.look([name], losses=True)
                losses = self._losses[name]
                found = float(losses.mean()), losses - losses.mean()
            else:
                every = self._said.of([name], slice(None))[0]
                turned = self._turned(name, every, self.temperature(name))
                found = of.score(self._labels, turned), of.influence(self._labels, turned)
            self._moves[name, metric] = found
        return self._moves[name, metric]

    def behind(self, name: str, best: str, metric: str) -> tuple[float, float]:
        """How far a candidate is behind the best, and the standard error of that."""
        (one, moves), (other, best_moves) = self.score(name, metric), self.score(best, metric)
        gap = metrics.named(metric).sign * (other - one) + 0.0  # 0 has no sign
        return gap, standard_error(best_moves - moves, self._groups)

    def best(self, names: Sequence[str], metric: str) -> str:
        sign = metrics.named(metric).sign
        self._look_for(names, metric)
        return max(names, key=lambda name: sign * self.score(name, metric)[0])

    def near(self, names: Sequence[str], metric: str, errors: float) -> list[str]:
        """Those within so many standard errors of the best of them, simplest first."""
        best = self.best(names, metric)
        gaps = {name: self.behind(name, best, metric) for name in names}
        return [name for name, (gap, error) in gaps.items() if gap <= errors * error]

    def _look_for(self, names: Sequence[str], metric: str) -> None:
        """At all that a metric asks for, where each look says everything anew."""
        if not self._said.is_kept:
            decides = metrics.named(metric).takes == "decisions"
            self.look(names, losses=not decides)

    def _turned(self, name: str, said: np.ndarray, temperature: float) -> np.ndarray:
        """(n, K) a candidate with its temperature, kept where all its rows are."""
        if not self._said.is_kept or len(said) < self._said.n_rows:
            return tempered(said, temperature)
        if name not in self._tempered:
            self._tempered[name] = tempered(said, temperature)
        return self._tempered[name]

    def _some(self, rows: np.ndarray) -> np.ndarray:
        """At most TEMPERATURE_ROWS of rows (indices)."""
        return rows[np.random.default_rng(0).permutation(len(rows))[:TEMPERATURE_ROWS]]
