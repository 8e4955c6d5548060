"""The columns of one file as a probability table, with what was made of them in its notes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from ensembles import limits
from ensembles.errors import BadInput, examples
from ensembles.files.cells import parse_json
from ensembles.files.reading.cells import is_number, plain, real_numbers, texts, whole_numbers
from ensembles.files.reading.labels import class_labels
from ensembles.files.reading.repeats import averaged
from ensembles.files.reading.roles import Roles, find_roles
from ensembles.files.reading.same_texts import SeenTexts
from ensembles.files.rounding import rescale
from ensembles.files.table import Table, table_problems
from ensembles.files.typed import type_problem

Columns = Mapping[str, pa.Array]
_NAMES = list[str | float | bool | None]  # of classes: numbers and words alike
_METADATA: dict[str, Any] = {
    "classes": _NAMES | None,
    "answers": _NAMES | None,
    "targets": list[list[str | _NAMES]] | None,
    "member": str | None,
    "milliseconds_per_photo": float | None,
}


@dataclass
class Seen:
    """What the tables of other members held: of the same rows, texts are the same and made once.

    texts: column -> as it was read, and its (N,) str. unique: ids that hold each once. written: their
    texts as the file has them.
    """

    texts: dict[str, tuple[pa.Array, np.ndarray]] = field(default_factory=dict)
    unique: np.ndarray | None = None
    written: SeenTexts = field(default_factory=SeenTexts)


def table_of(
    found: pa.Table, name: str, is_oof: bool, seen: Seen | None = None
) -> tuple[Table, bool]:
    """The checked table, and whether it is the names of its columns that name its classes.

    is_oof: an id several times is of repeated cross-validation and is averaged, and a label is
    needed in every row where there are labels. seen: of the tables read before, and of this one
    afterwards. Raises BadInput with every problem, each beginning with `name`.
    """
    seen = seen or Seen()
    twice = sorted(c for c, count in Counter(found.column_names).items() if count > 1)
    if twice:
        raise BadInput(f"{name}: columns that stand there twice: {', '.join(twice)}.")
    meta = metadata(found.schema, name)
    columns = {c: plain(found[c]) for c in found.column_names}
    classes = [*map(str, meta["classes"])] if "classes" in meta else None
    roles, problems = find_roles(columns, name, classes, _indexes(found), is_oof)
    if roles is None:
        raise BadInput(problems)
    wrong: list[str] = []
    notes = [*roles.notes]
    ids = _text(columns, roles.id, name, wrong, seen)
    fold = _fold(columns, roles, wrong)
    label, label_classes = _label(columns, roles, is_oof, wrong, notes)
    by = roles.others.get("group")
    group = _text(columns, by, name, wrong, seen) if by else None
    probabilities = _probabilities(columns, roles, wrong)
    if wrong or ids is None or probabilities is None:
        raise BadInput(f"{name}: {text}" for text in wrong)
    by_name = classes is None and roles.classes.classes is not None
    if classes is None and (named := roles.classes.classes or label_classes):
        meta["classes"] = named
    rounded = rescale(probabilities)
    table = Table(ids, rounded.probabilities, fold, label, meta, group, (*notes, *rounded.notes))
    problems = rounded.problems(name, ids)
    if problems and roles.classes.columns[0] != "p0":
        problems[-1] += f" Taken for classes were {examples(roles.classes.columns)}."
    if is_oof and not problems:
        table, problems = averaged(table, name, seen.unique)
    # what is off by more than rounding is named above
    more = table_problems(table, name, seen.unique)
    problems += [p for p in more if "do not sum to 1" not in p]
    if is_oof and not problems:
        problems += _numbered_from_1(table, name)
    if problems:
        raise BadInput(problems)
    seen.unique = table.ids
    return table, by_name


def metadata(schema: pa.Schema, name: str) -> dict[str, Any]:
    """The JSON object under `ensemble`, {} where there is none. Raises BadInput."""
    try:
        meta = parse_json((schema.metadata or {}).get(b"ensemble", b"{}"))
    except ValueError:
        raise BadInput(
            f"{name}: metadata `ensemble` is not JSON. Write JSON, or leave it out."
        ) from None
    if not isinstance(meta, dict):
        raise BadInput(f"{name}: metadata `ensemble` is no JSON object. Write one, or none.")
    problems = [
        type_problem(meta[key], declared, f"`{key}`")
        for key, declared in _METADATA.items()
        if key in meta
    ]
    wrong = [problem for problem in problems if problem]
    if not wrong and any(len(target) != 2 for target in meta.get("targets") or ()):
        wrong = ["`targets` must be pairs: [[name, [class, ...]], ...]"]
    if wrong:
        raise BadInput(f"{name}: in the metadata `ensemble` {'; '.join(wrong)}.")
    return {key: value for key, value in meta.items() if value is not None}


def _indexes(found: pa.Table) -> list[str]:
    """The columns that were the index of a pandas frame."""
    try:
        known = found.schema.pandas_metadata or {}
    except (ValueError, RecursionError):
        return []
    return [c for c in known.get("index_columns", ()) if c in found.column_names]


def _text(
    columns: Columns, column: str, name: str, wrong: list[str], seen: Seen
) -> np.ndarray | None:
    """(N,) str, or None with the problem appended. Raises BadInput for a text of megabytes."""
    values = columns[column]
    before, known = seen.texts.get(column, (None, None))
    if before is not None and values.equals(before):
        return known
    found = texts(values)
    if found is None:
        what = "numbers that are not whole" if is_number(values) else f"{values.type}"
        wrong.append(
            f"`{column}` holds {what}, but must be string or whole numbers: one cell names one "
            "photograph."
        )
    elif values.null_count or any(text is None for text in found):
        n_null = sum(text is None for text in found)
        wrong.append(f"`{column}` has {n_null} null values; allow none.")
        return None
    else:
        limits.NAME.require(f"{name}: `{column}`: a value", max(map(len, found), default=0))
        seen.texts[column] = values, found
    return found


def _fold(columns: Columns, roles: Roles, wrong: list[str]) -> np.ndarray | None:
    """(N,) int16; words such as `fold_0` by their sorted order."""
    if (column := roles.others.get("fold")) is None:
        return None
    values = columns[column]
    numbers = whole_numbers(values)
    if numbers is None:
        words = texts(values)
        if words is None:
            wrong.append(f"`{column}` is {values.type}, but must be int16.")
            return None
        if any(word is None for word in words):
            wrong.append(f"`{column}` has {values.null_count} null values; allow none.")
            return None
        return np.unique(words.astype(str), return_inverse=True)[1].astype(np.int16)
    found, unknown = numbers
    if unknown.any():
        wrong.append(f"`{column}` has {unknown.sum()} null values; allow none.")
    elif found.size and not -1 <= found.min() <= found.max() <= np.iinfo(np.int16).max:
        wrong.append(f"`{column}` has {found.min()} to {found.max()}, but must be int16, from 0.")
    else:
        return found.astype(np.int16)
    return None


def _label(
    columns: Columns, roles: Roles, is_oof: bool, wrong: list[str], notes: list[str]
) -> tuple[np.ndarray | None, list[str] | None]:
    """(N,) int16, or None where the truth is not known, and the classes that words name."""
    if (column := roles.others.get("label")) is None:
        return None, None
    found, problems = class_labels(columns[column], column, roles.classes)
    if found is None:
        wrong += problems
        return None, None
    notes += found.notes
    n_unknown = int((found.numbers < 0).sum())
    if not n_unknown:
        return found.numbers.astype(np.int16), found.classes
    if is_oof:
        wrong.append(
            f"`{column}` is not known in {n_unknown} rows, and weights are fitted to it. Write the "
            "true class of every OOF row, or leave those rows out in every member."
        )
    elif n_unknown < len(found.numbers):
        notes.append(
            f"its `{column}` is known in {len(found.numbers) - n_unknown} of "
            f"{len(found.numbers)} rows only, and was left out."
        )
    return None, found.classes


def _probabilities(columns: Columns, roles: Roles, wrong: list[str]) -> np.ndarray | None:
    """(N, K) float64, or float32 where all are; None with the problems appended."""
    parts = []
    for column in roles.classes.columns:
        values = columns[column]
        if values.null_count:
            wrong.append(f"`{column}` has {values.null_count} null values; allow none.")
        elif (numbers := real_numbers(values)) is None:
            wrong.append(f"`{column}` is {values.type}, but must be float.")
        else:
            parts.append(numbers)
    return np.stack(parts, axis=1) if len(parts) == len(roles.classes.columns) else None


def _numbered_from_1(table: Table, name: str) -> list[str]:
    """Labels that begin at 1 where the class before is right far more often."""
    label, n_rows = table.label, len(table.ids)
    if label is None or label.min() < 1:
        return []
    guess = table.probabilities.argmax(axis=1)
    as_given, one_less = (float(np.mean(guess == own)) for own in (label, label - 1))
    if one_less - as_given <= 3 / np.sqrt(n_rows):
        return []
    return [
        f"{name}: no row has the label 0, and the predictions are right in {as_given:.0%} of the "
        f"rows, but in {one_less:.0%} of them if the classes are numbered from 1. Number them from "
        f"0 to {table.n_classes - 1}, in the order of their columns."
    ]
