"""Which column of a table is its ids, folds, labels, groups, and which are its class probabilities."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from ensembles.files.class_columns import ClassColumns, class_columns
from ensembles.files.reading.cells import is_text, real_numbers

# as `_bare` has them
_IDS = frozenset({
    "imageid", "id", "idcode", "img", "imgid", "image", "imagename", "imagefile", "filename", "file",
    "filepath", "path", "imagepath", "photo", "photoid", "name", "sampleid", "key", "uid", "uuid",
})  # fmt: skip
_ALIASES = {
    "label": frozenset({"labels", "target", "targets", "y", "ytrue", "truelabel", "truth", "groundtruth"}),
    "fold": frozenset({"folds", "kfold", "foldid", "cvfold", "foldnumber"}),
    "group": frozenset({"groups", "groupid"}),
}  # fmt: skip


@dataclass
class Roles:
    """id: the column. others: `fold`, `label`, `group` -> their column, where there is one."""

    id: str
    classes: ClassColumns
    others: dict[str, str]
    notes: list[str] = field(default_factory=list)


def find_roles(
    columns: Mapping[str, pa.Array],
    name: str,
    classes: Sequence[str] | None,
    indexes: Sequence[str],
    is_oof: bool,
) -> tuple[Roles | None, list[str]]:
    """The roles, or None with the problems.

    classes: the names that the metadata gives. indexes: columns that were a pandas index. In OOF
    tables fold, label and group are recognised under other usual names, too: a `target` in a test
    table may well be a prediction.
    """
    notes: list[str] = []
    others = {role: role for role in _ALIASES if role in columns}
    for role, aliases in _ALIASES.items():
        allowed = {role, *aliases} if is_oof else {role}
        found = [c for c in columns if _bare(c) in allowed and c not in (classes or ())]
        if role not in others and len(found) == 1:
            others[role] = found[0]
            notes.append(f"its {role} is the column `{found[0]}`.")
    taken = list(others.values())
    own_id, problems = _find_id(columns, name, [*taken, *(classes or ())], indexes)
    if own_id not in (None, "image_id"):
        where = "pandas index" if own_id in indexes or _is_index(own_id) else f"column `{own_id}`"
        notes.append(f"its ids are the {where}.")
    no_class = [c for c in columns if c in taken or c == own_id]
    no_class += _no_classes({c: own for c, own in columns.items() if c not in {*taken, own_id}})
    found_classes, more = class_columns(columns, classes, no_class)
    nested = [c for c, own in columns.items() if pa.types.is_nested(own.type)]
    if more and nested:
        more = [
            f"`{c}` holds {columns[c].type}, and a table has one column a class. Write p0, p1, ...: "
            f"pd.DataFrame(df[{c!r}].tolist()).add_prefix('p')."
            for c in nested[:1]
        ]
    problems += [f"{name}: {problem}" for problem in more]
    if problems or own_id is None or found_classes is None:
        return None, problems
    # a column without any value says nothing; a label may be unknown
    used = {
        r: c for r, c in others.items() if r == "label" or columns[c].null_count < len(columns[c])
    }
    return Roles(own_id, found_classes, used if len(columns[own_id]) else others, notes), []


def _find_id(
    columns: Mapping[str, pa.Array], name: str, but: Sequence[str], indexes: Sequence[str]
) -> tuple[str | None, list[str]]:
    if "image_id" in columns:
        return "image_id", []
    free = [c for c in columns if c not in but and not pa.types.is_floating(columns[c].type)]
    steps = (
        [c for c in free if _bare(c) == "imageid"],
        [c for c in free if _bare(c) in _IDS],
        [c for c in free if c in indexes or _is_index(c)],
        [c for c in free if _is_unique_text(columns[c])],
    )
    found = next((own for own in steps if own), [])
    if len(found) == 1:
        return found[0], []
    if found:
        return None, [
            f"{name}: no column `image_id`, and each of {', '.join(found)} could be the ids. Name "
            "the one that is image_id."
        ]
    there = list(columns)
    listed = ", ".join(there[:12]) + (", ..." if there[12:] else "") or "none"
    return None, [
        f"{name}: no column `image_id`; there are {listed}. Write the id of each row's photograph: "
        "a row number is none (pandas: df.insert(0, 'image_id', ids))."
    ]


def _no_classes(columns: Mapping[str, pa.Array]) -> list[str]:
    """Columns that are no probabilities unless they are numbered as such: text, ages, sizes."""
    return [
        column
        for column, values in columns.items()
        if not re.search(r"\d[\])]?$", column)
        and ((own := real_numbers(values)) is None or _is_count(own))
    ]


def _is_count(numbers: np.ndarray) -> bool:
    return numbers.size > 0 and bool((numbers == np.rint(numbers)).all()) and numbers.max() > 1


def _is_unique_text(values: pa.Array) -> bool:
    return is_text(values) and real_numbers(values) is None and len(values.unique()) == len(values)


def _is_index(column: str | None) -> bool:
    """How pandas calls the column of an index without a name."""
    return re.fullmatch(r"__index_level_\d+__|index|level_0|Unnamed: 0|", column or "") is not None


def _bare(column: str) -> str:
    return re.sub(r"[^a-z0-9]", "", column.lower())
