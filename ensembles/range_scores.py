"""Scores of a vote, of uniform weights and of every member over rows that come in ranges.

One pass over the tables; of each prediction and row 6 bytes are kept on disk until the end, 10
where the log-loss of one target is wanted, and read again one prediction after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ensembles import metrics, vote
from ensembles.derived import Derived, Run
from ensembles.pools import Rule
from ensembles.ranges import Tables, read_range

# Where a prediction stands among those of a range; the members' own follow.
FITTED, HELD_OUT, UNIFORM, MEMBERS = 0, 1, 2, 3
# begin of a range -> predicted classes (n,) and log-losses (V, n)
Predictions = Callable[[int], tuple[np.ndarray, np.ndarray]]


def scores(
    oof: Tables,
    rule: Rule,
    by_fold: dict[int, Rule],
    kept: Derived,
    metric: str,
    per_target: metrics.PerTarget,
    run: Run,
) -> dict[str, Any]:
    """`oof`, `estimate`, `best_single`, `uniform`, `solo` of a `VoteRecord`, over all rows.

    by_fold: the rule fitted without each fold. metric: what the best member is best in.
    """
    views: dict[str, np.ndarray | None] = {"log_loss": None}
    views |= {name: own for name, own in per_target.items() if metrics.base(name) == "log_loss"}
    decided = {name: own for name, own in per_target.items() if name not in views}
    # beside what was derived: there is room for 4 bytes a member and row
    with TemporaryDirectory(prefix=".scores-", dir=kept.folder.parent) as folder:
        function = partial(_predict_range, oof, rule, by_fold, kept.folds, list(views.values()))
        for (begin, _), (guess, losses) in zip(oof.ranges, run(function, oof.ranges), strict=True):
            np.save(Path(folder) / f"guess-{begin}.npy", guess)
            np.save(Path(folder) / f"losses-{begin}.npy", losses)

        def of(which: int) -> Predictions:
            return lambda begin: tuple(
                np.load(Path(folder) / f"{kind}-{begin}.npy", mmap_mode="r")[which]
                for kind in ("guess", "losses")
            )

        judge = _Judge(oof, kept, list(views), decided)
        members = [of(MEMBERS + j) for j in range(len(oof.paths))]
        chosen, best = _best_members(judge, members, metric, per_target)
        return {
            "oof": judge.scores(of(FITTED)),
            "estimate": judge.estimate(of(HELD_OUT)),
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
    """Figures of one prediction. views: names of the log-losses; decided: of the target's metrics
    of decisions, with the values that classes mean.
    """

    def __init__(self, oof: Tables, kept: Derived, views: list[str], decided: metrics.PerTarget):
        self.oof, self.kept, self.views, self.decided = oof, kept, views, decided
        self.fold_at = np.unique(kept.folds, return_inverse=True)[1].astype(np.int16)

    def counts(self, predictions: Predictions) -> tuple[np.ndarray, np.ndarray]:
        """Confusion counts (F, K, K) and summed log-losses (F, V) of each fold."""
        n_classes, n_folds = self.oof.n_classes, int(self.fold_at.max()) + 1
        counts = np.zeros(n_folds * n_classes * n_classes, np.int64)
        totals = np.zeros((len(self.views), n_folds))
        for begin, end in self.oof.ranges:
            guess, losses = predictions(begin)
            at = self.fold_at[begin:end].astype(np.int64)
            cells = (at * n_classes + self.kept.labels[begin:end]) * n_classes + guess
            counts += np.bincount(cells, minlength=len(counts))
            totals += [np.bincount(at, own, n_folds) for own in losses]
        return counts.reshape(n_folds, n_classes, n_classes), totals.T

    def scores(self, predictions: Predictions) -> dict[str, float]:
        counts, totals = (own.sum(axis=0) for own in self.counts(predictions))
        return self._scores(counts, totals)

    def _scores(self, counts: np.ndarray, totals: np.ndarray) -> dict[str, float]:
        losses = dict(zip(self.views, (totals / counts.sum()).tolist(), strict=True))
        return metrics.scores_of_counts(counts, self.decided) | losses

    def estimate(self, predictions: Predictions) -> dict[str, Any]:
        """The scores and the `standard_error` of each, as `estimate.estimate`."""
        counts, totals = (own.sum(axis=0) for own in self.counts(predictions))
        found = self._scores(counts, totals)
        moved_by = metrics.cell_influence(counts, self.decided)

        def moves(metric: str) -> Iterable[np.ndarray]:
            for begin, end in self.oof.ranges:
                guess, losses = predictions(begin)
                if metric in self.views:
                    yield losses[self.views.index(metric)] - found[metric]
                else:
                    yield moved_by[metric][self.kept.labels[begin:end], guess]

        errors = {m: _standard_error(moves(m), self.oof, self.kept.groups) for m in found}
        return {**found, "standard_error": errors}


def _best_members(
    judge: _Judge, members: list[Predictions], metric: str, per_target: metrics.PerTarget
) -> tuple[np.ndarray, int]:
    """The member best on the rows of all other folds (F,), and the one best on all rows."""
    sign = -1 if metrics.base(metric) == "log_loss" else 1
    without, whole = [], []
    for predictions in members:
        counts, totals = judge.counts(predictions)
        parts = zip(counts.sum(axis=0) - counts, totals.sum(axis=0) - totals, strict=True)
        without.append([sign * judge._scores(*part)[metric] for part in parts])
        whole.append(sign * judge._scores(counts.sum(axis=0), totals.sum(axis=0))[metric])
    return np.argmax(without, axis=0), int(np.argmax(whole))


def _each_folds(
    kept: Derived, oof: Tables, members: list[Predictions], chosen: np.ndarray
) -> Predictions:
    """Each row's prediction by the member that was chosen for its fold (F,)."""
    folds, ends = np.unique(kept.folds), dict(oof.ranges)

    def predictions(begin: int) -> tuple[np.ndarray, np.ndarray]:
        by = chosen[np.searchsorted(folds, kept.folds[begin : ends[begin]])]
        guess, losses = (np.array(own) for own in members[chosen[0]](begin))
        for member in np.unique(by):
            own_guess, own_losses = members[member](begin)
            guess = np.where(by == member, own_guess, guess)
            losses = np.where(by == member, own_losses, losses)
        return guess, losses

    return predictions


