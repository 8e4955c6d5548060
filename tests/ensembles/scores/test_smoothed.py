"""Errors that count what has not been seen: rare classes, groups, scores of exactly 1."""

import numpy as np
import pytest
from sklearn import metrics as sk

from ensembles.scores import influence, smoothed
from ensembles.scores.metrics import METRICS

DECIDED = [name for name, metric in METRICS.items() if metric.takes == "decisions"]
K = 4


def rows_of(counts):
    """Labels and one-hot float32 probabilities with these confusion counts (K, K)."""
    truth, guess = np.nonzero(counts)
    truth, guess = (own.repeat(counts[truth, guess]) for own in (truth, guess))
    return truth, np.eye(len(counts), dtype=np.float32)[guess]


def draw(seed, n_rows=200):
    rng = np.random.default_rng(seed)
    truth = rng.choice(K, n_rows, p=[0.5, 0.3, 0.15, 0.05])
    guess = np.where(rng.random(n_rows) < 0.8, truth, rng.integers(0, K, n_rows))
    return truth, np.eye(K, dtype=np.float32)[guess]


@pytest.mark.parametrize("right", [0, 1, 25, 29, 30])
def test_the_error_of_accuracy_is_that_of_a_share_with_half_a_hit_and_half_a_miss_more(right):
    truth = np.arange(30) % K
    guess = np.where(np.arange(30) < right, truth, (truth + 1) % K)
    share, wrong = (right + 0.5) / 31, 30 - right
    squares = right * (1 - share) ** 2 + wrong * share**2
    unseen = 0.5 * (1 - share) ** 2 + 0.5 * share**2
    expected = np.sqrt(squares * 30 / 29 + unseen) / 30
    found = METRICS["accuracy"].standard_error(truth, np.eye(K, dtype=np.float32)[guess])
    assert found == pytest.approx(expected, rel=1e-12)


def test_the_error_of_macro_f1_is_that_of_scikit_learns_score_with_the_pseudo_units_as_rows():
    """Derivatives by differences of weighted scores: half a hit and half a miss a class."""
    truth, p = draw(0)
    guess = p.argmax(1)
    cells = [(i, j) for i in range(K) for j in range(K)]
    rows = np.array([*zip(truth, guess, strict=True), *cells])
    weights = np.r_[np.ones(len(truth)), [0.5 if i == j else 0.5 / (K - 1) for i, j in cells]]

    def score(weights):
        return sk.f1_score(*rows.T, average="macro", sample_weight=weights)

    step = 1e-5
    slopes = []
    for row in range(len(rows)):
        more, less = weights.copy(), weights.copy()
        more[row] += step
        less[row] -= step
        slopes.append((score(more) - score(less)) / (2 * step))
    real, unseen = np.array(slopes[: len(truth)]), np.array(slopes[len(truth) :])
    expected = real @ real * len(truth) / (len(truth) - 1) + weights[len(truth) :] @ unseen**2
    # influences are per row of all N + K rows and pseudo-units, the error is over the N
    scale = (len(truth) + K) / len(truth)
    found = METRICS["macro_f1"].standard_error(truth, p)
    assert found == pytest.approx(np.sqrt(expected) * scale, rel=1e-5)


def test_a_class_that_is_always_right_counts_and_the_more_the_rarer_it_is():
    found = []
    for n_rare in (80, 20, 8, 2):
        truth, p = rows_of(np.diag([100, n_rare]))
        assert influence.standard_error(METRICS["macro_f1"].influence(truth, p)) == 0
        found.append(METRICS["macro_f1"].standard_error(truth, p))
    assert 0 < found[0] < found[1] < found[2] < found[3]


