"""Members with OOF rows for a part of the photographs: their weights by the likelihood of what is there.

A fold that failed, other folds, a hold-out beside k folds: the others count for the weights
(`weights.partial`), too, and the rows that all have are those of the estimate. Where there are no test
tables, every row is voted on: by the members that have it, their weights scaled to sum 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ensembles.errors import BadInput, examples
from ensembles.files.align import compare_classes
from ensembles.files.table import OofTable, Table, table_problems
from ensembles.judging.estimate import draw_folds
from ensembles.judging.steps import Progress, Steps
from ensembles.rules.mean import AnyRule
from ensembles.rules.pools import Rule
from ensembles.voting.fitting import finish
from ensembles.voting.request import VoteRequest
from ensembles.weights.fit import fit_stack
from ensembles.weights.partial import PRIOR, partial_weights
from ensembles.weights.stack import Stack, stack_members

NestedRules = list[tuple[np.ndarray, Rule]]


@dataclass
class PartialRows:
    """All N rows that any member has.

    ids: (N,) str. probabilities: (M, N, K), 1/K where a member has none. present: (M, N) bool. labels,
    folds: (N,). counts: member -> its rows. notes: what to say of it.
    """

    ids: np.ndarray
    probabilities: np.ndarray
    present: np.ndarray
    labels: np.ndarray
    folds: np.ndarray
    counts: dict[str, int]
    notes: list[str]

    @property
    def some(self) -> np.ndarray:
        """(N,) bool: those that two members or more have, but not all."""
        n_members = self.present.sum(axis=0)
        return (n_members > 1) & (n_members < len(self.present))

    def voted(self, rule: AnyRule, first: Table) -> Table:
        """Every row with the vote of the members that have it. first: that of the rows that all have."""
        if self.present.all():
            return first
        assert isinstance(rule, Rule), "weights fitted to these rows are those of one linear pool"
        patterns, which = np.unique(self.present, axis=1, return_inverse=True)
        mixed = np.empty(self.probabilities.shape[1:], np.float32)
        for number, there in enumerate(patterns.T):
            rows = np.flatnonzero(which.ravel() == number)
            mixed[rows] = rule.among(there).apply(self.probabilities[np.ix_(there, rows)])
        return Table(self.ids, mixed, self.folds, self.labels, first.meta)

    @property
    def notes_of_votes(self) -> list[str]:
        """What to say of `voted`."""
        if self.present.all():
            return []
        return [
            "a row that some members lack is voted on by those that have it, their weights scaled to sum 1."
        ]

    def record(self, common: int) -> dict[str, Any]:
        """For `vote.json`; common: the rows that all have."""
        return {"rows": common, "of": len(self.ids), "members": self.counts}


def partial_rows(
    given: Mapping[str, Table], groups: Mapping[str, str] | None
) -> tuple[dict[str, OofTable], PartialRows]:
    """The tables cut to the rows that all have, and the rows that some lack.

    Folds are those of the first member that has every row or, where there is none or the rows that all have
    stand in one of them, drawn by group; members may have been trained on others, as none saw the rows that
    it predicts. Raises BadInput with every problem: tables that are wrong alone, other classes, labels or
    groups, no row that all have.
    """
    tables = _read(given)
    names, first = list(tables), next(iter(tables.values()))
    row_of: dict[str, int] = {}
    rows = {
        name: np.array([row_of.setdefault(i, len(row_of)) for i in table.ids.tolist()])
        for name, table in tables.items()
    }
    ids = np.array(list(row_of), object)
    present = np.zeros((len(names), len(ids)), bool)
    probabilities = np.full(
        (len(names), len(ids), first.n_classes), 1 / first.n_classes, np.float32
    )
    for j, (name, table) in enumerate(tables.items()):
        present[j, rows[name]] = True
        probabilities[j, rows[name]] = table.probabilities
    labels, problems = _agreed("label", tables, rows, len(ids))
    group, more = _groups(tables, rows, ids, groups)
    problems += more
    common = np.asarray(present.all(axis=0))
    if not common.any():
        problems.append(
            "no row is in every member's table, so there is none to judge a vote by. Leave out "
            "members that have no rows in common with the others."
        )
    if problems:
        raise BadInput(problems)
    whole = next((name for name in names if len(rows[name]) == len(ids)), None)
    folds = np.zeros(len(ids), np.int16)
    if whole:
        folds[rows[whole]] = tables[whole].fold
    told = f"those of {whole}"
    if len(np.unique(folds[common])) < 2:
        told = "drawn by group" if group is not None else "drawn"
        one_fold = len(np.unique(folds)) < 2
        folds = draw_folds(len(ids), group).astype(np.int16) if one_fold else folds
        if len(np.unique(folds[common])) < 2:
            folds = _drawn(common, group)
    lacking = ", ".join(f"{n} has {len(rows[n])}" for n in names if len(rows[n]) < len(ids))
    notes = []
    if not common.all():
        notes.append(
            f"of {len(ids)} OOF rows all members have {common.sum()} ({lacking}): the weights are "
            "fitted to all rows, each by the members that have it; every score is of the rows that "
            f"all have. Folds: {told}."
        )
    cut = {}
    for name, table in tables.items():
        place = np.full(len(ids), -1)
        place[rows[name]] = np.arange(len(table.ids))
        own = None if group is None else group[common]
        cut[name] = replace(table.take(place[common]), fold=folds[common], group=own)
    counts = {name: len(own) for name, own in rows.items()}
    return cut, PartialRows(ids, probabilities, present, labels, folds, counts, notes)


def _drawn(common: np.ndarray, group: np.ndarray | None) -> np.ndarray:
    """(N,) int16: folds drawn by group, those of the rows that all have, (N,) bool, of equal size; a row
    that some lack is in its group's fold.
    """
    folds = np.zeros(len(common), np.int16)
    for part in (~common, common):
        if part.any():
            folds[part] = draw_folds(int(part.sum()), None if group is None else group[part])
    if group is not None:
        fold_of = dict(zip(group[common].tolist(), folds[common].tolist(), strict=True))
        folds[~common] = [
            fold_of.get(own, fold)
            for own, fold in zip(group[~common].tolist(), folds[~common].tolist(), strict=True)
        ]
    return folds


def partial_rules(
    rows: PartialRows,
    request: VoteRequest,
    data: Stack,
    folds: np.ndarray,
    progress: Progress | None,
) -> tuple[Rule, NestedRules]:
    """The vote's rule, and for each fold of the rows that all have its rows and the rule fitted
    without that fold, of the rows that some lack, too.

    data, folds: of the rows that all have.
    """
    some = rows.some
    lacking = stack_members(rows.probabilities[:, some], rows.labels[some], data.values)
    true, present, own_folds = lacking.true, rows.present[:, some], rows.folds[some]
    names = np.unique(folds)
    steps = Steps(len(names) + 1, progress)

    def fitted(part: Stack, kept: np.ndarray) -> Rule:
        if kept.any():
            both = np.hstack([part.true, true[:, kept]])
            there = np.hstack([np.ones(part.true.shape, bool), present[:, kept]])
            fit = partial_weights(both, there, request.ridge or PRIOR)
            own = Rule(fit.weights, gradient=fit.gradient)
        else:
            own = Rule(fit_stack(part, request.metric, request.ridge or 0.0).weights)
        return finish(request, steps.counted(own), part)

    rule = fitted(data, np.ones(len(own_folds), bool))
    return rule, [
        (np.flatnonzero(folds == fold), fitted(data.take(folds != fold), own_folds != fold))
        for fold in names
    ]


def _read(given: Mapping[str, Table]) -> dict[str, OofTable]:
    """The tables that are right alone and of the same classes. Raises BadInput."""
    tables: dict[str, OofTable] = {}
    problems: list[str] = []
    for name, table in given.items():
        label = f"member {name}"
        if found := table_problems(table, label):
            problems += found
            continue
        try:
            tables[name] = OofTable.of(table, label)
        except BadInput as error:
            problems += error.problems
            continue
        first = next(iter(tables))
        problems += compare_classes(label, table, first, tables[first])
    if problems or not tables:
        raise BadInput(problems or "there are no OOF tables, so no rows to fit weights to.")
    return tables


def _agreed(
    column: str, tables: Mapping[str, Table], rows: Mapping[str, np.ndarray], n: int
) -> tuple[np.ndarray, list[str]]:
    """(n,) a column of all rows, and a problem for each member that has another value than one
    before it. None in rows of tables without it.
    """
    found = np.full(n, None, object)
    problems = []
    for name, table in tables.items():
        values = getattr(table, column)
        if values is None:
            continue
        before = found[rows[name]]
        known = np.array([value is not None for value in before], bool)
        wrong = np.flatnonzero(known & (before != values))
        if wrong.size:
            shown = ", ".join(f"{values[r]} against {before[r]}" for r in wrong[:3])
            problems.append(
                f"member {name}: `{column}` differs from an earlier member's in {len(wrong)} rows: "
                f"{examples(table.ids[wrong])} ({shown}). A photograph has one."
            )
        found[rows[name]] = values
    return (found.astype(np.int16) if column == "label" else found), problems


def _groups(
    tables: Mapping[str, Table],
    rows: Mapping[str, np.ndarray],
    ids: np.ndarray,
    groups: Mapping[str, str] | None,
) -> tuple[np.ndarray | None, list[str]]:
    """(N,) the group of every row, or None where no table has any; and what is wrong with them."""
    problems: list[str] = []
    if groups is not None:
        found = np.array([groups.get(i) for i in ids.tolist()], object)
    else:
        found, problems = _agreed("group", tables, rows, len(ids))
        if all(own is None for own in found):
            return None, problems
    without = np.array([own is None for own in found], bool)
    if without.any():
        problems.append(
            f"{without.sum()} OOF rows are of no group: {examples(ids[without])}. Write the group of "
            "every row, or of none."
        )
    return found.astype(str).astype(object), problems
