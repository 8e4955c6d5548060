"""Members' OOF and test tables brought into one order, and what a vote's notes say of their reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ensembles.errors import BadInput, examples
from ensembles.files.align import align, common_rows, compare_classes
from ensembles.files.compare import alike_tables
from ensembles.files.table import OofTable, Table
from ensembles.scores.groups import distinct, numbered
from ensembles.second_level.leak import leak_of
from ensembles.voting.kinds import LEAKING, MEAN, SIMPLEST, WITH_OFFSETS
from ensembles.voting.request import VoteRequest
from ensembles.weights.stack import Stack

# Names in a note; of more than these the first.
LISTED = 30


@dataclass
class Matched:
    """oof, test: the same members in the same order, aligned. common: kind -> the rows that all
    have and those that any has, where only common rows vote.
    """

    oof: dict[str, OofTable]
    test: dict[str, Table]
    notes: list[str]
    common: dict[str, dict[str, int]] | None = None


def matched(
    given_oof: Mapping[str, Table], given_test: Mapping[str, Table], request: VoteRequest
) -> Matched:
    """Both sets of tables checked and aligned. Raises BadInput with every problem."""
    problems = []
    if not given_oof and not given_test:
        problems.append("no tables to vote on: give <member>/oof.parquet or <member>/test.parquet.")
    elif request.needs_oof and not given_oof:
        what = "a weighted vote" if request.mode == "weighted" else "what is fitted here"
        problems.append(
            f"{what} needs OOF tables to fit to, and there are none. Add <member>/oof.parquet with "
            "fold and label, or vote with --mode soft alone."
        )
    if given_oof and given_test:
        for having, lacking, kind in (
            (given_oof, given_test, "test"),
            (given_test, given_oof, "OOF"),
        ):
            if without := [name for name in having if name not in lacking]:
                problems.append(
                    f"no {kind} table of members: {', '.join(without)}. Add it, or leave them out."
                )
    notes = notes_of_reading(given_oof, given_test)
    common: dict[str, dict[str, int]] = {}
    oof: dict[str, OofTable] = {}
    test: dict[str, Table] = {}
    try:
        chosen = _chosen(given_oof, "oof", request, common)
        oof = align(chosen, "oof") if chosen else {}
    except BadInput as error:
        problems += [f"oof tables: {problem}" for problem in error.problems]
    try:
        chosen = _chosen(given_test, "test", request, common)
        test = align(chosen) if chosen else {}
    except BadInput as error:
        problems += [f"test tables: {problem}" for problem in error.problems]
    if problems:
        raise BadInput(problems)
    if oof and test:
        for name in oof:
            whose = f"member {name}'s test table"
            problems += compare_classes(whose, test[name], "its OOF table", oof[name])
        if problems:
            raise BadInput(problems)
        test = {name: _named_as(test[name], oof[name]) for name in oof}
    notes += [
        f"only the rows that every member has vote: {own['rows']} of {own['of']} {kind} rows."
        for kind, own in common.items()
    ]
    return Matched(oof, test, notes, common if request.common_rows else None)


def notes_of_reading(oof: Mapping[str, Table], test: Mapping[str, Table]) -> list[str]:
    """The tables' own notes, each once with the members that it is of; `a, b: ...`."""
    found: dict[str, dict[str, None]] = {}
    for tables in (oof, test):
        for name, table in tables.items():
            for note in table.notes:
                found.setdefault(note, {})[name] = None
    return [f"{', '.join(names)}: {note}" for note, names in found.items()]


def optimistic(oof: Mapping[str, Table]) -> dict[str, str]:
    """Member -> why its OOF rows are better than they should be, as `optimistic` in its metadata says."""
    return {
        name: str(own.meta["optimistic"]) for name, own in oof.items() if own.meta.get("optimistic")
    }


def optimistic_notes(found: Mapping[str, str]) -> list[str]:
    """A sentence each."""
    return [
        f"{name}: {why}. So are the estimates and weights of this vote."
        for name, why in found.items()
    ]


def _chosen(
    tables: Mapping[str, Table], kind: str, request: VoteRequest, common: dict[str, dict[str, int]]
) -> Mapping[str, Table]:
    """All rows, or with `common_rows` those that all members have, counted in `common`."""
    if not request.common_rows or not tables:
        return tables
    chosen = common_rows(tables)
    n_any = len(set().union(*(table.ids.tolist() for table in tables.values())))
    common[kind] = {"rows": len(next(iter(chosen.values())).ids), "of": n_any}
    return chosen


