"""Submission files (`ImageID,ans`): write, read those of others, vote over them, compare them."""

from __future__ import annotations

import csv
import io
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TypeVar

import numpy as np

from ensembles import limits
from ensembles.errors import BadInput, examples, reads
from ensembles.files import places
from ensembles.files.ids import id_problems
from ensembles.files.places import Place
from ensembles.files.submissions.answers import (
    answer_problems,
    is_whole,
    look_alikes,
    plain_answer,
    shifted,
)
from ensembles.files.submissions.arrays import is_array
from ensembles.files.submissions.columns import RECOGNISED, Columns, Layout, check_given, layout
from ensembles.files.submissions.ranked import best_of_ranked
from ensembles.files.submissions.sheet import Sheet, read_sheet
from ensembles.files.table import Table

HEADER = ("ImageID", "ans")
T = TypeVar("T")


@dataclass
class Submission:
    """ids, answers: (N,) str, in the order of the file; a whole number is written as one.

    notes: remarks of reading, a sentence each.
    """

    ids: np.ndarray
    answers: np.ndarray
    notes: tuple[str, ...] = ()


def write_submission(
    place: Place,
    ids: Sequence[str] | np.ndarray,
    answers: Sequence[str] | np.ndarray,
    confidence: np.ndarray | None = None,
) -> None:
    """Write `ImageID,ans` in the given order, in one move. confidence: (N,), a third column."""
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    if confidence is None:
        rows.writerow(HEADER)
        rows.writerows(zip(ids, answers, strict=True))
    else:
        shown = np.asarray(confidence, np.float32).astype(str)
        rows.writerow((*HEADER, "confidence"))
        rows.writerows(zip(ids, answers, shown.tolist(), strict=True))
    places.write_bytes(place, text.getvalue().encode())


@reads("a CSV with ImageID,ans")
def read_submission(
    place: Place, allowed: Sequence[str] | None = None, columns: Columns = RECOGNISED
) -> Submission:
    """Read anyone's submission: `13.0` is 13; BOM, CRLF, quotes and further columns do no harm.

    CSV of any separator, JSON or Parquet. columns: the ids' and the answers', where they are not to
    be recognised. Raises BadInput with every problem: no such file, columns missing, an id twice,
    answers that are empty, scores, or not among `allowed`, with their lines.
    """
    sheet = read_sheet(place)
    return submission_of(sheet, layout(sheet, columns), allowed)


@dataclass
class SeenIds:
    """The ids of the file read before, which others often have, too: their cells, and (N,) str."""

    cells: list[str] = field(default_factory=list)
    ids: np.ndarray = field(default_factory=lambda: np.empty(0, object))


def submission_of(
    sheet: Sheet,
    found: Layout,
    allowed: Sequence[str] | None = None,
    seen: SeenIds | None = None,
) -> Submission:
    """As `read_submission`, of a file that is read and its columns that are known. seen: of files read
    before, and of this one afterwards.
    """
    ids, problems = sheet_ids(sheet, found, seen)
    column, texts = _answers(sheet, found)
    # an array of scores, which is long, is named as one
    different = set(texts)
    longest = max((len(text) for text in different if not is_array(text)), default=0)
    limits.NAME.require(f"{sheet.name}: an answer", longest)
    plain = {text: plain_answer(text) for text in different}
    answers = [plain[text] for text in texts]
    known = None if allowed is None else {plain_answer(a) for a in allowed}
    problems += answer_problems(sheet, column, answers, known)
    if problems:
        raise BadInput(problems)
    found.note(sheet, [column])
    return Submission(ids, np.array(answers, object), tuple(sheet.notes))


