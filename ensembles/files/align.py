"""Bring the tables of many members into one order, and find those that do not fit the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar, overload

import numpy as np

from ensembles.errors import BadInput, examples
from ensembles.files.ids import id_problems
from ensembles.files.table import OofTable, Table, table_problems

T = TypeVar("T", bound=Table)


@overload
def align(tables: Mapping[str, Table], kind: Literal["oof"]) -> dict[str, OofTable]: ...
@overload
def align(tables: Mapping[str, Table], kind: Literal["test"] = "test") -> dict[str, Table]: ...
def align(
    tables: Mapping[str, Table], kind: Literal["oof", "test"] = "test"
) -> dict[str, OofTable] | dict[str, Table]:
    """The same tables with their rows in the first member's order.

    kind: of "oof" every table needs fold and label. Raises BadInput with, for each member that
    does not fit the first, its name and three example ids: ids missing, extra or twice, other
    classes, folds, labels or groups; and with everything that `table_problems` finds.
    """
    if not tables:
        raise BadInput("no tables to vote on: give at least one member.")
    problems: list[str] = []
    oof, unique = {}, None
    for name, table in tables.items():
        own = table_problems(table, f"member {name}", unique)
        problems, unique = problems + own, unique if own else table.ids
        if kind == "oof":
            try:
                oof[name] = OofTable.of(table, f"member {name}")
            except BadInput as error:
                problems += error.problems
    if problems:
        raise BadInput(problems)
    return _in_one_order(oof) if kind == "oof" else _in_one_order(tables)


def _in_one_order(tables: Mapping[str, T]) -> dict[str, T]:
    problems: list[str] = []
    (first_name, first), *rest = tables.items()
    row_of: dict[str, int] = {}
    aligned = {first_name: first}
    for name, table in rest:
        label = f"member {name}"
        if found := compare_classes(label, table, first_name, first):
            problems += found
            continue
        if table.ids is first.ids or np.array_equal(table.ids, first.ids):
            aligned[name] = table
        else:
            if found := _compare_ids(label, table, first_name, first):
                problems += found
                continue
            row_of = row_of or {image_id: row for row, image_id in enumerate(first.ids.tolist())}
            target = [row_of[image_id] for image_id in table.ids.tolist()]
            aligned[name] = table.take(np.argsort(target))
        problems += _compare_columns(label, aligned[name], first_name, first)
    if problems:
        raise BadInput(problems)
    return aligned


def compare_classes(name: str, table: Table, first_name: str, first: Table) -> list[str]:
    if table.n_classes != first.n_classes:
        return [
            f"{name}: {table.n_classes} classes, but {first_name} has {first.n_classes}. A vote "
            "needs the same classes everywhere: join members of single targets first, or leave "
            "them out."
        ]
    return classes_differ(name, table.meta.get("classes"), first_name, first.meta.get("classes"))


def classes_differ(
    name: str,
    names: Sequence[str] | None,
    first_name: str,
    expected: Sequence[str] | None,
) -> list[str]:
    """A text where two lists of K class names differ; none where one is not known."""
    if not names or not expected or list(names) == list(expected):
        return []
    k = next(k for k, pair in enumerate(zip(names, expected, strict=True)) if len({*pair}) > 1)
    return [
        f"{name}: class {k} is {names[k]!r}, but in {first_name} it is {expected[k]!r}. Write "
        "the columns of every member in the same order of classes."
    ]


def common_rows(tables: Mapping[str, T]) -> dict[str, T]:
    """The rows whose ids all tables have, each table's in its own order. Raises BadInput where
    there are none.
    """
    (first_name, first), *rest = tables.items()
    shared = set(first.ids.tolist()).intersection(*(table.ids.tolist() for _, table in rest))
    if not shared:
        problems = [
            problem
            for name, table in rest
            if shared.isdisjoint(table.ids) and not _among(table.ids, first.ids).any()
            for problem in id_problems(f"member {name}", table.ids, first_name, first.ids)
        ]
        raise BadInput(["no row is in every member's table, so none are common.", *problems])
    return {
        name: table.take(np.array([i in shared for i in table.ids.tolist()], bool))
        for name, table in tables.items()
    }


def _compare_ids(name: str, table: Table, first_name: str, first: Table) -> list[str]:
    problems = id_problems(name, table.ids, first_name, first.ids)
    common = _among(first.ids, table.ids)
    if not problems or not common.any():
        return problems
    lacking = _whole_folds(first, common)
    if lacking and common.sum() == len(table.ids):
        n_rows = len(first.ids) - common.sum()
        problems = [f"{name} lacks {lacking} ({n_rows} rows), which {first_name} has."]
    of_first = _whole_folds(table, _among(table.ids, first.ids))
    if of_first and common.all():
        n_rows = len(table.ids) - len(first.ids)
        problems = [f"member {first_name} lacks {of_first} ({n_rows} rows), which {name} has."]
    problems[-1] += (
        f" The {common.sum()} rows that both have can vote alone: --common-rows (common_rows=True)."
    )
    if first.fold is not None:  # of test tables every row is needed
        problems[-1] += (
            " Log-loss weights can be fitted to the others, too: --missing-rows (missing_rows=True)."
        )
    return problems


def _among(ids: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(N,) bool: which ids are among the others."""
    known = set(others.tolist())
    return np.array([i in known for i in ids.tolist()], bool)


def _whole_folds(table: Table, common: np.ndarray) -> str:
    """`fold 3` where the rows that are not common are all those of whole folds, else nothing."""
    if table.fold is None or common.all():
        return ""
    folds = np.unique(table.fold[~common])
    if np.isin(table.fold[common], folds).any():
        return ""
    return f"fold{'s' if len(folds) > 1 else ''} {', '.join(map(str, folds))}"


def _compare_columns(name: str, table: Table, first_name: str, first: Table) -> list[str]:
    problems = []
    for column in ("fold", "label", "group"):
        values, expected = getattr(table, column), getattr(first, column)
        if values is None or expected is None or values is expected:
            continue
        if (rows := np.flatnonzero(values != expected)).size:
            shown = ", ".join(f"{values[r]} against {expected[r]}" for r in rows[:3])
            problems.append(
                f"{name}: `{column}` differs from {first_name}'s in {len(rows)} rows: "
                f"{examples(first.ids[rows])} ({shown}). {_why(column, values, expected)}"
            )
    return problems


def _why(column: str, values: np.ndarray, expected: np.ndarray) -> str:
    if column != "group" and len(steps := np.unique(values.astype(int) - expected)) == 1:
        what = "classes" if column == "label" else "folds"
        return (
            f"In every row it is {abs(steps[0])} {'more' if steps[0] > 0 else 'less'}: number the "
            f"{what} alike, from 0."
        )
    return "All members of a vote share folds, labels and groups: train them on the same split."
