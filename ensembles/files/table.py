"""The probability table in memory, of one member or of a vote, and what makes one useless."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np

from ensembles.errors import BadInput, examples
from ensembles.files.rounding import ROW_SUM_TOLERANCE, surely_sum_to_1
from ensembles.limits import MOST_CLASSES

# The files of a vote.
SUBMISSION, PROBABILITIES, RECORD = "submission.csv", "probabilities.parquet", "vote.json"
# the OOF rows, each with the vote of a rule that was fitted without it
HELD_OUT = "held_out.parquet"
CONFIDENCE = "confidence.csv"  # the submission with the probability of each decision
SETS, UNKNOWN = "sets.csv", "unknown.csv"  # only where they are asked for


@dataclass
class Table:
    """Predictions of one member or of a vote, a row a photograph.

    ids: (N,) str, unique.
    probabilities: (N, K) float32 in [0, 1], rows sum to 1 within 1e-4.
    fold: (N,) int16, the fold in which the row was held out; None in test tables.
    label: (N,) int16, the true class; None where it is not known.
    meta: `classes` (K names), `member`, `targets`, `data_hash`, `folds_hash`; optional `answers`,
        the K strings that a submission shows for the classes. May be empty.
    group: (N,) str, what the row errs together with; None where it is not known.
    notes: remarks on how it was read, a sentence each, for the record of a vote.
    """

    ids: np.ndarray
    probabilities: np.ndarray
    fold: np.ndarray | None = None
    label: np.ndarray | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    group: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @property
    def n_classes(self) -> int:
        return self.probabilities.shape[1]

    @property
    def classes(self) -> list[str]:
        """Names of the classes in column order; their numbers where the metadata names none."""
        return list(self.meta.get("classes") or map(str, range(self.n_classes)))

    @property
    def answers(self) -> list[str]:
        """What a submission shows for each class: `meta["answers"]` or the class's number."""
        return [str(a) for a in self.meta.get("answers") or range(self.n_classes)]

    def take(self, rows: np.ndarray) -> Self:
        """The table with the given rows (indices or mask), in that order."""
        return replace(
            self,
            ids=self.ids[rows],
            probabilities=self.probabilities[rows],
            fold=None if self.fold is None else self.fold[rows],
            label=None if self.label is None else self.label[rows],
            group=None if self.group is None else self.group[rows],
        )


@dataclass
class OofTable(Table):
    """Out-of-fold predictions: fold and label are there."""

    fold: np.ndarray = field()
    label: np.ndarray = field()

    @classmethod
    def of(cls, table: Table, name: str) -> OofTable:
        """The same table, known to have both. Raises BadInput that names what is missing."""
        if table.fold is None or table.label is None:
            raise BadInput(
                f"{name}: its OOF table has no `{column}` column. Write the fold in which each row "
                "was held out, and its true class."
                for column in ("fold", "label")
                if getattr(table, column) is None
            )
        if isinstance(table, cls):
            return table
        return cls(**{own.name: getattr(table, own.name) for own in fields(table)})


def class_names(meta: dict[str, Any]) -> list[str]:
    """The names of the classes, in column order. Raises BadInput where there are only numbers."""
    names = meta.get("classes")
    if not names:
        raise BadInput(
            "--answers names: the tables name no classes (`classes` in their metadata). Write them, "
            "or leave it out."
        )
    return list(map(str, names))


def table_problems(table: Table, name: str, unique: np.ndarray | None = None) -> list[str]:
    """Everything about one table that no vote could use, one text each.

    unique: an array of ids that is known to hold each once; where it is the table's own, they are not
    looked at again.
    """
    p, n, problems = table.probabilities, len(table.ids), []
    if p.ndim != 2 or p.shape[0] != n or p.shape[1] < 1:
        return [f"{name}: probabilities have shape {p.shape}, but must be ({n}, at least 1)."]
    if n == 0:
        return [f"{name}: no rows. A table needs at least one photograph."]
    if p.shape[1] > MOST_CLASSES:
        return [f"{name}: {p.shape[1]:,} classes, and a table holds at most {MOST_CLASSES:,}."]
    for column in ("classes", "answers"):
        given = table.meta.get(column)
        if given is not None and (len(given) != p.shape[1] or len(set(given)) != len(given)):
            problems.append(
                f"{name}: metadata `{column}` has {len(given)} names ({len(set(given))} different) "
                f"for {p.shape[1]} columns. Give one name a column, each once."
            )
    if table.ids is not unique and len(set(table.ids.tolist())) < n:
        twice = sorted(i for i, count in Counter(table.ids.tolist()).items() if count > 1)
        problems.append(
            f"{name}: ids that stand there twice: {examples(twice)}. Write one row a "
            "photograph, of several views or models their mean."
        )
    # A NaN makes every comparison false, hence the negations.
    bad = np.empty(0, int)
    inside = bool(p.min() >= 0 and p.max() <= 1)
    if not inside:
        bad = np.flatnonzero(~((p >= 0) & (p <= 1)).all(axis=1))
        what = "NaN" if np.isnan(p[bad]).any() else "probabilities outside [0, 1]"
        problems.append(
            f"{name}: {what} in {len(bad)} rows: {examples(table.ids[bad])}. Write probabilities (a "
            "softmax's output), not logits."
        )
    if not (inside and p.dtype == np.float32 and surely_sum_to_1(p)):
        sums = p.sum(axis=1, dtype=np.float64)
        off = np.setdiff1d(np.flatnonzero(~(abs(sums - 1) <= ROW_SUM_TOLERANCE)), bad)
        if off.size:
            problems.append(
                f"{name}: {len(off)} rows do not sum to 1 within {ROW_SUM_TOLERANCE:g}: "
                f"{examples(table.ids[off])} sum to {', '.join(f'{s:.6g}' for s in sums[off[:3]])}. "
                "Write probabilities (a softmax's output), not logits."
            )
    for column, top in (("fold", np.iinfo(np.int16).max), ("label", p.shape[1] - 1)):
        values = getattr(table, column)
        if values is None:
            continue
        if values.shape != (n,):
            problems.append(f"{name}: `{column}` has shape {values.shape}, but must be ({n},).")
        elif (wrong := np.flatnonzero((values < 0) | (values > top))).size:
            problems.append(
                f"{name}: `{column}` outside 0..{top} in {len(wrong)} rows: "
                f"{examples(table.ids[wrong])} have {', '.join(map(str, values[wrong[:3]]))}."
            )
    return problems
