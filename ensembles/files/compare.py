"""Submission files beside each other: how far they agree, and which are the same."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ensembles.errors import BadInput
from ensembles.files import places
from ensembles.files.places import Place
from ensembles.files.submission import (
    answer_classes,
    class_numbers,
    plain_answer,
    read_submission,
    read_submissions,
)

MOST_SHOWN = 100


def identical(names: Sequence[str], choices: np.ndarray) -> list[list[str]]:
    """The names whose choices (M, N) are the same on every row, two or more a list."""
    alike: dict[bytes, list[str]] = {}
    for name, row in zip(names, choices, strict=True):
        alike.setdefault(row.tobytes(), []).append(name)
    return [same for same in alike.values() if len(same) > 1]


def compare(paths: Sequence[Place]) -> dict[str, Any]:
    """How far submissions agree.

    Returns `files` (names), `rows`, `agreement` (M lists of M shares of equal predictions), `identical`
    (lists of names with the same predictions on every row), `counts` (name -> answer -> rows), `different`
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
    }


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
