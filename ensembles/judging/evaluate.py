"""Score a prediction file against the truth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ensembles.errors import BadInput, examples
from ensembles.files import places
from ensembles.files.parquet import read_table
from ensembles.files.places import Place
from ensembles.files.submission import Submission, answer_classes, class_numbers, read_submission
from ensembles.files.table import PROBABILITIES, Table
from ensembles.files.targets import target_indices
from ensembles.scores import by_part, metrics, scorers
from ensembles.scores.influence import standard_error


def evaluate(prediction: Place, truth: Place) -> dict[str, Any]:
    """Score a submission (CSV) or a probability table (Parquet) against a CSV `ImageID,ans`.

    A submission that a vote wrote has `probabilities.parquet` beside it, whose metadata names all
    classes and targets; of any other, the classes are the answers that occur.

    Returns `rows`; by name every metric of `metrics.METRICS` that takes decisions, of a probability
    table also those that take probabilities and `calibration_error`; `standard_error` (of the
    metrics, over rows); `per_class` (as `by_part.by_class`); `per_target` (as `by_part.by_target`;
    empty where the classes stand for no targets). Raises BadInput with every problem: unreadable
    files, ids that differ, unknown answers.
    """
    if str(prediction).endswith(".parquet"):
        table = read_table(prediction)
        actual = read_submission(truth, allowed=table.answers)
        labels = _labels_for(table.ids, actual, table.answers, prediction, truth)
        of_probabilities = {
            "calibration_error": scorers.calibration_error(labels, table.probabilities)
        }
        report = _report(labels, table.probabilities, table.meta, table.classes, metrics.METRICS)
        return report | of_probabilities
    beside = _table_beside(prediction)
    guess = read_submission(prediction)
    if beside is None or not set(guess.answers) <= set(beside.answers):
        actual, meta = read_submission(truth), {}
        answers = answer_classes({str(prediction): guess, str(truth): actual})
        names = answers
    else:
        answers, names, meta = beside.answers, beside.classes, beside.meta
        actual = read_submission(truth, allowed=answers)
    labels = _labels_for(guess.ids, actual, answers, prediction, truth)
    predictions = class_numbers({"prediction": guess}, answers)[0]
    decided = [name for name, metric in metrics.METRICS.items() if metric.takes == "decisions"]
    certain = np.eye(len(answers), dtype=np.float32)[predictions]
    return _report(labels, certain, meta, names, decided)


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
            name: standard_error(metric.influence(labels, probabilities))
            for name, metric in found.items()
        },
        "per_class": by_part.by_class(counts, classes),
        "per_target": by_part.by_target(labels, predictions, target_indices(meta, n_classes)),
    }


def _labels_for(
    ids: np.ndarray, truth: Submission, answers: list[str], prediction: Place, truth_path: Place
) -> np.ndarray:
    """(N,) int, the true class of each id in the prediction's order."""
    actual = dict(zip(truth.ids, truth.answers, strict=True))
    given = set(ids)
    problems = []
    for lacking, having, without in (
        (truth_path, prediction, [i for i in ids if i not in actual]),
        (prediction, truth_path, [i for i in truth.ids if i not in given]),
    ):
        if without:
            problems.append(
                f"{lacking}: {len(without)} ids of {having} are missing: {examples(without)}."
            )
    if problems:
        raise BadInput(problems)
    number = {answer: k for k, answer in enumerate(answers)}
    return np.array([number[actual[i]] for i in ids])


def _table_beside(prediction: Place) -> Table | None:
    folder, slash, _ = str(prediction).rpartition("/")
    path = places.join(folder, PROBABILITIES) if slash else PROBABILITIES
    return read_table(path) if places.exists(path) else None
