"""Bring the tables of many members into one order, and find those that do not fit the first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar, overload

import numpy as np

from ensembles.errors import BadInput, examples
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
    classes, folds or labels; and with everything that `table_problems` finds.
    """
    if not tables:
        raise BadInput("no tables to vote on: give at least one member.")
    problems, oof = [], {}
    for name, table in tables.items():
        problems += table_problems(table, f"member {name}")
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
    row_of = {image_id: row for row, image_id in enumerate(first.ids.tolist())}
    aligned = {first_name: first}
    for name, table in rest:
        label = f"member {name}"
        if found := compare_classes(label, table, first_name, first):
            problems += found
            continue
        if np.array_equal(table.ids, first.ids):
            aligned[name] = table
        else:
            target = [row_of.get(image_id, -1) for image_id in table.ids.tolist()]
            if found := _compare_ids(label, table, first_name, first, np.array(target)):
                problems += found
                continue
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
    names, expected = table.meta.get("classes"), first.meta.get("classes")
    if names and expected and list(names) != list(expected):
        k = next(k for k, pair in enumerate(zip(names, expected, strict=True)) if len({*pair}) > 1)
        return [
            f"{name}: class {k} is {names[k]!r}, but in {first_name} it is {expected[k]!r}. Write "
            "the columns of every member in the same order of classes."
        ]
    return []


def _compare_ids(
    name: str, table: Table, first_name: str, first: Table, target: np.ndarray
) -> list[str]:
    missing = np.setdiff1d(np.arange(len(first.ids)), target)
    extra = np.flatnonzero(target < 0)
    problems = []
    if missing.size:
        problems.append(
            f"{name}: {len(missing)} ids of {first_name} are missing: "
            f"{examples(first.ids[missing])}."
        )
    if extra.size:
        problems.append(
            f"{name}: {len(extra)} ids are not in {first_name}: {examples(table.ids[extra])}."
        )
    return problems


def _compare_columns(name: str, table: Table, first_name: str, first: Table) -> list[str]:
    problems = []
    for column in ("fold", "label"):
        values, expected = getattr(table, column), getattr(first, column)
        if values is None or expected is None:
            continue
        if (rows := np.flatnonzero(values != expected)).size:
            shown = ", ".join(f"{values[r]} against {expected[r]}" for r in rows[:3])
            problems.append(
                f"{name}: `{column}` differs from {first_name}'s in {len(rows)} rows: "
                f"{examples(first.ids[rows])} ({shown}). All members of a vote share folds and "
                "labels: train them on the same split."
            )
    return problems
