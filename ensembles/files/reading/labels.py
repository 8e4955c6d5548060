"""Labels as class numbers, whether they were written as numbers from 0 or 1, as words or as truth."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from ensembles.errors import examples
from ensembles.files.cells import is_missing, whole_number
from ensembles.files.class_columns import ClassColumns
from ensembles.files.reading.cells import texts, whole_numbers


@dataclass(frozen=True)
class Labels:
    """numbers: (N,) int64 class numbers, -1 where it is not known. classes: names of the classes,
    where the labels give them. notes: remarks.
    """

    numbers: np.ndarray
    classes: list[str] | None = None
    notes: tuple[str, ...] = ()


def class_labels(
    values: pa.Array, column: str, of: ClassColumns
) -> tuple[Labels | None, list[str]]:
    """The class of each row, or None with the problems, which begin with the column.

    Numbers are those of the columns; words are the names of the classes or, where those have none
    and every class occurs, their sorted order, as scikit-learn numbers them.
    """
    numbers = whole_numbers(values)
    is_bool = pa.types.is_boolean(values.type)
    if numbers is not None and not (is_bool and (of.classes or len(of.columns) != 2)):
        return _from_numbers(*numbers, column, of)
    words = texts(values)
    if words is None:
        known = values.drop_null()
        shown = f" with {known[0].as_py()!r}" if len(known) and not _long(known) else ""
        return None, [
            f"`{column}` is {values.type}{shown}, but must be int16, the number of the class, or "
            "its name."
        ]
    return _from_words(words, column, of)


def _from_numbers(
    numbers: np.ndarray, unknown: np.ndarray, column: str, of: ClassColumns
) -> tuple[Labels | None, list[str]]:
    n_classes = len(of.columns)
    # a -1 is how a test part without truth is filled
    unknown = unknown | (numbers == -1)
    known = numbers[~unknown]
    if not known.size:
        return Labels(np.full(len(numbers), -1)), []
    low, high = int(known.min()), int(known.max())
    named = [whole_number(c) for c in of.classes or ()]
    if None not in named and set(known.tolist()) <= set(named) and named:
        order = np.argsort(np.array(named))
        found = order[np.searchsorted(np.array(named), known, sorter=order)]
        return _spread(found, unknown), []
    first = 1 if low >= 1 and (high == n_classes or (of.first == 1 and high < n_classes)) else 0
    if low < 0 or high - first >= n_classes:
        wrong = known[(known < 0) | (known - first >= n_classes)]
        return None, [
            f"`{column}` outside 0..{n_classes - 1} in {len(wrong)} rows: {examples(wrong)}. Number "
            f"the {n_classes} classes from 0 in the order of their columns."
        ]
    note = f"its labels 1 to {n_classes} were read as the classes 0 to {n_classes - 1}."
    found_labels = _spread(known - first, unknown)
    return replace(found_labels, notes=(note,)) if first else found_labels, []


def _from_words(
    words: np.ndarray, column: str, of: ClassColumns
) -> tuple[Labels | None, list[str]]:
    unknown = np.array([word is None or is_missing(word) for word in words], bool)
    plain = np.array([_nfc(word) for word in words[~unknown]], object)
    occurring = sorted(set(plain.tolist()))
    classes = None if of.classes is None else [_nfc(c) for c in of.classes]
    notes: tuple[str, ...] = ()
    if not occurring:
        return Labels(np.full(len(words), -1)), []
    if classes is None:
        if len(occurring) != len(of.columns):
            return None, [
                f"`{column}` has {len(occurring)} different words ({examples(occurring)}) for "
                f"{len(of.columns)} columns of probabilities. Call the columns as the classes, name "
                "them in the metadata (`classes`), or write class numbers."
            ]
        classes = occurring
        notes = (f"its columns were taken for {_listed(classes)}, the sorted labels.",)
    number = {name: k for k, name in enumerate(classes)}
    if strange := [word for word in occurring if word not in number]:
        return None, [
            f"`{column}` has {examples(strange)}, but the classes are {_listed(classes)}. Write the "
            "labels as the classes are called, or their numbers from 0."
        ]
    found = _spread(np.array([number[word] for word in plain]), unknown)
    return Labels(found.numbers, classes if of.classes is None else None, notes), []


def _spread(known: np.ndarray, unknown: np.ndarray) -> Labels:
    numbers = np.full(len(unknown), -1, np.int64)
    numbers[~unknown] = known
    return Labels(numbers)


def _listed(classes: Sequence[str]) -> str:
    return ", ".join(classes[:8]) + (", ..." if classes[8:] else "")


def _long(values: pa.Array) -> bool:
    return len(repr(values[0].as_py())) > 40


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text.strip())
