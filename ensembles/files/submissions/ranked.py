"""Probabilities of the best few classes of each photograph, as timm's `inference.py --topk` writes.

In columns (`index_0`, `label_0`, `prob_0`, `index_1`, ...) or as arrays in `index`, `label` and
`prob`. With every class among them they are a soft file; with fewer, the rest is not known.
"""

from __future__ import annotations

import numpy as np

from ensembles.errors import BadInput
from ensembles.files.submissions.arrays import is_array, parse_arrays, parse_words
from ensembles.files.submissions.columns import Layout
from ensembles.files.submissions.sheet import Sheet

_OUTPUTS = ("prob", "logit", "output", "score")


def of_ranked(sheet: Sheet, found: Layout) -> tuple[list[str], np.ndarray, list[int]] | None:
    """The classes, (N, K) float64 and the columns used; None where the file is none such.

    Raises BadInput where classes are left out, or where there are no probabilities.
    """
    if found.ranked:
        base, own = next(iter(found.ranked.items()))
        classes = [[row[i].strip() for i in own] for row in sheet.rows]
        outputs = [
            [sheet.header.index(f"{name}_{rank}") for rank in range(len(own))]
            for name in _OUTPUTS
            if all(f"{name}_{rank}" in sheet.header for rank in range(len(own)))
        ]
        if not outputs:
            raise BadInput(
                f"{sheet.name}: {base}_0, ... without prob_0, .... Labels vote with --mode hard."
            )
        values = np.array([[row[i] for i in outputs[0]] for row in sheet.rows], np.float64)
        used = [*own, *outputs[0]]
    else:
        base = next(
            (n for n in ("index", "label") if n in sheet.header and _in_one_cell(sheet, n)), ""
        )
        output = next((n for n in _OUTPUTS if n in sheet.header and _in_one_cell(sheet, n)), None)
        if not base or output is None:
            return None
        column, of_output = sheet.header.index(base), sheet.header.index(output)
        classes = [[word.strip() for word in parse_words(cell)] for cell in sheet.cells(column)]
        values, used = parse_arrays(sheet, of_output), [column, of_output]
    return *_in_columns(sheet, base, classes, values), used


def best_of_ranked(sheet: Sheet, found: Layout) -> tuple[int, list[str]] | None:
    """The column of the ranked classes and the best of each row; None where the file is none such."""
    if found.ranked:
        own = next(iter(found.ranked.values()))
        return own[0], sheet.cells(own[0])
    name = None if found.answer is None else sheet.header[found.answer]
    if found.answer is None or name not in ("index", "label") or not _in_one_cell(sheet, name):
        return None
    return found.answer, [parse_words(cell)[0] for cell in sheet.cells(found.answer)]


def _in_columns(
    sheet: Sheet, base: str, classes: list[list[str]], values: np.ndarray
) -> tuple[list[str], np.ndarray]:
    names = sorted({name for row in classes for name in row}, key=lambda n: (len(n), n))
    if base == "label":
        names.sort()
    best = values.shape[1]
    short = float(values.sum(axis=1).max()) < 0.98
    numbers = base == "label" or set(names) == set(map(str, range(best)))
    if len(names) != best or not numbers or short or any(len(set(row)) != best for row in classes):
        raise BadInput(
            f"{sheet.name}: only the best {best} classes of each photograph; the probabilities of "
            "the others are not in it. Write all: inference.py --topk 0, or vote with --mode hard."
        )
    number = {name: k for k, name in enumerate(names)}
    order = np.array([[number[name] for name in row] for row in classes])
    sorted_values = np.empty_like(values)
    np.put_along_axis(sorted_values, order, values, axis=1)
    return names, sorted_values


def _in_one_cell(sheet: Sheet, name: str) -> bool:
    """Whether a column holds arrays of two values or more."""
    cell = sheet.cells(sheet.header.index(name))[0].strip()
    return is_array(cell) or (cell.startswith("[") and len(parse_words(cell)) > 1)