@pytest.mark.parametrize("name", ["macro_f1", "balanced_accuracy"])
def test_with_a_rare_class_scores_lie_as_far_from_the_truth_as_the_error_says(name):
    """2,000 draws of 120 rows with about 6 of a class that is right in any share of its rows. By the
    delta method they are often 4 and more errors away: where all its rows are right or none is, the
    class has no influence at all."""
    rng, metric = np.random.default_rng(1), METRICS[name]
    smooth, plain = [], []
    for right in rng.random(2000):
        shares = np.array([[0.855, 0.095], [0.05 * (1 - right), 0.05 * right]])
        truth, p = rows_of(rng.multinomial(120, shares.ravel()).reshape(2, 2))
        away = metric.score(truth, p) - metric.score_counts(np.round(shares * 1e6))
        smooth.append(away / metric.standard_error(truth, p))
        plain.append(away / influence.standard_error(metric.influence(truth, p)))
    assert np.mean(np.abs(smooth) <= 1) == pytest.approx(0.68, abs=0.04)
    assert np.mean(np.abs(smooth) <= 2) > 0.9
    assert np.mean(np.abs(smooth) > 4) < 0.01
    assert np.mean(np.abs(plain) <= 2) < 0.86
    assert np.mean(np.abs(plain) > 4) > 0.05


@pytest.mark.parametrize("name", DECIDED)
def test_rows_of_a_group_that_are_all_alike_count_as_one(name):
    truth, p = draw(2)
    once = METRICS[name].standard_error(truth, p)
    groups = np.arange(len(truth)).repeat(5)
    many = METRICS[name].standard_error(truth.repeat(5), p.repeat(5, axis=0), None, groups)
    assert many == pytest.approx(once, rel=1e-12)


def test_a_unit_is_as_many_rows_of_a_class_as_a_group_has_that_has_any():
    truth = np.array([0, 0, 0, 1, 0, 1, 1, 2])
    groups = np.array([0, 0, 0, 0, 1, 1, 1, 2])
    assert smoothed.unit_sizes(truth, groups, 4).tolist() == [2, 1.5, 1, 0]
    assert smoothed.unit_sizes(truth, None, 4).tolist() == [1, 1, 1, 1]


def test_rows_of_a_group_that_err_independently_are_a_unit_each():
    """Groups that mean nothing: 40 rows each, a rare class among them that is always right."""
    truth, p = draw(6, 4000)
    truth[truth == 2], p[truth == 2] = 3, np.eye(K, dtype=np.float32)[3]
    groups = np.arange(4000) % 100
    for name in DECIDED:
        alone = METRICS[name].standard_error(truth, p)
        assert METRICS[name].standard_error(truth, p, None, groups) == pytest.approx(alone, rel=0.2)
    assert smoothed.effective_sizes(np.array([40.0, 3]), 2.0, 2.0 * 12).tolist() == [12, 3]
    assert smoothed.effective_sizes(np.array([40.0, 3]), 2.0, 1.0).tolist() == [1, 1]
    assert smoothed.effective_sizes(np.array([40.0, 3]), 0.0, 0.0).tolist() == [40, 3]


@pytest.mark.parametrize("name", DECIDED)
def test_of_many_rows_of_each_class_it_is_the_delta_method(name):
    truth, p = draw(3, 40_000)
    metric = METRICS[name]
    expected = influence.standard_error(metric.influence(truth, p))
    assert metric.standard_error(truth, p) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("name", DECIDED)
def test_a_class_that_never_occurs_adds_nothing(name):
    """Its share of the false alarms apart."""
    truth, p = draw(4)
    wider = np.c_[p, np.zeros(len(p), np.float32)]
    metric = METRICS[name]
    found, without = metric.standard_error(truth, wider), metric.standard_error(truth, p)
    mean_over = (K + 1) / K if metric.over_classes else 1  # the class counts as 0 in the mean
    assert found * mean_over == pytest.approx(without, rel=0.03)


@pytest.mark.parametrize("name", METRICS)
def test_one_row_and_one_class_have_an_error_that_is_a_number(name):
    for counts in (np.diag([1, 0]), np.diag([9, 0]), np.array([[0, 1], [0, 0]])):
        truth, p = rows_of(counts)
        assert np.isfinite(METRICS[name].standard_error(truth, p))
        assert np.isfinite(METRICS[name].standard_error(truth, p, None, np.zeros(len(truth))))


@pytest.mark.parametrize("name", DECIDED)
def test_of_a_target_it_is_the_error_of_its_values(name):
    truth, p = draw(5)
    values = np.array([0, 1, 0, 1])
    merged = np.eye(2, dtype=np.float32)[values[p.argmax(1)]]
    expected = METRICS[name].standard_error(values[truth], merged)
    assert METRICS[name].standard_error(truth, p, values) == pytest.approx(expected, rel=1e-12)
