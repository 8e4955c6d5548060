"""The OOF rows of tables in ranges, each with the vote of the rule that was fitted without its fold."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from ensembles.files.parquet import writing_table
from ensembles.files.places import Place
from ensembles.files.table import Table
from ensembles.large.derived import Derived, RunRanges
from ensembles.large.ranges import Tables, read_range
from ensembles.rules.mean import AnyRule


def write_held_out(
    place: Place,
    oof: Tables,
    kept: Derived,
    by_fold: dict[int, AnyRule],
    meta: Mapping[str, Any],
    run: RunRanges,
) -> None:
    """One range after the other, as `Vote.write` writes those in memory. by_fold: fold of `kept` -> rule;
    meta: of the table."""
    function = partial(held_out_range, oof, by_fold, kept.folds)
    with writing_table(place, meta, oof.n_classes) as write:
        for (begin, end), (ids, mixed) in zip(oof.ranges, run(function, oof.ranges), strict=True):
            inside = slice(begin, end)
            folds, labels = (a[inside].astype(np.int16) for a in (kept.folds, kept.labels))
            write(Table(ids, mixed, folds, labels))


def held_out_range(
    oof: Tables, by_fold: dict[int, AnyRule], folds: np.ndarray, rows: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Ids (n,) str and votes (n, K) float32 of one range. folds: (N,) of all rows."""
    part, fold_of = read_range(oof, *rows), folds[slice(*rows)]
    mixed = np.empty(part.probabilities.shape[1:], np.float32)
    for fold in np.unique(fold_of).tolist():
        inside = np.flatnonzero(fold_of == fold)
        mixed[inside] = by_fold[fold].apply(np.take(part.probabilities, inside, axis=1))
    return np.array(part.ids.to_pylist(), object), mixed
