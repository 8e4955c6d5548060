import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from ensembles.rules import pools
from ensembles.rules import votes as vote
from ensembles.rules.pools import Rule
from ensembles.scores import scorers
from ensembles.weights import offsets
from ensembles.weights.log_linear import TOLERANCE, log_linear_fit
from ensembles.weights.simplex import log_loss_weights, log_loss_without_each
from ensembles.weights.stack import stack_members


def log_linear_weights(stack, ridge=1.0, negative=False, start=None):
    return log_linear_fit(stack.logs(), stack.labels, ridge, negative=negative, start=start).weights


def pooled_loss(weights, logs, labels, ridge):
    logits = np.tensordot(weights, logs, axes=1)
    loss = -log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean()
    return loss + ridge / (2 * len(labels)) * np.sum((weights - 1 / len(weights)) ** 2)


def test_the_log_linear_pool_is_the_product_of_powers(draw):
    probabilities, _ = draw(3, 60, 4)
    weights = np.array([0.5, 1.2, -0.3])
    product = np.prod(probabilities.astype(float) ** weights[:, None, None], axis=0)
    expected = product / product.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(pools.mix(probabilities, weights, "log_linear"), expected, atol=1e-6)


@pytest.mark.parametrize("negative", [False, True])
def test_log_linear_weights_are_a_general_optimisers(draw, negative):
    probabilities, labels = draw(5, 400, 4)
    probabilities[4] = softmax(-0.6 * np.log(probabilities[0]) + np.log(probabilities[4]), axis=1)
    logs = np.log(probabilities.astype(float))
    weights = log_linear_weights(stack_members(probabilities, labels), 2.0, negative)
    best = minimize(
        pooled_loss,
        np.full(5, 0.2),
        (logs, labels, 2.0),
        bounds=None if negative else [(0, None)] * 5,
        method="L-BFGS-B",
        options={"ftol": 1e-14, "gtol": 1e-10},
    )
    assert pooled_loss(weights, logs, labels, 2.0) <= best.fun + 1e-7
    np.testing.assert_allclose(weights, best.x, atol=2e-3)
    assert negative or weights.min() >= 0
    again = log_linear_weights(
        stack_members(probabilities, labels), 2.0, negative, start=np.full(5, 0.6)
    )
    np.testing.assert_allclose(again, best.x, atol=2e-3)


def biased_loss(flat, logs, labels, ridge, bias_ridge):
    weights, bias = flat[: len(logs)], flat[len(logs) :]
    logits = np.tensordot(weights, logs, axes=1) + bias
    loss = -log_softmax(logits, axis=1)[np.arange(len(labels)), labels].mean()
    away = ridge * np.sum((weights - 1 / len(weights)) ** 2) + bias_ridge * np.sum(bias**2)
    return loss + away / (2 * len(labels))


@pytest.mark.parametrize("n_rows", [200, 5000])
def test_a_ridge_pool_with_class_bias_is_a_general_optimisers(draw, n_rows):
    probabilities, labels = draw(4, n_rows, 3)
    floor = 1e-2
    logs = np.log(np.maximum(probabilities, floor).astype(float))
    stack = stack_members(probabilities, labels)
    fit = log_linear_fit(stack.logs(floor), labels, 10.0, 3.0, negative=True)
    given = logs, labels, 10.0, 3.0
    best = minimize(biased_loss, np.full(7, 0.1), given, options={"gtol": 1e-9})
    assert fit.gradient <= TOLERANCE
    np.testing.assert_allclose(np.append(fit.weights, fit.bias), best.x, atol=1e-4)
    rule = Rule(fit.weights, "log_linear", fit.bias, floor=floor)
    expected = softmax(np.tensordot(best.x[:4], logs, axes=1) + best.x[4:], axis=1)
    np.testing.assert_allclose(rule.apply(probabilities), expected, atol=1e-4)
    np.testing.assert_allclose(rule.to_sum_1().apply(probabilities), expected, atol=1e-4)


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("n_rows", [600, 6000])
def test_weights_without_each_member_are_near_those_of_the_others_alone(draw, negative, n_rows):
    """Never worse than the others as they were, and most of the way to a fit of them alone: of
    members that err together, so that others take the place of the one that goes.
    """
    probabilities, labels = draw(5, n_rows, 4)
    shared = np.random.default_rng(1).normal(size=(n_rows, 4))
    probabilities = softmax(np.log(probabilities) + 2 * shared, axis=2).astype(np.float32)
    stack = stack_members(probabilities, labels)
    fit = log_linear_fit(stack.logs(), labels, 1.0, negative=negative)
    left, _ = fit.without_each()
    logs = np.log(probabilities.astype(float))
    gains, possible = [], []

    def loss(weights):
        return pooled_loss(weights, logs, labels, 1.0)

    for j in range(5):
        before = loss(np.where(np.arange(5) == j, 0, fit.weights))
        best = minimize(
            lambda w, j=j: loss(np.insert(w, j, 0)),
            np.full(4, 0.2),
            bounds=None if negative else [(0, None)] * 4,
            method="L-BFGS-B",
        ).fun
        found = loss(left[j])
        assert left[j, j] == 0
        assert best - 1e-5 <= found <= before + (1e-7 if n_rows == 600 else 3e-3)
        gains.append(before - found)
        possible.append(before - best)
    assert sum(gains) > 0.5 * sum(possible)


