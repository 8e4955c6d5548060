"""What is computed for many rules at once is what each says alone."""

import numpy as np
import pytest

from ensembles.rules.mean import MeanRule
from ensembles.rules.pools import Rule
from ensembles.voting.candidates import Fits
from ensembles.weights.log_linear import log_linear_fit
from ensembles.weights.predicted import predicted_each, predicted_without_each
from ensembles.weights.stack import stack_members

KINDS = ("best single", "uniform", "top-k", "log-loss weights", "log-linear", "ridge pool")
OFFSETS = ("uniform + offsets", "log-linear, any sign + offsets")
STACKERS = ("strong stacker", "stacker")


@pytest.fixture(params=["soft", "one-hot"])
def fitted(draw, request):
    probabilities, labels = draw(5, 300, 4)
    if request.param == "one-hot":
        probabilities = np.eye(4, dtype=np.float32)[probabilities.argmax(axis=2)]
    stack = stack_members(probabilities, labels)
    fits = Fits(stack, removable=True)
    names = (*KINDS, *OFFSETS, *STACKERS)
    parts = {name: fits.rule(name) for name in names}
    for at, part in enumerate(parts.values()):
        part.temperature = 0.7 + at / 10
    return stack, MeanRule(parts, np.full(len(parts), 1 / len(parts)), 1.1)


def test_rules_that_share_their_pools_say_what_each_says_alone(fitted):
    stack, mean = fitted
    rules = [*mean.parts.values(), mean]
    for rule, said in zip(rules, predicted_each(stack, rules), strict=True):
        assert said == pytest.approx(rule.apply(stack.probabilities), abs=2e-6)


def test_a_mean_is_the_sum_of_its_parts_alone(fitted):
    stack, mean = fitted
    alone = [part.apply(stack.probabilities).astype(float) for part in mean.parts.values()]
    assert mean.mix(stack.probabilities) == pytest.approx(np.mean(alone, axis=0), abs=1e-6)


def test_without_each_member_it_is_the_rule_without_it(fitted):
    stack, mean = fitted
    whole, without = predicted_without_each(stack, mean)
    assert whole == pytest.approx(mean.apply(stack.probabilities), abs=2e-6)
    for j in range(stack.n_members):
        alone = mean.without(j).apply(stack.probabilities)
        assert without[j] == pytest.approx(alone, abs=2e-6)


@pytest.mark.parametrize("n_rows", [1, 7, 40])
def test_a_row_is_the_same_bit_for_bit_however_many_stand_beside_it(draw, fitted, n_rows):
    _, mean = fitted
    probabilities, _ = draw(5, 3000, 4, seed=3)
    every = mean.apply(probabilities)
    for begin in (0, 1020, 2950):
        rows = slice(begin, begin + n_rows)
        assert np.array_equal(mean.apply(probabilities[:, rows]), every[rows])


def test_tied_hard_votes_stay_tied_with_equal_weights():
    probabilities = np.eye(3, dtype=np.float32)[[[0], [1], [2], [1], [0], [2], [2]]]
    probabilities = np.concatenate([probabilities, probabilities[::-1]], axis=1)
    stack = stack_members(probabilities[:6], np.zeros(2, int))
    said = predicted_each(stack, [Rule(np.full(6, 1 / 6))])[0]
    assert said[0, 0] == said[0, 1] == said[0, 2]


@pytest.mark.parametrize("negative", [False, True])
def test_from_another_start_and_from_logs_in_parts_the_pool_is_the_same(draw, negative):
    probabilities, labels = draw(5, 600, 4)
    stack, folds = stack_members(probabilities, labels), np.arange(600) % 3
    parts = [(np.flatnonzero(folds == f), stack.take(folds == f)) for f in range(3)]
    there = stack.held_in(parts)
    plain = log_linear_fit(stack.logs(), labels, 10.0, negative=negative)
    some = log_linear_fit(parts[0][1].logs(), parts[0][1].labels, 10.0, negative=negative)
    split = log_linear_fit(there.log_parts(), labels, 10.0, negative=negative, start=some.at)
    for fit in (plain, some, split):
        assert fit.gradient <= 1e-6
    assert split.weights == pytest.approx(plain.weights, abs=2e-4)
    assert split.without_each()[0] == pytest.approx(plain.without_each()[0], abs=2e-3)
    assert np.array_equal(there.logs(), stack.logs())
