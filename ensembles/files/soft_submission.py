"""Soft submissions: probabilities of the classes, a column a class, an array in one cell, or ranked.

The classes are named by what a submission shows for them, so the most probable column's name is the
prediction.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ensembles.errors import BadInput, examples, reads
from ensembles.files import places
from ensembles.files.places import Place
from ensembles.files.rounding import rescale
from ensembles.files.submission import file_names, read_each, sheet_ids
from ensembles.files.submissions.answers import is_score
from ensembles.files.submissions.arrays import as_floats, is_array, parse_arrays
from ensembles.files.submissions.columns import RECOGNISED, Columns, Layout, layout
from ensembles.files.submissions.ranked import best_of_ranked, of_ranked
from ensembles.files.submissions.sheet import Sheet, read_sheet
from ensembles.files.table import Table, table_problems

ID = "ImageID"
_POSITIVE = ("0", "1")


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
def read_soft_submission(place: Place, columns: Columns = RECOGNISED) -> Table:
    """Read anyone's soft submission: columns of classes, arrays as text, one positive class, ranked.

    What rounding put off 1 is scaled (`rounding.rescale`). columns: the ids' and the arrays', where
    they are not to be recognised. Raises BadInput with every problem found.
    """
    sheet = read_sheet(place)
    return soft_of(sheet, layout(sheet, columns))


def soft_of(sheet: Sheet, found: Layout) -> Table:
    """As `read_soft_submission`, of a file that is read and its columns that are known."""
    ids, problems = sheet_ids(sheet, found)
    if problems:
        raise BadInput(problems)
    classes, values, used = _probabilities(sheet, found)
    found.note(sheet, used)
    scaled = rescale(values.astype(np.float32))  # judged as the table will be
    notes = (*sheet.notes, *(f"{sheet.name}: {note}" for note in scaled.notes))
    meta = {"classes": classes, "answers": classes}
    table = Table(ids, scaled.probabilities, meta=meta, notes=notes)
    problems = table_problems(table, sheet.name)
    if problems and ((values >= 0) & (values <= 1)).all():  # it is the sums, of which more is known
        problems = scaled.problems(sheet.name, ids) or problems
    if problems:
        raise BadInput(problems)
    return table


def is_soft(sheet: Sheet, found: Layout) -> bool:
    """Whether a file whose answers could be either holds probabilities."""
    if found.ranked:
        return False
    if found.answer is None:
        return True
    cells = sheet.cells(found.answer)
    if best_of_ranked(sheet, found) is not None:
        return False
    return any(map(is_array, cells[:20])) or _positive(cells) is not None


def read_soft_submissions(
    paths: Sequence[Place], columns: Columns = RECOGNISED
) -> dict[str, Table]:
    """Name -> table, named as `read_submissions` does. Raises BadInput with all problems.

    Where files have the same classes in another order, the columns are put in the first's.
    """
    found, problems = read_each(paths, columns, soft_of), []
    first = found[0]
    numbered = [[name for name in t.classes if not name.isdigit()] == [] for t in found]
    for path, table, by_number in zip(paths, found, numbered, strict=True):
        if numbered[0] and by_number and table.classes[0] != first.classes[0]:
            problems.append(
                f"{path}: its classes are numbered from {table.classes[0]}, those of {paths[0]} "
                f"from {first.classes[0]}. Number them alike."
            )
    if problems:
        raise BadInput(problems)
    return dict(zip(file_names(paths), (_in_order_of(first, t) for t in found), strict=True))


def _in_order_of(first: Table, table: Table) -> Table:
    if table.classes == first.classes or set(table.classes) != set(first.classes):
        return table
    order = [table.classes.index(name) for name in first.classes]
    meta = {"classes": first.classes, "answers": first.classes}
    return replace(table, probabilities=table.probabilities[:, order], meta=meta)


def _probabilities(sheet: Sheet, found: Layout) -> tuple[list[str], np.ndarray, list[int]]:
    """The classes, (N, K) float64, and the columns that these are from."""
    ranked = of_ranked(sheet, found)
    if ranked is not None:
        return ranked
    if found.classes:
        own = list(found.classes.values())
        return list(found.classes), _numbers(sheet, own), own
    column = found.answer
    if column is None:
        raise BadInput(f"{sheet.name}: no probabilities among its columns: {sheet.columns}.")
    cells = sheet.cells(column)
    if any(map(is_array, cells[:20])):
        values = parse_arrays(sheet, column)
        return list(map(str, range(values.shape[1]))), values, [column]
    positive = _positive(cells)
    if positive is not None:
        sheet.notes.append(
            f"{sheet.name}: `{sheet.header[column]}` is read as the probability of class 1 of two "
            "classes, 0 and 1."
        )
        return list(_POSITIVE), np.stack([1 - positive, positive], axis=1), [column]
    if any(map(is_score, cells)):
        bad = [row for row, cell in enumerate(cells) if is_score(cell)]
        raise BadInput(
            f"{sheet.name}: `{sheet.header[column]}` holds scores, no probabilities: "
            f"{examples([cells[row] for row in bad])} in {sheet.at(bad)}. Write one column of "
            "probabilities a class."
        )
    if cells[0].lstrip().startswith("{"):
        raise BadInput(
            f"{sheet.name}: `{sheet.header[column]}` holds dictionaries: {cells[0][:60]!r}. Write "
            "one column of probabilities a class."
        )
    raise BadInput(
        f"{sheet.name}: a soft submission has one column of probabilities a class; "
        f"`{sheet.header[column]}` of {sheet.columns} holds labels. Labels alone vote with "
        "--mode hard."
    )


def _positive(cells: Sequence[str]) -> np.ndarray | None:
    """(N,) float64, the probability of the positive class; None where a column is none such."""
    values = as_floats(cells)
    if values is None or not ((values >= 0) & (values <= 1)).all():
        return None
    return values if (values != np.rint(values)).any() else None


def _numbers(sheet: Sheet, columns: Sequence[int]) -> np.ndarray:
    rows = [[row[i] for i in columns] for row in sheet.rows]
    try:
        return np.array(rows, np.float64).reshape(len(rows), len(columns))
    except ValueError:
        wrong = [
            (row, sheet.header[i], sheet.rows[row][i])
            for row in range(len(rows))
            for i in columns
            if as_floats([sheet.rows[row][i]]) is None
        ]
    shown = ", ".join(f"{cell!r} in `{name}`" for _, name, cell in wrong[:3])
    raise BadInput(
        f"{sheet.name}: {shown}, in {sheet.at([row for row, *_ in wrong])}; every column of a class "
        f"holds probabilities. Classes are {examples([sheet.header[i] for i in columns])}."
    )