def test_log_loss_weights_without_each_member_are_near_those_of_the_others_alone(draw):
    probabilities, labels = draw(5, 600, 4)
    true = stack_members(probabilities, labels).true
    weights = log_loss_weights(true).weights
    left = log_loss_without_each(weights, true)
    for j in range(5):
        others = np.delete(np.arange(5), j)
        best = log_loss_weights(true[others]).weights
        losses = [-np.log(w @ true).mean() for w in (left[j], np.insert(best, j, 0))]
        assert left[j].sum() == pytest.approx(1)
        assert left[j, j] == 0
        assert losses[1] - 1e-9 <= losses[0] <= losses[1] + 2e-3


def test_a_share_of_1_k_is_mixed_into_what_rules_classes_out():
    hard = np.eye(4, dtype=np.float32)[[[0, 1, 2], [0, 1, 1]]]
    rule = Rule(np.array([0.5, 0.5]), epsilon=0.2)
    np.testing.assert_allclose(rule.apply(hard)[0], [0.85, 0.05, 0.05, 0.05], atol=1e-6)
    smooth = 0.8 * hard.astype(float) + 0.05
    product = np.prod(smooth ** np.array([1.5, 0.5])[:, None, None], axis=0)
    found = Rule(np.array([1.5, 0.5]), "log_linear", epsilon=0.2).apply(hard)
    np.testing.assert_allclose(found, product / product.sum(axis=1, keepdims=True), atol=1e-6)


def test_a_member_that_says_the_opposite_gets_a_negative_weight(draw):
    probabilities, labels = draw(3, 500, 4)
    probabilities[2] = softmax(-np.log(probabilities[2]), axis=1)
    data = stack_members(probabilities, labels)
    assert log_linear_weights(data, negative=True)[2] < -0.1
    assert log_linear_weights(data)[2] == pytest.approx(0, abs=1e-3)


def test_a_strong_ridge_gives_equal_weights_and_a_weak_one_the_optimum(draw):
    probabilities, labels = draw(6, 500, 4)
    data = stack_members(probabilities, labels)
    np.testing.assert_allclose(log_loss_weights(data.true, ridge=1e9).weights, 1 / 6, atol=1e-4)
    np.testing.assert_allclose(log_linear_weights(data, ridge=1e9), 1 / 6, atol=1e-4)
    free, weak = (log_loss_weights(data.true, ridge=r).weights for r in (0, 1e-6))
    np.testing.assert_allclose(weak, free, atol=1e-3)


def test_ridged_weights_are_the_penalised_optimum(draw):
    """f(w) = -(sum of log (w A) + ridge * mean of log w) / (N + ridge), by softmax coordinates."""
    probabilities, labels = draw(4, 200, 3)
    true = stack_members(probabilities, labels).true
    fit = log_loss_weights(true, ridge=30.0)

    def penalised(logits):
        w = softmax(logits)
        return -(np.log(w @ true).sum() + 30 * np.log(w).mean()) / 230

    best = minimize(penalised, np.zeros(4), options={"gtol": 1e-10})
    np.testing.assert_allclose(fit.weights, softmax(best.x), atol=1e-5)
    assert fit.gap <= 1e-8


def best_by_brute_force(logits, labels, k, steps, objective):
    found = []
    for step in steps:
        moved = logits.copy()
        moved[:, k] += step
        guess = moved.argmax(axis=1)
        accuracy = scorers.accuracy(labels, guess)
        f1 = scorers.macro_f1(labels, guess, logits.shape[1])
        found.append(accuracy if objective == "accuracy" else f1)
    return max(found)


