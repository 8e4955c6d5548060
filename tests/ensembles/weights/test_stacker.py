import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from ensembles.rules.pools import Rule
from ensembles.rules.stacker import Stacker, of_members, of_pool
from ensembles.weights.predicted import predicted
from ensembles.weights.stack import stack_members
from ensembles.weights.stacker import TOLERANCE, stacker_coefficients


@pytest.fixture
def data(draw):
    return stack_members(*draw(3, 400, 4))


def test_beside_a_pool_that_says_nothing_it_is_scikit_learns_logistic_regression(data):
    nothing = np.full((4, 400), 0.25, np.float32)
    given = of_members(data.logs())
    found = stacker_coefficients(nothing, given, data.labels, ridge=5.0)
    peer = LogisticRegression(C=1 / 5, tol=1e-8, max_iter=1000, fit_intercept=False)
    peer.fit(given.T, data.labels)
    np.testing.assert_allclose(found, peer.coef_, atol=1e-3)


def test_beside_a_pool_it_is_a_general_optimisers(data):
    pooled = np.ascontiguousarray(Rule(np.full(3, 0.5), "log_linear").apply(data.probabilities).T)
    given = of_pool(pooled, 1e-3)
    logits = np.log(pooled.astype(float))

    def loss(flat):
        moved = log_softmax(logits + flat.reshape(4, 5) @ given, axis=0)
        return -moved[data.labels, np.arange(400)].mean() + 50 / 800 * flat @ flat

    best = minimize(loss, np.zeros(20), options={"gtol": 1e-9})
    found = stacker_coefficients(pooled, given, data.labels, ridge=50.0)
    np.testing.assert_allclose(found.ravel(), best.x, atol=1e-4)
    again = stacker_coefficients(pooled, given, data.labels, 50.0, start=np.full((4, 5), 0.3))
    np.testing.assert_allclose(again, found, atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_it_ends_where_the_gradient_is_as_small_as_promised(draw, seed):
    """Also where float32 rounding hides that the last steps still go down."""
    stack = stack_members(*draw(8, 300, 6, seed=seed))
    pooled = np.ascontiguousarray(Rule(np.full(8, 0.2), "log_linear").apply(stack.probabilities).T)
    given = of_members(stack.logs(1e-3))
    found = stacker_coefficients(pooled, given, stack.labels, ridge=100.0)
    chances = softmax(np.log(pooled.astype(float)) + found @ given, axis=0)
    chances[stack.labels, np.arange(300)] -= 1
    gradient = chances @ given.T / 300 + 100.0 / 300 * found
    assert abs(gradient).max() < 1.5 * TOLERANCE


def test_a_strong_pull_leaves_the_pool_as_it_is(data):
    pooled = np.ascontiguousarray(Rule(np.full(3, 0.5), "log_linear").apply(data.probabilities).T)
    found = stacker_coefficients(pooled, of_members(data.logs()), data.labels, ridge=1e9)
    assert abs(found).max() < 1e-5


@pytest.mark.parametrize("features", ["members", "pool"])
def test_its_logits_are_the_pools_and_a_linear_function_of_features(data, features):
    base = Rule(np.array([0.5, 0.9, -0.2]), "log_linear", np.array([0.1, 0, 0, -0.3]), floor=1e-3)
    rng = np.random.default_rng(0)
    v = rng.normal(size=(4, 13 if features == "members" else 5)) * 0.1
    said = Stacker(base, features, v, temperature=1.4).apply(data.probabilities)
    pooled = base.apply(data.probabilities).astype(float)
    sources = data.probabilities if features == "members" else pooled[None]
    logs = np.log(np.maximum(sources.astype(float), 1e-3))
    logs -= logs.mean(axis=2, keepdims=True)
    x = np.concatenate([*logs, np.ones((400, 1))], axis=1)
    expected = softmax((np.log(pooled) + x @ v.T) / 1.4, axis=1)
    np.testing.assert_allclose(said, expected, atol=1e-5)
    rule = Stacker(base, features, v, temperature=1.4)
    np.testing.assert_allclose(predicted(data, rule), said, atol=1e-6)
    batches = [rule.apply(data.probabilities[:, rows]) for rows in (slice(0, 150), slice(150, 400))]
    np.testing.assert_allclose(np.concatenate(batches), said, atol=1e-6)


def test_without_a_member_nothing_of_it_is_left(data):
    base = Rule(np.array([0.5, 0.9, 0.3]), "log_linear", np.zeros(4), floor=1e-3)
    v = np.random.default_rng(0).normal(size=(4, 13))
    left = Stacker(base, "members", v).without(1)
    other = data.probabilities.copy()
    other[1] = other[1][::-1]
    np.testing.assert_array_equal(left.apply(data.probabilities), left.apply(other))
