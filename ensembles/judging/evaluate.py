"""Score a prediction file against the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from ensembles.errors import BadInput
from ensembles.files import places
from ensembles.files.ids import id_problems
from ensembles.files.parquet import read_table
from ensembles.files.places import Place
from ensembles.files.soft_submission import is_soft, soft_of
from ensembles.files.submission import (
    Submission,
    aligned,
    answer_classes,
    class_numbers,
    submission_of,
)
from ensembles.files.submissions.answers import look_alikes, plain_answer
from ensembles.files.submissions.columns import RECOGNISED, Columns, check_given, layout
from ensembles.files.submissions.sheet import Sheet, read_sheet
from ensembles.files.table import PROBABILITIES, Table
from ensembles.files.targets import target_indices
from ensembles.scores import by_part, metrics, scorers


@dataclass(frozen=True)
class Known:
    """Labels that are known beside a prediction: image id -> class, of `classes` by their names.

    place: where they stand, for what is said of them.
    """

    labels: Mapping[str, int]
    classes: Sequence[str]
    place: str


def evaluate(
    prediction: Place,
    truth: Place | None = None,
    columns: Columns = RECOGNISED,
    truth_column: str | None = None,
    known: Known | None = None,
) -> dict[str, Any]:
    """Score a submission, soft or of labels, or a probability table (Parquet) against the truth.

    truth: a file of ids and answers, read as submissions are; None: the labels that are known already
    are taken, of `known` where its classes are the prediction's, else those in its own table, and rows
    without are left out. A submission that a vote wrote has
    `probabilities.parquet` beside it, whose metadata names all classes and targets; of any other,
    the classes are the answers that occur. columns: the ids' and the answers' in either file, where
    they are not to be recognised; truth_column: the answers' in the truth.

    Returns `rows`; by name every metric of `metrics.METRICS` that takes decisions, of probabilities
    also those that take them and `calibration_error`; `standard_error` (of the metrics, over rows);
    `per_class` (as `by_part.by_class`); `per_target` (as `by_part.by_target`; empty where the
    classes stand for no targets); `truth` (`place` of the labels that were taken; `of`, how many rows the
    prediction has); `contradictions` (id, answer of the truth, known answer, where these differ);
    `notes` (remarks of reading). Raises BadInput with every problem: unreadable files, ids that
    differ, unknown answers, no truth.
    """
    guess, right = _read(prediction, truth, columns, truth_column)
    n_rows = len(guess.ids)
    table = guess if isinstance(guess, Table) and guess.meta else _table_beside(prediction)
    own = None if table is None else _own_labels(guess.ids, table, known, prediction)
    if right is None and (own is None or table is None):
        raise BadInput(
            f"{prediction}: no truth is given, and its table knows no labels. Give --truth CSV, ids and "
            "right answers."
        )
    of_truth = columns if truth_column is None else Columns(columns.ids, (truth_column,))
    place = own.place if right is None and own else str(truth)

    def actual(beside: Table | None) -> Submission:
        """The true answers, as the table's submission shows them."""
        if right is None:
            assert own is not None
            assert table is not None
            answers = [table.answers[own.labels[i]] for i in guess.ids]
            return Submission(guess.ids, np.array(answers, object))
        if beside is None:
            return submission_of(right, layout(right, of_truth))
        return _truth(right, of_truth, beside)

    if right is None and own is not None:
        guess = _with_labels(guess, own)
    if isinstance(guess, Table):
        report = _of_table(guess, actual(guess), prediction, place)
    else:
        report = _of_labels(guess, actual, prediction, place)
    found: list[list[str]] = []
    if right is not None and own is not None and table is not None:
        with suppress(BadInput):  # answers of another program, beside a table that has others
            found = _differing(actual(table), table, own)
    notes = [*report["notes"], *([_of_contradictions(found, place, own)] if found and own else [])]
    return report | {
        "truth": {"place": place, "of": n_rows}, "contradictions": found, "notes": notes
    }  # fmt: skip


def _own_labels(
    ids: np.ndarray, table: Table, known: Known | None, prediction: Place
) -> Known | None:
    """What is known already of some of the ids; None where nothing is."""
    if known and list(known.classes) == table.classes and any(i in known.labels for i in ids):
        return known
    if table.label is None:
        return None
    labels = dict(zip(table.ids.tolist(), table.label.tolist(), strict=True))
    if not any(i in labels for i in ids):
        return None
    return Known(labels, table.classes, f"the labels in {prediction}'s own table")


def _with_labels(guess: Table | Submission, own: Known) -> Any:
    """The rows whose label is known."""
    rows = np.array([i in own.labels for i in guess.ids])
    if isinstance(guess, Table):
        return guess.take(rows)
    return replace(guess, ids=guess.ids[rows], answers=guess.answers[rows])


def _differing(actual: Submission, table: Table, own: Known) -> list[list[str]]:
    """[id, answer of the truth, known answer] of each row where the two are not the same."""
    return [
        [str(i), str(answer), table.answers[own.labels[i]]]
        for i, answer in zip(actual.ids, actual.answers, strict=True)
        if i in own.labels and str(answer) != table.answers[own.labels[i]]
    ]


def _of_contradictions(found: list[list[str]], place: str, own: Known) -> str:
    shown = ", ".join(f"{i} is {right}, not {other}" for i, right, other in found[:3])
    return (
        f"{len(found)} answers of {place} are other than {own.place} has them: {shown}"
        f"{', ...' if len(found) > 3 else ''}. The former were taken."
    )


