"""Public functions of arrays and tables: wrong shapes and values are refused, all with `BadInput`."""

import numpy as np
import pandas as pd
import pytest

import ensembles
from ensembles import BadInput, OofTable, Table, VoteClassifier, cast, fit_weights


@pytest.fixture
def parts(draw):
    return draw(3, 120, 4)


def table(probabilities, labels=None, **more):
    n = len(probabilities)
    ids = np.array([f"i{i}" for i in range(n)], object)
    if labels is None:
        return Table(ids, probabilities, **more)
    return OofTable(ids, probabilities, (np.arange(n) % 3).astype(np.int16), labels, **more)


WRONG = [
    (lambda p, y: (p[0], y), r"shape \(120, 4\), but must be \(members"),
    (lambda p, y: ([p[0], p[1][:, :3]], y), r"member_1: shape \(120, 3\)"),
    (lambda p, y: (p, y[:-1]), r"shape \(120, 4\), but must be \(119, 4\)"),
    (lambda p, y: (p, y[:, None]), r"y: shape \(120, 1\)"),
    (lambda p, y: (p, np.eye(4)[y]), "one-hot"),
    (lambda p, y: ([], y), "no members"),
    (lambda p, y: (p[:, :0], y[:0]), "no rows"),
    (lambda p, y: (np.where(p > 0.9, np.nan, p), y), "NaN"),
    (lambda p, y: (np.log(p), y), "log-probabilities"),
    (lambda p, y: (p * 2, y), "do not sum to 1"),
    (lambda p, y: (p, np.where(y == 1, np.nan, y)), "missing"),
    (lambda p, y: (None, y), "members: NoneType"),
    (lambda p, y: ([p[0] * 1j], y), "no numbers"),
]


@pytest.mark.parametrize(("change", "text"), WRONG)
def test_weights_and_classifier_refuse_the_same(parts, change, text):
    with pytest.raises(BadInput, match=text):
        fit_weights(*change(*parts), "log_loss")
    with pytest.raises(BadInput, match=text):
        VoteClassifier(objective="log_loss").fit(*change(*parts))


@pytest.mark.parametrize("objective", ["acuracy", None, 3, ["log_loss"], "macro_f1:age"])
def test_an_unknown_objective_is_refused(parts, objective):
    with pytest.raises(BadInput, match="objective:"):
        fit_weights(*parts, objective)
    if objective is not None:
        with pytest.raises(BadInput, match="objective:"):
            VoteClassifier(objective=objective).fit(*parts)


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (lambda y: y + 1, r"outside 0..3 in \d+ rows"),
        (lambda y: y - 1, "outside 0..3"),
        (lambda y: y + 0.5, "whole numbers"),
        (lambda y: y.astype(str), "whole numbers"),
    ],
)
def test_labels_that_are_no_numbers_of_classes_are_refused(parts, labels, text):
    probabilities, y = parts
    with pytest.raises(BadInput, match=text):
        fit_weights(probabilities, labels(y), "log_loss")


def test_weights_of_frames_are_those_of_arrays(parts):
    probabilities, y = parts
    right = fit_weights(probabilities, y, "macro_f1").weights
    ids = [f"i{i}" for i in range(120)]
    frames = [pd.DataFrame(p[:, ::-1], ids, [3, 2, 1, 0]) for p in probabilities]
    frames[1] = frames[1].sample(frac=1, random_state=0)
    found = fit_weights(frames, pd.Series(y, ids), "macro_f1").weights
    np.testing.assert_array_equal(found, right)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda p, y: {}, "no tables|at least one|no cost"),
        (lambda p, y: {"a": table(p[0][:, 0], y)}, "shape"),
        (lambda p, y: {"a": table(np.where(p[0] > 0.9, np.nan, p[0]), y)}, "NaN"),
        (lambda p, y: {"a": table(np.log(p[0]), y)}, r"outside \[0, 1\]"),
        (lambda p, y: {"a": table(p[0], (y + 1).astype(np.int16))}, "`label` outside"),
        (lambda p, y: {"a": table(p[0][:0], y[:0])}, "no rows"),
        (lambda p, y: {"a": table(p[0], y), "b": table(p[1][:, :3] + 1 / 12, y)}, "classes|sum"),
    ],
)
def test_functions_of_tables_refuse_what_no_vote_can_use(parts, change, text):
    given = change(*parts)
    for t in given.values():
        t.meta["milliseconds_per_photo"] = 1.0
    for function in (
        lambda: ensembles.align(given, "oof"),
        lambda: cast(given, None, "weighted", "log_loss"),
        lambda: cast(given, None, "soft"),
        lambda: ensembles.pareto(given),
    ):
        with pytest.raises(BadInput, match=text):
            function()


def test_unknown_modes_and_kinds_are_refused(parts):
    probabilities, y = parts
    tables = {"a": table(probabilities[0], y), "b": table(probabilities[1], y)}
    with pytest.raises(BadInput, match="mode"):
        cast(tables, None, "softly")
    with pytest.raises(BadInput, match="mode"):
        cast(tables, None, None)
    with pytest.raises(BadInput, match="objective"):
        cast(tables, None, "weighted", 3)
