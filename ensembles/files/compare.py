"""Submission files beside each other: how far they agree, and which are the same."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ensembles.errors import BadInput
from ensembles.files import places
from ensembles.files.places import Place
from ensembles.files.soft_submission import is_soft, soft_of
from ensembles.files.submission import (
    Submission,
    aligned,
    answer_classes,
    class_numbers,
    read_each,
    read_submission,
    reading_notes,
    submission_of,
)
from ensembles.files.submissions.answers import plain_answer
from ensembles.files.submissions.columns import RECOGNISED, Columns, Layout
from ensembles.files.submissions.sheet import Sheet
from ensembles.files.table import Table

MOST_SHOWN = 100
_NOISE = 1e-6  # of float32


def identical(names: Sequence[str], choices: np.ndarray) -> list[list[str]]:
    """The names whose choices (M, N) are the same on every row, two or more a list."""
    alike: dict[bytes, list[str]] = {}
    for name, row in zip(names, choices, strict=True):
        alike.setdefault(row.tobytes(), []).append(name)
    return [same for same in alike.values() if len(same) > 1]


def alike_tables(tables: Mapping[str, Table]) -> list[str]:
    """A note for members with the same probabilities, or the same up to the digits written."""
    names, found = list(tables), [table.probabilities for table in tables.values()]
    digits = [_digits(own[:1000]) for own in found]
    left, notes = list(range(len(names))), []
    while left:
        first, *others = left
        same = [first]
        for other in others:
            fewest = min((d for d in (digits[first], digits[other]) if d), default=None)
            # scaled to sum 1, a rounded row is off by more than half of its last digit
            within = _NOISE if fewest is None else 2 * 10.0**-fewest
            if _within(found[first], found[other], within):
                same.append(other)
        left = [j for j in others if j not in same]
        if len(same) > 1:
            equal = all(np.array_equal(found[first], found[j]) for j in same)
            notes.append(
                f"{' and '.join(names[j] for j in same)} have the same probabilities"
                f"{'' if equal else ', up to rounding'}: one prediction, {len(same)} members."
            )
    return notes


def _digits(probabilities: np.ndarray) -> int | None:
    """2 to 4 where most values are decimals of so many digits, the fewest; else None.

    Most, since rows that were scaled to sum 1 are none any more. What is certain (0 or 1) is a
    decimal anyway and does not count.
    """
    values = probabilities[(probabilities > _NOISE) & (probabilities < 1 - _NOISE)].astype(float)
    for digits in (2, 3, 4):
        scaled = values * 10.0**digits
        near = abs(scaled - np.rint(scaled)) <= _NOISE * 10.0**digits
        if len(near) and near.mean() > 0.5:
            return digits
    return None


def _within(one: np.ndarray, other: np.ndarray, tolerance: float) -> bool:
    """Whether tables are equal to within a tolerance. The first rows tell most apart."""
    if one.shape != other.shape:
        return False
    for rows in (slice(0, 100), slice(100, None)):
        if not (abs(one[rows] - other[rows]) <= tolerance).all():
            return False
    return True


def compare(paths: Sequence[Place], columns: Columns = RECOGNISED) -> dict[str, Any]:
    """How far submissions agree; of soft ones, their most probable classes.

    columns: the ids' and the answers', where they are not to be recognised. Returns `files`
    (names), `rows`, `agreement` (M lists of M shares of equal predictions), `identical` (lists of
    names with the same predictions on every row), `counts` (name -> answer -> rows), `different`
    (pair `a | b` -> number of rows in which the two differ), `rows_that_differ` (pair -> [id,
    answer of a, answer of b] of each; of more than two files the first MOST_SHOWN a pair), `notes`
    (remarks of reading). Raises BadInput.
    """
    submissions = _decisions(paths, columns)
    names = list(submissions)
    classes = answer_classes(submissions)
    choices = class_numbers(submissions, classes)
    agreement = np.array([(choices == row).mean(axis=1) for row in choices])
    ids, most = submissions[names[0]].ids, None if len(names) == 2 else MOST_SHOWN
    differing = {}
    for (i, a), (j, b) in itertools.combinations(enumerate(names), 2):
        rows = np.flatnonzero(choices[i] != choices[j])
        both = (submissions[a].answers, submissions[b].answers)
        differing[f"{a} | {b}"] = (
            len(rows),
            [[str(ids[row]), *(str(answers[row]) for answers in both)] for row in rows[:most]],
        )
    return {
        "files": names,
        "rows": choices.shape[1],
        "agreement": agreement.tolist(),
        "identical": identical(names, choices),
        "counts": {
            name: dict(zip(classes, np.bincount(row, minlength=len(classes)).tolist(), strict=True))
            for name, row in zip(names, choices, strict=True)
        },
        "different": {pair: count for pair, (count, _) in differing.items()},
        "rows_that_differ": {pair: rows for pair, (_, rows) in differing.items()},
        "notes": reading_notes(submissions, classes),
    }


def _decisions(paths: Sequence[Place], columns: Columns) -> dict[str, Submission]:
    """As `read_submissions`, soft files by their most probable class. Raises BadInput."""
    return aligned(paths, read_each(paths, columns, _decided))


def _decided(sheet: Sheet, found: Layout) -> Submission:
    if not is_soft(sheet, found):
        return submission_of(sheet, found)
    table = soft_of(sheet, found)
    best = np.array(table.answers, object)[table.probabilities.argmax(axis=1)]
    what = f"{sheet.name}: a soft file; its most probable classes are compared."
    return Submission(table.ids, best, (*table.notes, what))


def same_submissions(
    ids: np.ndarray, answers: Sequence[str], folder: Place, but: Place
) -> list[str]:
    """Paths `folder/<vote>/submission.csv`, except of the vote `but`, with these very answers."""
    if not places.exists(folder):
        return []
    wanted = dict(zip(ids.tolist(), map(plain_answer, answers), strict=True))
    found = []
    for name in places.subfolders(folder):
        path = places.join(folder, name, "submission.csv")
        if places.join(folder, name) == str(but).rstrip("/") or not places.exists(path):
            continue
        try:
            other = read_submission(path)
        except BadInput:
            continue
        if dict(zip(other.ids.tolist(), other.answers.tolist(), strict=True)) == wanted:
            found.append(path)
    return found