def _named_as(test: Table, oof: Table) -> Table:
    """With the OOF table's names of the classes, where the test table has none."""
    if "classes" in test.meta or "classes" not in oof.meta:
        return test
    return replace(test, meta={**test.meta, "classes": oof.meta["classes"]})


def leaking_kinds(
    oof: Mapping[str, OofTable], groups: np.ndarray | None, request: VoteRequest
) -> tuple[list[str], list[str]]:
    """Kinds that a choice must do without, since a stack among aligned tables would make their scores too
    good, and a note that says so; of a vote that is such a kind itself the note only.
    """
    choice = (request.choice or MEAN) if request.gated else None
    chosen = choice in (MEAN, SIMPLEST)
    leaks = str(choice).removesuffix(WITH_OFFSETS) == LEAKING or (
        request.mode == "weighted" and request.pool == "log_linear" and request.negative
    )
    if not (chosen or leaks) or not (why := leak_of(oof, groups)):
        return [], []
    if chosen:
        return [LEAKING], [
            f"{why}: the kind {LEAKING!r} was left out, as its scores would be too good (on 200 rows of "
            "noise by .023 in log-loss). In stratified folds (kfold; of many small groups) it need not "
            "be."
        ]
    return [], [
        f"{why}: the estimate of this vote may be too good, on 200 rows of noise by .023 in log-loss and "
        ".025 in accuracy. Use stratified folds (kfold; of many small groups), leave the stack out, or "
        "leave the kind of vote to be chosen, which does without this one then."
    ]


def require_folds(
    folds: np.ndarray, groups: np.ndarray | None, first: Table, request: VoteRequest
) -> None:
    """Raises BadInput where rows that err together stand in several folds, or there is but one."""
    n_folds = len(distinct(folds))
    numbers = None if groups is None else numbered(groups)
    if request.needs_oof and n_folds < 2:
        n_groups = len(first.ids) if numbers is None else int(numbers.max()) + 1
        raise BadInput(
            f"all OOF rows are of {n_groups} group in {n_folds} fold: weights fitted to it could "
            "not be judged by anything else. Give at least 2 groups, or vote with --mode soft."
        )
    if groups is None or numbers is None:
        return
    in_folds = np.bincount(distinct(numbers * np.int64(n_folds) + numbered(folds)) // n_folds)
    if (in_folds > 1).any():
        straddling = np.unique(groups)[in_folds > 1]
        raise BadInput(
            f"{len(straddling)} of {len(in_folds)} groups stand in several of the {n_folds} folds: "
            f"{examples(straddling)}. A group in training must not be scored: split by group, "
            "into no more folds than there are groups."
        )


def notes_on_rows(
    first: OofTable, oof: Mapping[str, OofTable], data: Stack, folds: np.ndarray
) -> list[str]:
    """What is strange about aligned OOF tables: one fold, absent classes, members that cannot be right."""
    notes = []
    if folds is not first.fold:
        notes.append(
            f"all OOF rows are of one fold: weights were refitted inside {len(np.unique(folds))} "
            "drawn parts of it for the estimate."
        )
    absent = np.flatnonzero(np.bincount(data.labels, minlength=first.n_classes) == 0)
    if absent.size:
        names = ", ".join(first.classes[k] for k in absent[:LISTED])
        more = f", ... ({len(absent)} in all)" if len(absent) > LISTED else ""
        notes.append(f"classes without any OOF row, which count as 0 in macro F1: {names}{more}.")
    at = np.arange(len(folds)) * data.n_classes + data.labels
    own = np.stack([np.take(table, at) for table in data.given])
    if impossible := (own == 0).all(axis=0).sum():
        notes.append(
            f"{impossible} rows whose true class every member rules out: no weights help them."
        )
    for (name, table), favourites in zip(oof.items(), data.favourites, strict=True):
        said = table.probabilities
        if len(folds) > 1 and (said[1] == said[0]).all() and (said == said[0]).all():
            notes.append(f"{name} says the same of every photograph.")
        right = float(np.mean(favourites == table.label))
        chance = 1 / table.n_classes
        if right < chance - 3 * np.sqrt(chance * (1 - chance) / len(folds)):
            notes.append(
                f"{name} is right in {right:.1%} of the OOF rows, guessing in {chance:.1%}: are its "
                "columns in the order of the classes, and its rows those of their ids?"
            )
    notes += alike_tables(oof)
    return notes


def one_member_note(name: str) -> str:
    return f"one member only: the vote is {name}'s own prediction."
