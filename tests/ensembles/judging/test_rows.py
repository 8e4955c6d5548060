"""Differences of votes with paired errors, hard rows, errors that are alike."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, log_loss

from ensembles.judging.hardest import hardest
from ensembles.judging.paired import paired_difference
from ensembles.judging.reasons import error_correlations
from ensembles.scores.scorers import calibration_error, reliability


def drawn(n: int, n_classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, n_classes, n)
    scores = rng.normal(size=(3, n, n_classes))
    scores[:, np.arange(n), labels] += 1.2
    powers = np.exp(scores)
    return labels, (powers / powers.sum(axis=2, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("metric", ["macro_f1", "log_loss"])
def test_a_difference_and_its_error_are_those_of_the_bootstrap(metric):
    labels, (one, other, _) = drawn(3000)
    one, other = (one + other) / 2, other

    def ahead(rows: np.ndarray) -> float:
        if metric == "log_loss":
            return log_loss(labels[rows], other[rows]) - log_loss(labels[rows], one[rows])
        guesses = one[rows].argmax(axis=1), other[rows].argmax(axis=1)
        first, second = (f1_score(labels[rows], guess, average="macro") for guess in guesses)
        return first - second

    found, error = paired_difference(metric, labels, one, other)
    assert found == pytest.approx(ahead(np.arange(3000)), abs=1e-6)
    assert found > 0
    rng = np.random.default_rng(1)
    draws = [ahead(rng.integers(0, 3000, 3000)) for _ in range(150)]
    assert error == pytest.approx(np.std(draws), rel=0.2)


def test_the_same_vote_is_not_ahead_of_itself_and_has_no_error():
    labels, (one, _, _) = drawn(100)
    assert paired_difference("accuracy", labels, one, one) == (0.0, 0.0)


def test_the_hardest_row_has_the_least_mean_log_probability_of_its_label():
    labels, probabilities = drawn(50)
    losses = [np.mean([-np.log(own[i, labels[i]]) for own in probabilities]) for i in range(50)]
    order = hardest(labels, probabilities)
    assert order.tolist() == sorted(range(50), key=lambda i: -losses[i])


def test_error_correlations_are_numpys():
    labels, probabilities = drawn(400)
    decided = probabilities.argmax(axis=2)
    expected = np.corrcoef((decided != labels).astype(float))
    np.testing.assert_allclose(error_correlations(labels, decided), expected, atol=1e-12)
    # one that is always right goes with nobody
    assert error_correlations(labels, np.stack([labels, decided[0]]))[0].tolist() == [0, 0]


def test_reliability_by_hand():
    probabilities = np.array([[0.95, 0.05], [0.5, 0.5], [0.45, 0.55], [0.1, 0.9]], np.float64)
    n, confident, right = reliability(np.array([0, 0, 0, 1]), probabilities, bins=10)
    assert n.tolist() == [0, 0, 0, 0, 1, 1, 0, 0, 1, 1]  # 0.5 and 0.9 are on borders: the lower bin
    assert confident[[4, 5, 8, 9]].tolist() == [0.5, 0.55, 0.9, 0.95]
    assert right[[4, 5, 8, 9]].tolist() == [1, 0, 1, 1]
    expected = (0.5 + 0.55 + 0.1 + 0.05) / 4
    assert calibration_error(np.array([0, 0, 0, 1]), probabilities, 10) == pytest.approx(expected)
