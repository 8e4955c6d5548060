"""What the OOF tables of several members lack, taken from each other; and one order of classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ensembles.errors import BadInput
from ensembles.files.reading.repeats import draw_folds
from ensembles.files.table import OofTable, Table


def completed(tables: Mapping[str, Table]) -> dict[str, OofTable]:
    """OOF tables with fold and label. A label, a group or a fold that a member lacks is another's
    of the same id; folds that none has are drawn by group. Raises BadInput where labels are missing.
    """
    found = dict(tables)
    for column in ("label", "group", "fold"):
        source = next((n for n, t in found.items() if getattr(t, column) is not None), None)
        if source is None or all(getattr(t, column) is not None for t in found.values()):
            continue
        known = dict(zip(found[source].ids, getattr(found[source], column), strict=True))
        for name, table in found.items():
            # ids that differ are found when the tables are aligned
            if getattr(table, column) is None and all(i in known for i in table.ids):
                taken: dict[str, Any] = {column: np.array([known[i] for i in table.ids])}
                note = f"no column `{column}`: {source}'s was taken, by id."
                found[name] = replace(table, notes=(*table.notes, note), **taken)
    if all(table.fold is None and table.label is not None for table in found.values()):
        found = {name: _with_folds(table) for name, table in found.items()}
    problems: list[str] = []
    complete: dict[str, OofTable] = {}
    for name, table in found.items():
        try:
            complete[name] = OofTable.of(table, f"member {name}")
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(problems)
    return complete


def _with_folds(table: Table) -> Table:
    """Drawn by group or, without groups, by id: the same in every order of the rows."""
    units = (table.ids if table.group is None else table.group).tolist()
    place = {unit: i for i, unit in enumerate(sorted(set(units)))}
    fold = draw_folds(len(units), np.array([place[unit] for unit in units])).astype(np.int16)
    by = "photograph, as there is no `group`" if table.group is None else "group"
    note = (
        f"no column `fold`: {len(np.unique(fold))} parts were drawn by {by}, for the weights and "
        "their estimate. Each row must be predicted by a model that never saw it."
    )
    return replace(table, fold=fold, notes=(*table.notes, note))


def in_one_order(tables: Mapping[str, Table], by_name: Mapping[str, bool]) -> dict[str, Table]:
    """Columns that are called as their classes in the order of the first such member's.

    Columns of other members, numbered or named by metadata, stay where they are.
    """
    first = next((t for n, t in tables.items() if by_name[n]), None)
    found = dict(tables)
    for name, table in tables.items():
        if first is None or not by_name[name] or table.classes == first.classes:
            continue
        if sorted(table.classes) != sorted(first.classes):
            continue  # refused when the tables are aligned
        order = np.array([table.classes.index(c) for c in first.classes])
        label = None if table.label is None else np.argsort(order)[table.label].astype(np.int16)
        found[name] = replace(
            table,
            probabilities=np.ascontiguousarray(table.probabilities[:, order]),
            label=label,
            meta={**table.meta, "classes": first.classes},
        )
    return found