def _of_table(guess: Table, actual: Submission, prediction: Place, truth: str) -> dict[str, Any]:
    labels = _labels_for(guess.ids, actual, guess.answers, prediction, truth)
    report = _report(labels, guess.probabilities, guess.meta, guess.classes, metrics.METRICS)
    return report | {
        "calibration_error": scorers.calibration_error(labels, guess.probabilities),
        "notes": [*guess.notes, *actual.notes],
    }


def true_labels(truth: Place, table: Table, columns: Columns = RECOGNISED) -> np.ndarray:
    """(N,) int, the classes of a table's rows by a file of ids and answers.

    Raises BadInput where the file cannot be read, has other ids or answers that are no class.
    """
    sheet = read_sheet(truth)
    check_given([sheet], columns)
    actual = _truth(sheet, columns, table)
    return _labels_for(table.ids, actual, table.answers, "the tables", truth)


def _of_labels(
    guess: Submission,
    actual_of: Callable[[Table | None], Submission],
    prediction: Place,
    truth: str,
) -> dict[str, Any]:
    beside = _table_beside(prediction)
    meta: dict[str, Any] = {}
    if beside is not None and not set(guess.answers) <= set(beside.answers):
        guess = _as_answers(guess, beside)
    if beside is not None and set(guess.answers) <= set(beside.answers):
        answers, names, meta = beside.answers, beside.classes, beside.meta
        actual = actual_of(beside)
    else:
        actual = actual_of(None)
        files = aligned([prediction, truth], [guess, actual])
        answers = names = answer_classes(files)
    labels = _labels_for(guess.ids, actual, answers, prediction, truth)
    predictions = class_numbers({"prediction": guess}, answers)[0]
    decided = [name for name, metric in metrics.METRICS.items() if metric.takes == "decisions"]
    certain = np.eye(len(answers), dtype=np.float32)[predictions]
    report = _report(labels, certain, meta, names, decided)
    notes = [*guess.notes, *actual.notes, *look_alikes(answers)]
    return report | {"notes": notes}


def _read(
    prediction: Place, truth: Place | None, columns: Columns, truth_column: str | None
) -> tuple[Table | Submission, Sheet | None]:
    """The prediction, soft where it holds no answers of its own, and the truth's rows, if any."""
    sheets, problems = [], []
    right = None
    table = None
    try:
        if str(prediction).endswith(".parquet") and _is_table(prediction):
            table = read_table(prediction)
        else:
            sheets.append(read_sheet(prediction))
    except BadInput as error:
        problems += error.problems
    try:
        right = None if truth is None else read_sheet(truth)
    except BadInput as error:
        raise BadInput([*problems, *error.problems]) from None
    if problems:
        raise BadInput(problems)
    check_given([*sheets, *([right] if right else [])], columns)
    if truth_column is not None:
        if right is None:
            raise BadInput(
                "truth_column: of the truth, and none is given. Leave it out, or give one."
            )
        check_given([right], Columns((), (truth_column,)))
    if table is not None:
        return table, right
    found = layout(sheets[0], columns)
    read = soft_of if is_soft(sheets[0], found) else submission_of
    return read(sheets[0], found), right


def _is_table(prediction: Place) -> bool:
    try:
        return "image_id" in places.open_parquet(prediction).schema_arrow.names
    except (OSError, pa.ArrowException):
        return True  # its reader says what is wrong


def _truth(right: Sheet, columns: Columns, table: Table) -> Submission:
    """The true answers, as the table's submission shows them or as its classes are called."""
    found = layout(right, columns)
    try:
        return submission_of(right, found, table.answers)
    except BadInput:
        if table.classes == table.answers:
            raise
        try:
            named = submission_of(right, found, table.classes)
        except BadInput:
            named = None
        if named is None:
            raise
    return _as_answers(named, table)


def _as_answers(named: Submission, table: Table) -> Submission:
    """A submission of class names as one of the table's answers; as it is where it has others."""
    answer = dict(zip(map(plain_answer, table.classes), table.answers, strict=True))
    if not set(named.answers) <= set(answer):
        return named
    return replace(named, answers=np.array([answer[own] for own in named.answers], object))


def _report(
    labels: np.ndarray,
    probabilities: np.ndarray,
    meta: dict[str, Any],
    classes: list[str],
    names: Iterable[str],
) -> dict[str, Any]:
    n_classes, predictions = probabilities.shape[1], probabilities.argmax(axis=1)
    found = {name: metrics.METRICS[name] for name in names}
    counts = scorers.confusion(labels, predictions, n_classes)
    return {
        "rows": len(labels),
        **{name: metric.score(labels, probabilities) for name, metric in found.items()},
        "standard_error": {
            name: metric.standard_error(labels, probabilities) for name, metric in found.items()
        },
        "per_class": by_part.by_class(counts, classes),
        "per_target": by_part.by_target(labels, predictions, target_indices(meta, n_classes)),
    }


def _labels_for(
    ids: np.ndarray, truth: Submission, answers: list[str], prediction: Place, truth_path: Place
) -> np.ndarray:
    """(N,) int, the true class of each id in the prediction's order."""
    if problems := id_problems(str(truth_path), truth.ids, str(prediction), ids):
        raise BadInput(problems)
    actual = dict(zip(truth.ids, truth.answers, strict=True))
    number = {answer: k for k, answer in enumerate(answers)}
    return np.array([number[actual[i]] for i in ids])


def _table_beside(prediction: Place) -> Table | None:
    folder, slash, _ = str(prediction).rpartition("/")
    path = places.join(folder, PROBABILITIES) if slash else PROBABILITIES
    return read_table(path) if places.exists(path) else None
