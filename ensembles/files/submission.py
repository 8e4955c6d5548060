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

from ensembles.errors import BadInput, examples
from ensembles.files import places
from ensembles.files.places import Place
from ensembles.files.table import Table

HEADER = ("ImageID", "ans")
MOST_SHOWN = 100


@dataclass
class Submission:
    """ids, answers: (N,) str, in the order of the file; a whole number is written as one."""

    ids: np.ndarray
    answers: np.ndarray


def write_submission(place: Place, ids: Sequence[str], answers: Sequence[str]) -> None:
    """Write `ImageID,ans` in the given order, in one move."""
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(HEADER)
    rows.writerows(zip(ids, answers, strict=True))
    places.write_bytes(place, text.getvalue().encode())


def read_text(place: Place, header: str) -> str:
    """The CSV's text, without a byte-order mark. header: what its first line should be, for people."""
    try:
        return places.read_bytes(place).decode("utf-8-sig")
    except FileNotFoundError:
        raise BadInput(f"{place}: there is no such file. Give a CSV with {header}.") from None
    except UnicodeDecodeError as error:
        raise BadInput(f"{place}: not UTF-8 text ({error}). Save it as UTF-8 CSV.") from None


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
        answers.append(_plain(row[columns[1]]))
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
        problems += _unknown(place, lines, answers, {_plain(a) for a in allowed})
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
        return [_plain(answer) for answer in allowed]
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


def identical(names: Sequence[str], choices: np.ndarray) -> list[list[str]]:
    """The names whose choices (M, N) are the same on every row, two or more a list."""
    alike: dict[bytes, list[str]] = {}
    for name, row in zip(names, choices, strict=True):
        alike.setdefault(row.tobytes(), []).append(name)
    return [same for same in alike.values() if len(same) > 1]


def compare(paths: Sequence[Place]) -> dict:
    """How far submissions agree.

    Returns `files` (names), `rows`, `agreement` (M lists of M shares of equal answers), `identical`
    (lists of names that answer alike on every row), `counts` (name -> answer -> rows), `different`
    (pair `a | b` -> number of rows in which the two differ), `rows_that_differ` (pair -> [id,
    answer of a, answer of b] of each; of more than two files the first MOST_SHOWN a pair). Raises
    BadInput.
    """
    submissions = read_submissions(paths)
    names = list(submissions)
    classes = answer_classes(submissions)
    choices = class_numbers(submissions, classes)
    agreement = np.array([(choices == row).mean(axis=1) for row in choices])
    ids, most = submissions[names[0]].ids, None if len(names) == 2 else MOST_SHOWN
    differing = {}
    for (i, a), (j, b) in itertools.combinations(enumerate(names), 2):
        rows = np.flatnonzero(choices[i] != choices[j])
        said = (submissions[a].answers, submissions[b].answers)
        differing[f"{a} | {b}"] = (
            len(rows),
            [[str(ids[row]), *(str(answers[row]) for answers in said)] for row in rows[:most]],
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
    }


def _plain(answer: str) -> str:
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


def same_submissions(
    ids: np.ndarray, answers: Sequence[str], folder: Place, but: Place
) -> list[str]:
    """Paths `folder/<vote>/submission.csv`, except of the vote `but`, with these very answers."""
    if not places.exists(folder):
        return []
    wanted = dict(zip(ids.tolist(), map(_plain, answers), strict=True))
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
