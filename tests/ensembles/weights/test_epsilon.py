import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from ensembles.voting.candidates import Fits
from ensembles.weights.epsilon import fit_epsilon, pool_epsilon, tables_epsilon
from ensembles.weights.predicted import predicted
from ensembles.weights.stack import stack_members


@pytest.mark.parametrize("right", [0.3, 0.8, 0.99])
def test_the_share_is_a_general_optimisers(right):
    """Half a further row counts as one whose true class is ruled out."""
    rng = np.random.default_rng(0)
    true = np.where(rng.random(500) < right, rng.uniform(0.5, 1, 500), 0)
    counts, given = np.append(np.ones(500), 0.5), np.append(true, 0)
    best = minimize_scalar(
        lambda e: -counts @ np.log((1 - e) * given + e / 6), bounds=(0, 0.99), method="bounded"
    )
    assert fit_epsilon(true, 6) == pytest.approx(best.x, abs=1e-4)


def test_of_hard_votes_it_is_the_share_of_errors_over_that_of_chance():
    """One-hot tables right in 9 of 10 rows: (1 - e) + e / K = .9 is the likeliest."""
    labels = np.arange(1000) % 5
    said = np.where(np.arange(1000) % 10 == 0, (labels + 1) % 5, labels)
    hard = np.eye(5, dtype=np.float32)[said]
    assert tables_epsilon(hard[None], labels) == pytest.approx(0.1 * 5 / 4, abs=2e-3)


def test_tables_without_zeros_need_none(draw):
    probabilities, labels = draw(3, 100, 4)
    assert tables_epsilon(probabilities, labels) == 0
    assert pool_epsilon(probabilities[0], labels) == 0


def test_what_never_ruled_out_the_true_class_may_do_so_elsewhere():
    labels = np.arange(100) % 4
    assert 0 < pool_epsilon(np.eye(4, dtype=np.float32)[labels], labels) < 0.02


@pytest.mark.parametrize("name", ["log-linear, any sign", "ridge pool", "stacker"])
def test_what_is_fitted_with_a_share_is_applied_with_it(name):
    """Of hard votes: what the rule says equals what the fit saw of its own rows."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 300)
    said = np.where(rng.random((5, 300)) < 0.7, labels, rng.integers(0, 4, (5, 300)))
    stack = stack_members(np.eye(4, dtype=np.float32)[said], labels)
    fits = Fits(stack)
    rule = fits.rule(name)
    assert fits.epsilon > 0.2
    np.testing.assert_allclose(predicted(stack, rule), rule.apply(stack.probabilities), atol=1e-5)


def test_logs_are_those_of_probabilities_with_a_share_of_1_k(draw):
    probabilities, labels = draw(2, 60, 5)
    probabilities[:, :, 0] = 0
    found = stack_members(probabilities, labels).logs(epsilon=0.3)
    expected = np.log(0.7 * probabilities.astype(float) + 0.3 / 5).transpose(0, 2, 1)
    expected -= expected.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-5)
