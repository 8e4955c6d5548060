"""Scores of a vote, of uniform weights and of every member over rows that come in ranges.

One pass over the tables; of each prediction and row 6 bytes are kept on disk until the end, 10
where the log-loss of one target is wanted and 4 K more for a metric that wants all probabilities at
once, and read again one prediction after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ensembles.judging.estimate import with_shifts
from ensembles.large.derived import Derived, RunRanges
from ensembles.large.ranges import Tables, read_range
from ensembles.rules import votes
from ensembles.rules.mean import AnyRule
from ensembles.scores import metrics, smoothed
from ensembles.scores.by_part import by_value
from ensembles.scores.influence import error_of_squares

# Where a prediction stands among those of a range; the members' own follow.
FITTED, HELD_OUT, UNIFORM, MEMBERS = 0, 1, 2, 3


@dataclass(frozen=True)
class Kept:
    """Of one prediction and range: predicted classes (n,) int16, the scores of each row (V, n)
    float32 of the metrics that are means over rows, and probabilities (n, K) float32 where a metric
    wants them whole.
    """

    guess: np.ndarray
    scored: np.ndarray
    mixed: np.ndarray | None


# begin of a range -> what was kept of it
Predictions = Callable[[int], Kept]


@dataclass(frozen=True)
class Wanted:
    """The metrics of a vote by name, each with the values that the classes mean, or None."""

    views: dict[str, np.ndarray | None]

    @classmethod
    def of(cls, views: metrics.Views) -> Wanted:
        return cls(dict.fromkeys(metrics.REPORTED) | dict(views))

    @property
    def means(self) -> list[str]:
        """Those that are a mean over rows."""
        return [name for name in self.views if metrics.named(name).row_scores]

    @property
    def whole(self) -> list[str]:
        """Those that need all probabilities at once, as ROC AUC."""
        entries = {name: metrics.named(name) for name in self.views}
        return [n for n, m in entries.items() if not m.of_counts and not m.row_scores]


def score_ranges(
    oof: Tables,
    rule: AnyRule,
    by_fold: dict[int, AnyRule],
    kept: Derived,
    metric: str,
    views: metrics.Views,
    shifts: dict[str, float],
    run: RunRanges,
) -> dict[str, Any]:
    """`oof`, `estimate`, `best_single`, `uniform`, `solo` of a `VoteRecord`, over all rows.

    by_fold: the rule fitted without each fold. metric: what the best member is best in. shifts: of
    the rules (`estimate.refit_shifts`).
    """
    wanted = Wanted.of(views)
    # beside what was derived: there is room for 4 bytes a member and row
    with TemporaryDirectory(prefix=".scores-", dir=kept.folder.parent) as folder:
        function = partial(_predict_range, oof, rule, by_fold, kept.folds, wanted)
        for (begin, _), found in zip(oof.ranges, run(function, oof.ranges), strict=True):
            for kind, array in zip(("guess", "scored", "mixed"), found, strict=True):
                if array is not None:
                    np.save(Path(folder) / f"{kind}-{begin}.npy", array)

        def of(which: int) -> Predictions:
            def load(kind: str, begin: int) -> np.ndarray:
                return np.load(
                    Path(folder) / f"{kind}-{begin}.npy", mmap_mode="r", allow_pickle=False
                )[which]

            return lambda begin: Kept(
                load("guess", begin),
                load("scored", begin),
                load("mixed", begin) if wanted.whole else None,
            )

        judge = _Judge(oof, kept, wanted)
        members = [of(MEMBERS + j) for j in range(len(oof.paths))]
        chosen, best = _best_members(judge, members, metric)
        return {
            "oof": judge.scores(of(FITTED)),
            "estimate": judge.estimate(of(HELD_OUT), shifts),
            "best_single": {
                "member": oof.names[best],
                **judge.estimate(_each_folds(kept, oof, members, chosen)),
                "oof": judge.scores(members[best]),
            },
            "uniform": {**judge.estimate(of(UNIFORM)), "oof": judge.scores(of(UNIFORM))},
            "solo": {
                name: judge.estimate(own) for name, own in zip(oof.names, members, strict=True)
            },
        }


class _Judge:
    """Figures of one prediction."""

    def __init__(self, oof: Tables, kept: Derived, wanted: Wanted):
        self.oof, self.kept, self.wanted = oof, kept, wanted
        self.folds, at = np.unique(kept.folds, return_inverse=True)
        self.fold_at = at.astype(np.int16)

    def counts(self, predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
        """Confusion counts (F, K, K) and the sums (F, V) of the means over rows, of each fold."""
        n_classes, n_folds = self.oof.n_classes, len(self.folds)
        counts = np.zeros(n_folds * n_classes * n_classes, np.int64)
        totals = np.zeros((len(self.wanted.means), n_folds))
        for begin, end in self.oof.ranges:
            own = predictions(begin)
            at = self.fold_at[begin:end].astype(np.int64)
            cells = (at * n_classes + self.kept.labels[begin:end]) * n_classes + own.guess
            counts += np.bincount(cells, minlength=len(counts))
            totals += [np.bincount(at, scored, n_folds) for scored in own.scored]
        return counts.reshape(n_folds, n_classes, n_classes), totals.T

    def probabilities(self, predictions: Predictions) -> np.ndarray:
        """(N, K) float32 of all rows."""
        return np.concatenate([predictions(begin).mixed for begin, _ in self.oof.ranges])

    def scores(self, predictions: Predictions) -> dict[str, float]:
        counts, totals = (own.sum(axis=0) for own in self.counts(predictions))
        mixed = self.probabilities(predictions) if self.wanted.whole else None
        return self._scores(counts, totals, self.kept.labels, mixed)

    def _scores(
        self, counts: np.ndarray, totals: np.ndarray, labels: np.ndarray, mixed: np.ndarray | None
    ) -> dict[str, float]:
        found, means = {}, dict(zip(self.wanted.means, totals.tolist(), strict=True))
        for name, values in self.wanted.views.items():
            metric = metrics.named(name)
            if metric.of_counts:
                found[name] = metric.of_counts(metrics.merged(counts, values))
            elif name in means:
                found[name] = means[name] / int(counts.sum())
            else:
                assert mixed is not None  # kept for the metrics in `Wanted.whole`
                found[name] = metric.score(labels.astype(np.intp), mixed, values)
        return found

    def each_without_a_fold(self, predictions: Predictions) -> Iterable[dict[str, float]]:
        """The scores on the rows of all other folds, fold by fold."""
        counts, totals = self.counts(predictions)
        mixed = self.probabilities(predictions) if self.wanted.whole else None
        for at, fold in enumerate(self.folds):
            inside = self.kept.folds != fold
            yield self._scores(
                counts.sum(axis=0) - counts[at],
                totals.sum(axis=0) - totals[at],
                self.kept.labels[inside],
                None if mixed is None else mixed[inside],
            )

    def estimate(
        self, predictions: Predictions, shifts: dict[str, float] | None = None
    ) -> dict[str, Any]:
        """The scores and the `standard_error` of each, as `estimate.estimate`."""
        counts, totals = (own.sum(axis=0) for own in self.counts(predictions))
        mixed = self.probabilities(predictions) if self.wanted.whole else None
        found = self._scores(counts, totals, self.kept.labels, mixed)
        errors = {
            name: self._standard_error(name, predictions, counts, mixed, score)
            for name, score in found.items()
        }
        return {**found, "standard_error": with_shifts(errors, shifts)}

    def _standard_error(
        self,
        name: str,
        predictions: Predictions,
        counts: np.ndarray,
        mixed: np.ndarray | None,
        score: float,
    ) -> float:
        """As `Metric.standard_error`, of influences that come range by range."""
        metric, values, labels = metrics.named(name), self.wanted.views[name], self.kept.labels
        if metric.cell_moves:

            def squares(cells: np.ndarray) -> tuple[float, float, int]:
                own = cells if values is None else cells[np.ix_(values, values)]
                parts = (own[labels[b:e], predictions(b).guess] for b, e in self.oof.ranges)
                return self._squares(parts)

            merged, sizes = metrics.merged(counts, values), self._unit_sizes(values)
            if self.kept.groups is not None:
                sizes = smoothed.effective_sizes(sizes, *squares(metric.cell_moves(merged))[:2])
            cells, unseen = smoothed.smoothed_moves(
                metric.cell_moves, merged, sizes, metric.over_classes
            )
            _, of_units, n_units = squares(cells)
            return error_of_squares(of_units, n_units, self.oof.n_rows, unseen)
        if name in self.wanted.whole:
            assert mixed is not None  # as above
            whole = metric.influence(labels.astype(np.intp), mixed, values)
            parts = (whole[b:e] for b, e in self.oof.ranges)
        else:
            at = self.wanted.means.index(name)
            parts = (predictions(b).scored[at] - score for b, _ in self.oof.ranges)
        _, of_units, n_units = self._squares(parts)
        return error_of_squares(of_units, n_units, self.oof.n_rows)

    def _unit_sizes(self, values: np.ndarray | None) -> np.ndarray:
        """As `smoothed.unit_sizes`, of the classes or of a target's values."""
        if values is None:
            return smoothed.unit_sizes(self.kept.labels, self.kept.groups, self.oof.n_classes)
        truth = values[self.kept.labels]
        return smoothed.unit_sizes(truth, self.kept.groups, int(values.max()) + 1)

    def _squares(self, moves: Iterable[np.ndarray]) -> tuple[float, float, int]:
        """Sums of squares of the rows' influences and of the groups', and how many groups there are;
        of the rows where they stand alone.
        """
        groups = self.kept.groups
        n_units = self.oof.n_rows if groups is None else int(groups.max()) + 1
        sums, of_rows = np.zeros(0 if groups is None else n_units), 0.0
        for (begin, end), part in zip(self.oof.ranges, moves, strict=True):
            of_rows += float(part @ part)
            if groups is not None:
                sums += np.bincount(groups[begin:end], part, n_units)
        return of_rows, of_rows if groups is None else float(sums @ sums), n_units


