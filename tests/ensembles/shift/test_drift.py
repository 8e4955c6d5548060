"""Drift is said where test rows differ, and rarely where they do not."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from scipy import stats

from ensembles.shift import chance
from ensembles.shift.drift import LEVEL, drift
from ensembles.shift.prior import prior_of
from tests.ensembles.shift.rows_of import held_out, rows, votes

EQUAL, FEW = np.full(4, 0.25), np.array([0.86, 0.08, 0.04, 0.02])


def found(oof, test, groups=None):
    seen, asked = held_out(*oof, groups), rows(test[0])
    return drift(seen, asked, prior_of(seen, asked))


@pytest.mark.parametrize(
    ("shares", "n_oof", "n_test", "group_size"),
    [
        (EQUAL, 400, 150, 1),
        (EQUAL, 420, 210, 7),
        (FEW, 150, 60, 1),
        (np.full(10, 0.1), 400, 400, 1),
    ],
)
def test_of_rows_of_one_kind_it_is_hardly_ever_said(shares, n_oof, n_test, group_size):
    """Without any tolerance, too, each comparison keeps to its part of LEVEL."""
    rng, said, alone, repeats = np.random.default_rng(0), 0, np.zeros(3), 120
    for _ in range(repeats):
        oof = votes(rng, shares, n_oof, group_size)
        test = votes(rng, shares, n_test, group_size)
        groups = np.arange(n_oof) // group_size if group_size > 1 else None
        seen, asked = held_out(*oof, groups), rows(test[0])
        prior = prior_of(seen, asked)
        said += drift(seen, asked, prior)["said"]
        columns = ((own.confidence[:, None], own.disagreement[:, None]) for own in (seen, asked))
        pairs = [chance.difference(*both, groups) for both in zip(*columns, strict=True)]
        pairs.append(prior.predicted)
        alone += [own.beyond(0.0, 0.0, 0.05).any() for own in pairs]
    assert said <= 0.05 * repeats
    most = stats.binom.ppf(0.999, repeats, 0.05)
    assert (alone <= most).all(), alone


def test_groups_that_err_together_would_be_said_without_them():
    """So the test above can fail: the same rows, taken for independent."""
    rng, alarms = np.random.default_rng(0), 0
    for _ in range(60):
        oof, test = (votes(rng, EQUAL, n, 30)[0].mean(axis=0) for n in (420, 210))
        alarms += chance.difference(oof, test).beyond(0.0, 0.0, 0.05).any()
    assert alarms > 12


def test_other_class_shares_are_said_by_class():
    rng = np.random.default_rng(1)
    there = found(votes(rng, EQUAL, 600), votes(rng, [0.55, 0.25, 0.1, 0.1], 300))
    assert there["said"]
    shares = there["class_shares"]
    assert shares["beyond_chance"][0]
    np.testing.assert_allclose(shares["test"], [0.55, 0.25, 0.1, 0.1], atol=0.08)
    np.testing.assert_allclose(shares["oof"], np.full(4, 0.25), atol=0.05)


def test_blurred_photographs_are_said_by_confidence_and_contradiction():
    rng = np.random.default_rng(2)
    there = found(votes(rng, EQUAL, 500), votes(rng, EQUAL, 200, sharpness=0.7))
    assert there["confidence"]["beyond_chance"]
    assert there["confidence"]["difference"] < -0.1
    assert there["disagreement"]["beyond_chance"]
    assert there["disagreement"]["test"] > there["disagreement"]["oof"]


def test_rows_that_members_learned_by_heart_are_said_by_confidence():
    rng = np.random.default_rng(3)
    there = found(votes(rng, EQUAL, 500, sharpness=1.1), votes(rng, EQUAL, 200, sharpness=2.5))
    assert there["confidence"]["beyond_chance"]
    assert there["confidence"]["difference"] > 0.05
    assert not there["disagreement"]["beyond_chance"]  # means over folds contradict each other less


def test_means_over_folds_models_are_no_drift():
    """Five noisy models of each member: an OOF row has one's answer, a test row the mean of all."""
    rng, said, lower = np.random.default_rng(4), 0, []
    for _ in range(100):
        labels = [rng.choice(4, n) for n in (400, 200)]
        logits = [2 * np.eye(4)[own] + rng.normal(size=(len(own), 4)) for own in labels]
        one = np.exp(logits[0] + rng.normal(size=(3, 400, 4)))
        five = np.exp(logits[1] + rng.normal(size=(5, 3, 200, 4)))
        oof, test = one / one.sum(-1, keepdims=True), five / five.sum(-1, keepdims=True)
        there = found((oof, labels[0]), (test.mean(axis=0), labels[1]))
        said += there["said"]
        lower.append(there["disagreement"]["difference"])
    assert np.mean(lower) < -0.05
    assert said <= 5


def test_one_member_and_few_groups():
    rng = np.random.default_rng(5)
    oof, test = votes(rng, EQUAL, 200, members=1), votes(rng, FEW, 100, 1, 0.5, members=1)
    assert found(oof, test)["disagreement"] is None
    assert found(oof, test)["said"]
    assert not found(oof, test, np.arange(200) // 50)["said"]  # four groups say nothing of chance


# -- chance ------------------------------------------------------------------------------------


@pytest.mark.parametrize("freedom", [5, 8, 30, 1e9])
@pytest.mark.parametrize("level", [0.95, 0.999, 1 - LEVEL / 30])
def test_the_quantile_is_students(freedom, level):
    expected = stats.t.ppf(level, freedom)
    assert chance.quantile(level, np.array([freedom]))[0] == pytest.approx(expected, rel=0.02)
    assert chance.quantile(level, np.array([1e12]))[0] == pytest.approx(NormalDist().inv_cdf(level))


def test_without_groups_the_error_is_welchs():
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(40, 1)), 3 + 2 * rng.normal(size=(90, 1))
    there = chance.difference(one, other)
    welch = stats.ttest_ind(other, one, equal_var=False)
    student = stats.ttest_ind(other, one, equal_var=True)
    least = min(welch.statistic[0], student.statistic[0])
    assert there.by[0] / there.error[0] == pytest.approx(least)
    assert there.freedom[0] == pytest.approx(welch.df[0])


def test_with_groups_the_error_is_that_of_their_sums():
    """Whole groups of equal rows are as many rows as there are groups."""
    rng = np.random.default_rng(0)
    one, other = rng.normal(size=(40, 1)), rng.normal(size=(90, 1))
    repeated = chance.difference(
        one.repeat(6, axis=0), other.repeat(6, axis=0), np.arange(240) // 6
    )
    assert repeated.error[0] == pytest.approx(chance.difference(one, other).error[0], rel=0.02)