def _standard_error(moves: Iterable[np.ndarray], oof: Tables, groups: np.ndarray | None) -> float:
    """As `metrics.standard_error`, of influences that come range by range."""
    if groups is None:
        squares, n_units = sum(float(part @ part) for part in moves), oof.n_rows
    else:
        n_units = int(groups.max()) + 1
        sums = np.zeros(n_units)
        for (begin, end), part in zip(oof.ranges, moves, strict=True):
            sums += np.bincount(groups[begin:end], part, n_units)
        squares = float(sums @ sums)
    return float(np.sqrt(squares * n_units / max(n_units - 1, 1)) / oof.n_rows)


def _predict_range(
    oof: Tables,
    rule: Rule,
    by_fold: dict[int, Rule],
    folds: np.ndarray,
    views: list[np.ndarray | None],
    rows: tuple[int, int],
) -> tuple[np.ndarray, np.ndarray]:
    """Of the rule for all, of the folds' rules, of uniform weights and of each member the predicted
    classes (3 + M, n) int16 and log-losses (3 + M, V, n) float32, of all classes or of the values
    (K,) that they mean.
    """
    part, fold_of = read_range(oof, *rows), folds[slice(*rows)]
    fitted = rule.apply(part.probabilities)
    held_out = fitted
    if any(own is not rule for own in by_fold.values()):
        held_out = np.empty_like(fitted)
        for fold in np.unique(fold_of).tolist():
            inside = np.flatnonzero(fold_of == fold)
            held_out[inside] = by_fold[fold].apply(np.take(part.probabilities, inside, axis=1))
    label = part.label.astype(np.intp)
    every = [fitted, held_out, vote.soft(part.probabilities), *part.probabilities]
    guess = np.stack([mixed.argmax(axis=1).astype(np.int16) for mixed in every])
    losses = [[_row_losses(label, mixed, own) for own in views] for mixed in every]
    return guess, np.array(losses, np.float32)


def _row_losses(label: np.ndarray, mixed: np.ndarray, values: np.ndarray | None) -> np.ndarray:
    if values is None:
        return metrics.row_losses(label, mixed)
    return metrics.row_losses(values[label], metrics.by_value(mixed, values))