def _best_members(judge: _Judge, members: list[Predictions], metric: str) -> tuple[np.ndarray, int]:
    """The member best on the rows of all other folds (F,), and the one best on all rows."""
    sign = metrics.named(metric).sign
    without = [
        [sign * scores[metric] for scores in judge.each_without_a_fold(own)] for own in members
    ]
    whole = [sign * judge.scores(own)[metric] for own in members]
    return np.argmax(without, axis=0), int(np.argmax(whole))


def _each_folds(
    kept: Derived, oof: Tables, members: list[Predictions], chosen: np.ndarray
) -> Predictions:
    """Each row's prediction by the member that was chosen for its fold (F,)."""
    folds, ends = np.unique(kept.folds), dict(oof.ranges)

    def predictions(begin: int) -> Kept:
        by = chosen[np.searchsorted(folds, kept.folds[begin : ends[begin]])]
        first = members[chosen[0]](begin)
        guess, scored = np.array(first.guess), np.array(first.scored)
        mixed = None if first.mixed is None else np.array(first.mixed)
        for member in np.unique(by):
            own, rows = members[member](begin), by == member
            guess[rows], scored[:, rows] = own.guess[rows], own.scored[:, rows]
            if mixed is not None and own.mixed is not None:
                mixed[rows] = own.mixed[rows]
        return Kept(guess, scored, mixed)

    return predictions


