"""Submission files (`ImageID,ans`): write, read those of others, vote over them, compare them."""

from __future__ import annotations

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from ensembles.errors import BadInput, examples, file_problem, reads
from ensembles.files import places
from ensembles.files.places import Place
from ensembles.files.table import Table

HEADER = ("ImageID", "ans")


@dataclass
class Submission:
    """ids, answers: (N,) str, in the order of the file; a whole number is written as one."""

    ids: np.ndarray
    answers: np.ndarray


def write_submission(
    place: Place, ids: Sequence[str] | np.ndarray, answers: Sequence[str] | np.ndarray
) -> None:
    """Write `ImageID,ans` in the given order, in one move."""
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(HEADER)
    rows.writerows(zip(ids, answers, strict=True))
    places.write_bytes(place, text.getvalue().encode())


def read_text(place: Place, header: str) -> str:
    """The CSV's text, without a byte-order mark. header: what its first line should be, for people."""
    try:
        text = places.read_bytes(place).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{place}: not UTF-8 text ({error}). Save it as UTF-8 CSV.") from None
    except OSError as error:
        raise BadInput(file_problem(place, error, f"a CSV with {header}")) from None
    if (at := text.find("\0")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise BadInput(
            f"{place}: a NUL byte in line {line}: damaged, or no UTF-8. Save it as UTF-8 CSV."
        )
    return text


@reads("a CSV with ImageID,ans")
def read_submission(place: Place, allowed: Sequence[str] | None = None) -> Submission:
    """Read anyone's submission: `13.0` is 13; BOM, CRLF, quotes and further columns do no harm.

    Raises BadInput with every problem: no such file, columns missing, an id twice, answers that
    are empty or not among `allowed`, with their lines.
    """
    text = read_text(place, ",".join(HEADER))
    reader = csv.reader(io.StringIO(text, newline=""))
    header = [name.strip() for name in next(reader, [])]
    if missing := [name for name in HEADER if name not in header]:
        raise BadInput(
            f"{place}: no column {' nor '.join(missing)}; the first line has "
            f"{', '.join(header) or 'nothing'}. Name the columns {','.join(HEADER)}."
        )
    columns = [header.index(name) for name in HEADER]
    lines, ids, answers, problems = [], [], [], []
    for row in reader:
        if not any(map(str.strip, row)):
            continue
        if len(row) <= max(columns):
            problems.append(f"{place}, line {reader.line_num}: {len(row)} of {len(header)} fields.")
            continue
        lines.append(reader.line_num)
        ids.append(row[columns[0]].strip())
        answers.append(plain_answer(row[columns[1]]))
    if not ids and not problems:
        problems.append(f"{place}: no rows after the header. Give a row for each photograph.")
    twice = {image_id for image_id, count in Counter(ids).items() if count > 1}
    if twice:
        problems.append(
            f"{place}: ids that stand there twice: {examples(np.array(sorted(twice)))}. "
            "Keep one row of each."
        )
    empty = [line for line, answer in zip(lines, answers, strict=True) if not answer]
    if empty:
        problems.append(f"{place}: `ans` is empty in lines {examples(np.array(empty))}. Fill it.")
    if allowed is not None:
        problems += _unknown(place, lines, answers, {plain_answer(a) for a in allowed})
    if problems:
        raise BadInput(problems)
    return Submission(np.array(ids, object), np.array(answers, object))


def read_submissions(
    paths: Sequence[Place], allowed: Sequence[str] | None = None
) -> dict[str, Submission]:
    """Name -> submission, every one in the order of the first. Raises BadInput with all problems.

    A name is the file's, without `.csv`, or where their paths differ if files have the same name.
    """
    if not paths:
        raise BadInput("no submissions: give at least one CSV file.")
    found, problems = [], []
    for path in paths:
        try:
            found.append(read_submission(path, allowed))
        except BadInput as error:
            problems += error.problems
    if problems:
        raise BadInput(problems)
    first, aligned = found[0], []
    row_of = {image_id: row for row, image_id in enumerate(first.ids)}
    for path, submission in zip(paths, found, strict=True):
        target = np.array([row_of.get(image_id, -1) for image_id in submission.ids])
        missing = np.setdiff1d(np.arange(len(first.ids)), target)
        if missing.size:
            problems.append(
                f"{path}: {len(missing)} ids of {paths[0]} are missing: "
                f"{examples(first.ids[missing])}."
            )
        if (target < 0).any():
            extra = submission.ids[target < 0]
            problems.append(
                f"{path}: {len(extra)} ids are not in {paths[0]}: {examples(extra)}. "
                "Vote over predictions of the same photographs."
            )
        aligned.append(Submission(first.ids, submission.answers[np.argsort(target)]))
    if problems:
        raise BadInput(problems)
    return dict(zip(file_names(paths), aligned, strict=True))


def submission_tables(
    paths: Sequence[Place], allowed: Sequence[str] | None = None
) -> dict[str, Table]:
    """`read_submissions` as tables of probabilities, 1 for the answer. Raises BadInput."""
    submissions = read_submissions(paths, allowed)
    classes = answer_classes(submissions, allowed)
    meta = {"classes": classes, "answers": classes}
    one_hot = np.eye(len(classes), dtype=np.float32)
    choices = class_numbers(submissions, classes)
    return {
        name: Table(own.ids, one_hot[chosen], meta=meta)
        for (name, own), chosen in zip(submissions.items(), choices, strict=True)
    }


def answer_classes(
    submissions: dict[str, Submission], allowed: Sequence[str] | None = None
) -> list[str]:
    """The answers that are the classes: `allowed`, or all that occur, numbers by value.

    Where some file answers in whole numbers only, others must too. Raises BadInput.
    """
    if allowed is not None:
        return [plain_answer(answer) for answer in allowed]
    occurring = {name: set(s.answers) for name, s in submissions.items()}
    answers = set().union(*occurring.values())
    if not any(all(map(_is_whole, own)) for own in occurring.values()):
        return sorted(answers)
    problems = []
    for name, submission in submissions.items():
        rows = [i for i, answer in enumerate(submission.answers) if not _is_whole(answer)]
        if rows:
            shown = [f"{submission.ids[i]}: {submission.answers[i]!r}" for i in rows[:3]]
            problems.append(
                f"{name}: {len(rows)} answers are not whole numbers, as another file's all are: "
                f"{', '.join(shown)}. Write class numbers."
            )
    if problems:
        raise BadInput(problems)
    return sorted(answers, key=int)


def class_numbers(submissions: dict[str, Submission], classes: Sequence[str]) -> np.ndarray:
    """(M, N) int, the position of each answer in `classes`."""
    number = {answer: k for k, answer in enumerate(classes)}
    return np.array([[number[a] for a in s.answers] for s in submissions.values()])


def plain_answer(answer: str) -> str:
    answer = answer.strip()
    whole = re.fullmatch(r"([+-]?\d+)(\.0*)?", answer)
    return str(int(whole[1])) if whole else answer


def _is_whole(answer: str) -> bool:
    return re.fullmatch(r"-?\d+", answer) is not None


def _unknown(place: Place, lines: list[int], answers: list[str], allowed: set[str]) -> list[str]:
    wrong = [
        (line, answer)
        for line, answer in zip(lines, answers, strict=True)
        if answer and answer not in allowed
    ]
    if not wrong:
        return []
    shown = ", ".join(f"{answer!r} in line {line}" for line, answer in wrong[:3])
    return [
        f"{place}: {len(wrong)} unknown answers: {shown}. Allowed are "
        f"{', '.join(sorted(allowed, key=lambda a: (len(a), a)))}."
    ]


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
