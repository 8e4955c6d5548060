import itertools

import numpy as np
import pytest

from ensembles.lazy.order import cost_of, influence, n_asked_of, order_of, order_on
from ensembles.lazy.vote import lazy_vote
from ensembles.rules.mean import MeanRule
from ensembles.rules.pools import Rule
from tests.ensembles.lazy.drawn import tables


def test_the_most_weight_for_its_cost_comes_first_and_none_without_weight():
    rule = Rule(np.array([0.2, 0.5, 0.0, 0.3]))
    assert order_of(rule, [1, 1, 1, 1]).tolist() == [1, 3, 0]
    assert order_of(rule, [1, 10, 1, 3]).tolist() == [0, 3, 1]
    assert order_of(Rule(np.full(3, 1 / 3), "hard"), [2, 1, 2]).tolist() == [1, 0, 2]


def test_weights_below_0_count_by_their_size():
    assert influence(Rule(np.array([1.0, -2.0, 1.0]), "log_linear")).tolist() == [0.25, 0.5, 0.25]


def test_a_members_weight_in_a_mean_is_that_of_its_parts():
    parts = {
        "a": Rule(np.array([1.0, 0.0, 0.0])),
        "b": Rule(np.array([0.0, 3.0, -1.0]), "log_linear"),
    }
    rule = MeanRule(parts, np.array([0.4, 0.6]))
    np.testing.assert_allclose(influence(rule), [0.4, 0.45, 0.15])
    assert order_of(rule, [1, 1, 1]).tolist() == [1, 0, 2]


@pytest.mark.parametrize("costs", [[1, 2], [1, 2, 0], [1, np.inf, 1], [1, np.nan, 1]])
def test_costs_are_numbers_above_0_one_a_member(costs):
    with pytest.raises(ValueError, match="must be 3 numbers above 0"):
        order_of(Rule(np.ones(3)), costs)


def test_what_a_row_costs_is_what_the_driver_asks():
    rng = np.random.default_rng(0)
    probabilities, costs = tables(rng, 5, 200, 4), rng.uniform(1, 9, 5)
    rule = Rule(rng.dirichlet(np.ones(5)))
    order = order_of(rule, costs)
    found = lazy_vote(rule, lambda member, rows: probabilities[member, rows], 200, 4, order)
    assert n_asked_of(rule, probabilities, order).tolist() == found.asked.sum(axis=0).tolist()
    expected = (costs @ found.asked).mean()
    assert cost_of(rule, probabilities, order, costs) == pytest.approx(expected)


def test_an_order_from_tables_costs_no_more_there_and_is_near_the_best_of_all():
    rng, gaps, gains = np.random.default_rng(1), [], []
    for _ in range(8):
        probabilities, costs = tables(rng, 5, 200, 3), 8 ** rng.random(5)
        rule = Rule(rng.dirichlet(np.ones(5)), str(rng.choice(["hard", "linear"])))
        found = order_on(rule, costs, probabilities)
        assert sorted(found.tolist()) == list(range(5))
        own = cost_of(rule, probabilities, found, costs)
        first = cost_of(rule, probabilities, order_of(rule, costs), costs)
        least = min(
            cost_of(rule, probabilities, np.array(order), costs)
            for order in itertools.permutations(range(5))
        )
        assert own <= first
        gaps.append(own / least - 1)
        gains.append(first / least - 1)
    assert np.mean(gaps) < 0.02
    assert np.mean(gaps) < np.mean(gains) < 0.1