def _answers(sheet: Sheet, found: Layout) -> tuple[int, list[str]]:
    """The column of the answers and its cells; of the best few classes of timm, the best."""
    if (best := best_of_ranked(sheet, found)) is not None:
        sheet.notes.append(
            f"{sheet.name}: the best few classes of each photograph; the first is the answer."
        )
        return best
    if found.answer is None:
        names = list(found.classes)
        raise BadInput(
            f"{sheet.name}: a column of probabilities for each of {len(names)} classes "
            f"({examples(names)}) and no column ans: a soft file. Vote with --mode soft, or name "
            "the column of the answers: --answer-column NAME."
        )
    return found.answer, sheet.cells(found.answer)


def sheet_ids(
    sheet: Sheet, found: Layout, seen: SeenIds | None = None
) -> tuple[np.ndarray, list[str]]:
    """(N,) str, the ids as they are written, and what is wrong with them. seen: as of `submission_of`."""
    cells = sheet.cells(found.ids)
    if seen and cells and cells == seen.cells:
        return seen.ids, []
    ids = [cell.strip() for cell in cells]
    limits.NAME.require(f"{sheet.name}: an id", max(map(len, ids), default=0))
    problems = []
    if len(set(ids)) < len(ids):
        twice = sorted(i for i, count in Counter(ids).items() if count > 1)
        problems.append(
            f"{sheet.name}: ids that stand there twice: {examples(twice)}. Keep one row of each."
        )
    if "" in ids:
        empty = [row for row, image_id in enumerate(ids) if not image_id]
        problems.append(f"{sheet.name}: the id is empty in {sheet.at(empty)}. Fill it.")
    own = np.array(ids, object)
    if seen and not problems:
        seen.cells, seen.ids = cells, own
    return own, problems


def read_submissions(
    paths: Sequence[Place], allowed: Sequence[str] | None = None, columns: Columns = RECOGNISED
) -> dict[str, Submission]:
    """Name -> submission, every one in the order of the first. Raises BadInput with all problems.

    A name is the file's, without `.csv`, or where their paths differ if files have the same name.
    """
    seen = SeenIds()
    read = read_each(paths, columns, lambda s, own: submission_of(s, own, allowed, seen))
    return aligned(paths, read)


def read_each(
    paths: Sequence[Place], columns: Columns, read: Callable[[Sheet, Layout], T]
) -> list[T]:
    """What `read` makes of each file. Raises BadInput with all problems of all files.

    Among them: no file at all, and names of columns that no file has.
    """
    if not paths:
        raise BadInput("no submissions: give at least one CSV file.")
    sheets, found, problems = [], [], []
    for path in paths:
        try:
            sheets.append(read_sheet(path))
        except BadInput as error:
            problems += error.problems
    if not problems:
        check_given(sheets, columns)
    for sheet in sheets:
        try:
            found.append(read(sheet, layout(sheet, columns)))
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(problems)
    return found


def aligned(paths: Sequence[Place], found: Sequence[Submission]) -> dict[str, Submission]:
    """Name -> submission in the order of the first. Raises BadInput where ids differ."""
    first, result, problems = found[0], [], []
    row_of = {image_id: row for row, image_id in enumerate(first.ids.tolist())}
    for path, own in zip(paths, found, strict=True):
        if own.ids is first.ids or np.array_equal(own.ids, first.ids):
            result.append(Submission(first.ids, own.answers, own.notes))
            continue
        if differing := id_problems(str(path), own.ids, str(paths[0]), first.ids):
            problems += differing
            continue
        order = np.argsort([row_of[image_id] for image_id in own.ids.tolist()])
        result.append(Submission(first.ids, own.answers[order], own.notes))
    if problems:
        raise BadInput(problems)
    return dict(zip(file_names(paths), result, strict=True))


def submission_tables(
    submissions: Mapping[str, Submission], allowed: Sequence[str] | None = None
) -> dict[str, Table]:
    """Submissions as tables of probabilities, 1 for the answer. Raises BadInput."""
    classes = answer_classes(submissions, allowed)
    meta = {"classes": classes, "answers": classes}
    choices = class_numbers(submissions, classes)
    return {
        name: Table(own.ids, _one_hot(chosen, len(classes)), meta=meta)
        for (name, own), chosen in zip(submissions.items(), choices, strict=True)
    }


