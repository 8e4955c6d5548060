"""Soft submissions: a CSV with `ImageID` and one column of probabilities a class.

The columns are named by what a submission shows for their classes, so the most probable column's
name is the prediction.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np

from ensembles.errors import BadInput, examples, reads
from ensembles.files import places
from ensembles.files.places import Place
from ensembles.files.submission import file_names, read_text
from ensembles.files.table import Table, table_problems

ID = "ImageID"
# files that were written with few digits; a table's own tolerance is 1e-4
_ROUNDED = 0.02


def write_soft_submission(place: Place, table: Table) -> None:
    """Write the table's probabilities in its order, in one move."""
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([ID, *table.answers])
    # as text, a float32 gets the fewest digits that give it back
    shown = np.asarray(table.probabilities, np.float32).astype(str)
    rows.writerows(
        [image_id, *row] for image_id, row in zip(table.ids, shown.tolist(), strict=True)
    )
    places.write_bytes(place, text.getvalue().encode())


@reads("a CSV with ImageID and a column a class")
def read_soft_submission(place: Place) -> Table:
    """Read anyone's soft submission: every named column but `ImageID` is a class, in file order.

    Rows that sum to 1 within 0.02 are rounded ones and are scaled to 1. Raises BadInput with every
    problem found.
    """
    lines = read_text(place, ID)
    header, *rows = [row for row in csv.reader(io.StringIO(lines, newline="")) if any(row)] or [[]]
    header = [name.strip() for name in header]
    if ID not in header or len(header) < 3:
        raise BadInput(
            f"{place}: a soft submission has the column {ID} and one column of probabilities a "
            f"class; the first line has {', '.join(header) or 'nothing'}. Labels alone vote with "
            "--mode hard."
        )
    at = header.index(ID)
    of_classes = [i for i, name in enumerate(header) if name and i != at]
    short = [number for number, row in enumerate(rows, start=1) if len(row) != len(header)]
    if short:
        raise BadInput(
            f"{place}: {len(short)} rows do not have {len(header)} fields: rows "
            f"{examples(np.array(short))} after the first line."
        )
    ids = np.array([row[at].strip() for row in rows], object)
    try:
        values = np.array([[row[i] for i in of_classes] for row in rows], np.float64)
    except ValueError as error:
        raise BadInput(f"{place}: {error}; every column but {ID} holds probabilities.") from None
    classes = [header[i] for i in of_classes]
    values = values.reshape(len(rows), len(classes))
    sums = values.sum(axis=1, keepdims=True)
    rounded = abs(sums - 1) <= _ROUNDED
    probabilities = np.where(rounded, values / np.where(rounded, sums, 1), values)
    meta = {"classes": classes, "answers": classes}
    table = Table(ids, probabilities.astype(np.float32), meta=meta)
    if problems := table_problems(table, str(place)):
        raise BadInput(problems)
    return table


def read_soft_submissions(paths: Sequence[Place]) -> dict[str, Table]:
    """Name -> table, named as `read_submissions` does. Raises BadInput with all problems."""
    found, problems = [], []
    for path in paths:
        try:
            found.append(read_soft_submission(path))
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(problems)
    return dict(zip(file_names(paths), found, strict=True))