def _predict_range(
    oof: Tables,
    rule: AnyRule,
    by_fold: dict[int, AnyRule],
    folds: np.ndarray,
    wanted: Wanted,
    rows: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """The fields of `Kept` for the rule for all, the folds' rules, uniform weights and each member:
    (3 + M, n), (3 + M, V, n) and (3 + M, n, K).
    """
    part, fold_of = read_range(oof, *rows), folds[slice(*rows)]
    fitted = rule.apply(part.probabilities)
    held_out = fitted
    if any(own is not rule for own in by_fold.values()):
        held_out = np.empty_like(fitted)
        for fold in np.unique(fold_of).tolist():
            inside = np.flatnonzero(fold_of == fold)
            held_out[inside] = by_fold[fold].apply(np.take(part.probabilities, inside, axis=1))
    assert part.label is not None  # `open_tables` refuses OOF tables without
    label = part.label.astype(np.intp)
    every = [fitted, held_out, votes.soft(part.probabilities), *part.probabilities]
    guess = np.stack([mixed.argmax(axis=1).astype(np.int16) for mixed in every])
    scored = [
        [_row_scores(label, mixed, n, wanted.views[n]) for n in wanted.means] for mixed in every
    ]
    return guess, np.array(scored, np.float32), np.stack(every) if wanted.whole else None


def _row_scores(
    label: np.ndarray, mixed: np.ndarray, name: str, values: np.ndarray | None
) -> np.ndarray:
    of = metrics.named(name).row_scores
    assert of, f"{name} is no mean over rows"
    return of(label, mixed) if values is None else of(values[label], by_value(mixed, values))