def _one_hot(chosen: np.ndarray, n_classes: int) -> np.ndarray:
    """(N,) int -> (N, K) float32."""
    found = np.zeros((len(chosen), n_classes), np.float32)
    found[np.arange(len(chosen)), chosen] = 1
    return found


def answer_classes(
    submissions: Mapping[str, Submission], allowed: Sequence[str] | None = None
) -> list[str]:
    """The answers that are the classes: `allowed`, or all that occur, numbers by value.

    submissions: rows in one order. Where some file answers in whole numbers only, others must too,
    and all number from 0 or all from 1. Raises BadInput, also where they are too many for a table.
    """
    if allowed is not None:
        return [plain_answer(answer) for answer in allowed]
    occurring = {name: set(s.answers.tolist()) for name, s in submissions.items()}
    answers = set().union(*occurring.values())
    where = " and ".join([*occurring][:3]) + (" ..." if len(occurring) > 3 else "")
    if len(answers) > limits.MOST_CLASSES:
        raise BadInput(
            f"{where}: {len(answers):,} different answers ({examples(sorted(answers))}), and a table "
            f"holds at most {limits.MOST_CLASSES:,} classes. Name the column of the answers: "
            "--answer-column NAME."
        )
    n_rows = max((len(own.ids) for own in submissions.values()), default=0)
    limits.VALUES.require(
        f"{where}: {n_rows:,} rows of {len(answers):,} different answers, a table that",
        n_rows * len(answers),
    )
    numbered = [name for name, own in occurring.items() if all(map(is_whole, own))]
    if not numbered:
        return sorted(answers)
    problems = []
    for name, submission in submissions.items():
        if all(map(is_whole, occurring[name])):
            continue
        rows = [i for i, answer in enumerate(submission.answers) if not is_whole(answer)]
        shown = [f"{submission.ids[i]}: {submission.answers[i]!r}" for i in rows[:3]]
        problems.append(
            f"{name}: {len(rows)} answers are not whole numbers, as all of {numbered[0]} are: "
            f"{', '.join(shown)}. Write class numbers, or names in both."
        )
    if not problems:
        problems = shifted({name: own.answers for name, own in submissions.items()})
    if problems:
        raise BadInput(problems)
    return sorted(answers, key=int)


def reading_notes(submissions: Mapping[str, Submission], classes: Sequence[str]) -> list[str]:
    """Remarks of reading of all files, and on classes that look alike."""
    return [note for own in submissions.values() for note in own.notes] + look_alikes(classes)


def class_numbers(submissions: Mapping[str, Submission], classes: Sequence[str]) -> np.ndarray:
    """(M, N) int, the position of each answer in `classes`."""
    number = {answer: k for k, answer in enumerate(classes)}
    return np.array(
        [
            np.fromiter(map(number.__getitem__, own.answers.tolist()), np.int64, len(own.answers))
            for own in submissions.values()
        ]
    )


def file_names(paths: Sequence[Place]) -> list[str]:
    """The files' names without suffix; of files of the same name, where their paths differ."""
    stems = [PurePosixPath(str(path)).stem for path in paths]
    names = list(stems)
    for stem in {stem for stem in stems if stems.count(stem) > 1}:
        alike = [i for i, own in enumerate(stems) if own == stem]
        parts = [str(paths[i]).split("/") for i in alike]
        first, last = _common(parts), _common([own[::-1] for own in parts])
        for i, own in zip(alike, parts, strict=True):
            names[i] = "/".join(own[first : len(own) - last]) or str(paths[i])
    return [
        f"{name} ({names[:i].count(name) + 1})" if name in names[:i] else name
        for i, name in enumerate(names)
    ]


def _common(parts: Sequence[list[str]]) -> int:
    """How many first parts all have in common."""
    alike = (len(set(column)) == 1 for column in zip(*parts, strict=False))
    return sum(1 for _ in itertools.takewhile(bool, alike))
