"""Scores and errors made together are those of each metric alone, whatever they share."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

from ensembles.scores import metrics
from ensembles.scores.together import scores_and_errors

NAMES = np.array([f"person {own}" for own in np.random.default_rng(1).integers(0, 60, 400)], object)


@pytest.fixture
def drawn():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, 400)
    return labels, rng.dirichlet(np.ones(6), 400).astype(np.float32)


@pytest.mark.parametrize("groups", [None, NAMES], ids=["rows", "groups"])
def test_each_is_what_the_metric_says_alone(drawn, groups):
    sexes = np.array([0, 0, 0, 1, 1, 1])
    views = dict.fromkeys(("macro_f1:sex", "accuracy:sex", "log_loss:sex"), sexes)
    views |= {"roc_auc": None, "mcc": None}
    scores, errors = scores_and_errors(*drawn, groups, views)
    assert scores == metrics.score_all(*drawn, views)
    assert errors == metrics.standard_errors(*drawn, groups, views)
    assert set(scores) == {*metrics.REPORTED, *views}


def test_scores_are_those_of_scikit_learn(drawn):
    labels, probabilities = drawn
    scores, _ = scores_and_errors(*drawn)
    decided, exact = probabilities.argmax(axis=1), probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    assert scores["macro_f1"] == pytest.approx(f1_score(labels, decided, average="macro"))
    assert scores["accuracy"] == pytest.approx(accuracy_score(labels, decided))
    assert scores["log_loss"] == pytest.approx(log_loss(labels, exact, labels=range(6)))