@pytest.mark.parametrize("objective", ["macro_f1", "accuracy"])
def test_one_offsets_sweep_is_a_brute_force(objective):
    rng = np.random.default_rng(0)
    for _ in range(25):
        n_rows, n_classes = int(rng.integers(5, 60)), int(rng.integers(2, 6))
        mixed = rng.dirichlet(np.ones(n_classes), n_rows).astype(np.float32)
        labels, k = rng.integers(0, n_classes, n_rows), int(rng.integers(n_classes))
        start = rng.uniform(-0.5, 0.5, size=(3, n_classes))
        sweep = offsets._Sweep(
            offsets._draw([mixed], labels, offsets.drawn_bags(len(labels), 3)), start
        )
        steps = sweep.take_best(k, objective)
        rows = np.random.default_rng(0).integers(0, n_rows, (3, n_rows))
        for bag, step in enumerate(steps):
            logits, y = np.log(mixed[rows[bag]].astype(float)) + start[bag], labels[rows[bag]]
            ends = np.array([-1, 1]) * offsets.FURTHEST - start[bag, k]
            assert ends[0] <= step <= ends[1]
            every = best_by_brute_force(logits, y, k, np.linspace(*ends, 301), objective)
            assert best_by_brute_force(logits, y, k, [step], objective) >= every - 1e-9


def test_offsets_of_several_pools_are_each_pools_own(draw):
    probabilities, labels = draw(3, 200, 4)
    together = offsets.bagged_offsets_each(list(probabilities), labels)
    for mixed, found in zip(probabilities, together, strict=True):
        np.testing.assert_array_equal(found, offsets.bagged_offsets(mixed, labels))


def test_offsets_help_where_a_rare_class_is_never_predicted():
    rng = np.random.default_rng(0)
    labels = (rng.random(4000) < 0.05).astype(int)
    logit = rng.normal(size=4000) + 2 * labels - 4.5
    mixed = np.stack([1 / (1 + np.exp(logit)), 1 / (1 + np.exp(-logit))], axis=1)
    mixed = mixed.astype(np.float32)
    found = offsets.bagged_offsets(mixed[:2000], labels[:2000])
    assert found[1] > found[0]
    before, after = (
        scorers.macro_f1(labels[2000:], p[2000:].argmax(axis=1), 2)
        for p in (mixed, pools.adjust(mixed, found))
    )
    assert after > before + 0.05


def test_the_temperature_that_made_the_probabilities_is_found():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(20_000, 5)) * 2
    true = softmax(logits, axis=1)
    labels = (true.cumsum(axis=1) > rng.random((20_000, 1))).argmax(axis=1)
    for temperature in (0.5, 1.0, 3.0):
        sharp = softmax(logits / temperature, axis=1).astype(np.float32)
        assert offsets.fit_temperature(sharp, labels) == pytest.approx(1 / temperature, rel=0.05)


def test_a_temperature_moves_no_decision_and_weights_can_be_brought_to_sum_1(draw):
    probabilities, _ = draw(4, 200, 5)
    rule = Rule(np.array([0.9, 0.6, 0.0, 0.8]), "log_linear", np.array([0.1, 0, -0.2, 0, 0]), 1.0)
    plain = rule.apply(probabilities)
    np.testing.assert_allclose(rule.to_sum_1().apply(probabilities), plain, atol=1e-5)
    assert rule.to_sum_1().weights.sum() == pytest.approx(1)
    hot = Rule(rule.weights, rule.pool, rule.offsets, 3.0).apply(probabilities)
    np.testing.assert_array_equal(hot.argmax(axis=1), plain.argmax(axis=1))


def test_the_hard_pool_is_the_weighted_hard_vote(draw):
    probabilities, _ = draw(5, 300, 4)
    weights = np.array([0.4, 0.3, 0.1, 0.1, 0.1])
    votes = np.eye(4)[probabilities.argmax(axis=2)]
    counts = np.tensordot(weights, votes, axes=1)
    clear = np.sort(counts, axis=1)[:, -1] - np.sort(counts, axis=1)[:, -2] > 1e-6
    found = pools.mix(probabilities, weights, "hard").argmax(axis=1)
    np.testing.assert_array_equal(found[clear], counts.argmax(axis=1)[clear])
    np.testing.assert_array_equal(found, vote.hard(probabilities, weights * 7))
