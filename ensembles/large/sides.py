"""The two sides that a vote in ranges compares: held-out rows of the sample, and test rows."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from ensembles.large.derived import Derived, RunRanges
from ensembles.large.ranges import Tables, read_range
from ensembles.rules.mean import AnyRule
from ensembles.shift.rows import HeldOut, Rows, disagreement, numbered, step
from ensembles.weights.stack import Stack


def held_out_of_sample(kept: Derived, sample: Stack, by_fold: dict[int, AnyRule]) -> HeldOut:
    """The sample's rows, each with the vote of the rule that was fitted without its fold."""
    folds = kept.folds[kept.sample_rows]
    mixed = np.empty((sample.n_rows, sample.n_classes), np.float32)
    for fold in np.unique(folds).tolist():
        inside = np.flatnonzero(folds == fold)
        mixed[inside] = by_fold[fold].apply(sample.take(inside).probabilities)
    return HeldOut(
        mixed,
        disagreement(sample.favourites, mixed.argmax(axis=1)),
        sample.labels,
        folds,
        numbered(None if kept.groups is None else kept.groups[kept.sample_rows]),
    )


def sample_of(source: Tables, rule: AnyRule, run: RunRanges) -> Rows:
    """The vote on every `rows.step`-th row, read once more than for writing it."""
    at = step(source.n_rows, source.n_classes)
    return Rows(np.concatenate(list(run(partial(_some, source, rule, at), source.ranges))), None)


def vote_range(
    source: Tables, rule: AnyRule, is_test: bool, rows: tuple[int, int]
) -> tuple[Any, ...]:
    """Ids, the vote (n, K), `Rows.disagreement` of test rows, fold and label of one range."""
    part = read_range(source, *rows)
    mixed = rule.apply(part.probabilities)
    contradict = None
    if is_test:
        favourites = np.stack([own.argmax(axis=1) for own in part.probabilities])
        contradict = disagreement(favourites, mixed.argmax(axis=1))
    return part.ids, mixed, contradict, part.fold, part.label


def _some(source: Tables, rule: AnyRule, at: int, rows: tuple[int, int]) -> np.ndarray:
    wanted = np.arange(-rows[0] % at, rows[1] - rows[0], at)
    return rule.apply(np.take(read_range(source, *rows).probabilities, wanted, axis=1))
