"""OOF rows of repeated cross-validation, averaged, and folds where a table names none."""

from __future__ import annotations

import numpy as np

from ensembles.errors import examples
from ensembles.files.table import Table

DRAWN_FOLDS = 5


def averaged(table: Table, name: str, unique: np.ndarray | None = None) -> tuple[Table, list[str]]:
    """The table with each id once, at its first row: the mean of its predictions (in float64).

    Where an id was held out in different folds, the folds are given up: each prediction is of a model
    that never saw the row, so any split by group is as good. Returns the problems of ids whose label
    or group differs from row to row. unique: as of `table_problems`.
    """
    ids = table.ids.tolist()
    if table.ids is unique or len(set(ids)) == len(ids):
        return table, []
    # by a dict: as an array of equally long texts, ids would take the memory of the longest
    row_of: dict[str, int] = {}
    at = np.array([row_of.setdefault(i, len(row_of)) for i in ids])
    first, count = np.unique(at, return_index=True)[1], np.bincount(at)
    problems = []
    for column in ("label", "group"):
        values = getattr(table, column)
        if values is not None and (differ := values != values[first][at]).any():
            problems.append(
                f"{name}: ids that stand there twice with another `{column}`: "
                f"{examples(sorted({*table.ids[differ].tolist()}))}. An id is one photograph's."
            )
    if problems:
        return table, problems
    total = np.zeros((len(row_of), table.n_classes))
    np.add.at(total, at, table.probabilities.astype(np.float64))
    once = table.take(first)
    once.probabilities = (total / count[:, None]).astype(np.float32)
    times = f"{count.min()}" if count.min() == count.max() else f"{count.min()} to {count.max()}"
    note = f"{len(table.ids)} rows of {len(row_of)} photographs, {times} of each: averaged"
    if table.fold is not None and (table.fold != table.fold[first][at]).any():
        once.fold = None
        note += ", their folds differ from repeat to repeat and were left out"
    once.notes = (*table.notes, f"{note}.")
    return once, []


def draw_folds(n_rows: int, groups: np.ndarray | None = None) -> np.ndarray:
    """(N,) int, DRAWN_FOLDS parts of equal size, by group where groups are given; always the same.

    Fewer where there are not as many groups.
    """
    units = np.arange(n_rows) if groups is None else np.unique(groups, return_inverse=True)[1]
    n_units = units.max() + 1
    return (np.random.default_rng(0).permutation(n_units) % min(DRAWN_FOLDS, n_units))[units]
