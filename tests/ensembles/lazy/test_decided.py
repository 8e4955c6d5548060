import itertools

import numpy as np
import pytest

from ensembles.lazy.decided import decided, leads, needed
from ensembles.rules.mean import MeanRule
from ensembles.rules.pools import Rule
from tests.ensembles.lazy.drawn import KINDS, one_hot, rule_of, tables

NAN = np.float32(np.nan)


def asked_in_turn(rng, rule):
    """What is known after one member, after two, and so on to all but the last, in a drawn order."""
    asked = np.zeros(len(needed(rule)), bool)
    for member in rng.permutation(np.flatnonzero(needed(rule)))[:-1]:
        asked[member] = True
        yield asked


def hidden(probabilities, asked):
    """What is not asked yet is not there to be read."""
    return np.where(asked[:, None, None], probabilities, NAN)


def answers(rule, probabilities):
    return rule.apply(probabilities).argmax(axis=1)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_certain_is_the_answer_of_the_whole_vote(kind):
    """50,000 rows a kind."""
    rng, n_certain = np.random.default_rng(7), 0
    for _ in range(125):
        n_members, n_classes = rng.integers(2, 9), rng.integers(2, 7)
        rule, probabilities = (
            rule_of(rng, n_members, n_classes, kind),
            tables(rng, n_members, 400, n_classes),
        )
        whole = answers(rule, probabilities)
        for asked in asked_in_turn(rng, rule):
            classes, certain = decided(rule, hidden(probabilities, asked), asked)
            assert (classes[certain] == whole[certain]).all(), rule
            n_certain += int(certain.sum())
    assert n_certain > 10_000


def worst(probabilities, weights, asked, own, rival):
    """All who were not asked are for the rival and against the row's own class, by their sign."""
    n_rows, n_classes = probabilities.shape[1:]
    found = probabilities.copy()
    for j in np.flatnonzero(~asked):
        found[j] = one_hot(np.full(n_rows, rival) if weights[j] >= 0 else own, n_classes)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_the_others_may_say_changes_what_is_certain(kind):
    rng = np.random.default_rng(11)
    for _ in range(60):
        n_members, n_classes = rng.integers(2, 8), rng.integers(2, 6)
        rule, probabilities = (
            rule_of(rng, n_members, n_classes, kind),
            tables(rng, n_members, 100, n_classes),
        )
        weights = np.ones(n_members) if isinstance(rule, MeanRule) else rule.weights
        for asked in asked_in_turn(rng, rule):
            classes, certain = decided(rule, hidden(probabilities, asked), asked)
            others = [worst(probabilities, weights, asked, classes, k) for k in range(n_classes)]
            others += [tables(rng, n_members, 100, n_classes) for _ in range(2)]
            for other in others:
                other[asked] = probabilities[asked]
                assert (answers(rule, other)[certain] == classes[certain]).all(), rule


@pytest.mark.parametrize("kind", ["hard", "linear", "log_linear"])
def test_what_is_not_certain_can_be_changed(kind):
    """Up to the margin: by one of the tables that speak for one class."""
    rng, n_open = np.random.default_rng(13), 0
    for _ in range(60):
        n_members, n_classes = rng.integers(2, 8), rng.integers(2, 6)
        rule, probabilities = (
            rule_of(rng, n_members, n_classes, kind),
            tables(rng, n_members, 100, n_classes),
        )
        if kind == "hard":
            rule.offsets = None
        for asked in asked_in_turn(rng, rule):
            classes, ahead = leads(rule, hidden(probabilities, asked), asked)
            changed = np.zeros(100, bool)
            for rival in range(n_classes):
                other = worst(probabilities, rule.weights, asked, classes, rival)
                changed |= answers(rule, other) != classes
            margin = 0 if kind == "hard" else 1e-3 / min(rule.temperature, 1)
            assert changed[ahead <= -margin].all(), rule
            n_open += int((ahead <= -margin).sum())
    assert n_open > 5_000


@pytest.mark.parametrize("kind", KINDS)
def test_against_every_answer_on_a_grid(kind):
    """Three classes, four members, up to two of them silent: whatever they say in steps of a sixth."""
    rng = np.random.default_rng(17)
    grid = [
        (i / 6, j / 6, (6 - i - j) / 6)
        for i, j in itertools.product(range(6 + 1), repeat=2)
        if i + j <= 6
    ]
    grid = np.array(grid, np.float32)
    seen = {True: 0, False: 0}
    for _ in range(8):
        rule = rule_of(rng, 4, 3, kind)
        probabilities = grid[rng.integers(0, len(grid), (4, 20))]
        for silent in [(3,), (0,), (1, 2)]:
            asked = ~np.isin(np.arange(4), silent)
            if not (needed(rule) & ~asked).any():
                continue
            classes, certain = decided(rule, hidden(probabilities, asked), asked)
            safe = np.ones(20, bool)
            for said in itertools.product(grid, repeat=len(silent)):
                other = probabilities.copy()
                other[list(silent)] = np.array(said)[:, None]
                safe &= answers(rule, other) == classes
            assert not (certain & ~safe).any(), rule
            if kind in ("hard", "linear") and rule.offsets is None:
                # the worst that may be said is on the grid; a tie within float32 is left open
                assert np.mean(safe & ~certain) <= 0.1, rule
            for own in certain.tolist():
                seen[own] += 1
    assert min(seen.values()) > 15


def test_a_tie_that_the_rest_can_still_make():
    """By hand. Two for class 0, one silent who may make it two to one, or two silent, two to two."""
    p = np.zeros((4, 1, 3), np.float32)
    p[:2, 0] = [0.6, 0.4, 0.0]
    p[2, 0] = [0.0, 0.1, 0.9]
    hard = Rule(np.full(4, 0.25), "hard")
    three = np.array([True, True, True, False])
    # class 2 comes to a tie, and to .9 + 1 beside 1.2
    assert not decided(hard, p, three)[1][0]
    p[:2, 0] = [1.0, 0.0, 0.0]
    # to 1.9 beside 2
    assert decided(hard, p, three)[1][0]
    # a tie in sums, too: the earliest-listed member of those who vote for one of them decides
    p[2, 0] = [0.0, 0.0, 1.0]
    assert decided(hard, p, three)[1][0]
    assert not decided(hard, p[::-1], three[::-1])[1][0]


def test_halves_of_a_linear_pool():
    """By hand: .7 and .2 of .6 are .42 and .12; the other .4 make .42 and .52."""
    p = np.zeros((2, 2, 3), np.float32)
    p[0] = [[0.7, 0.2, 0.1], [0.9, 0.05, 0.05]]
    classes, certain = decided(Rule(np.array([0.6, 0.4])), p, np.array([True, False]))
    assert classes.tolist() == [0, 0]
    # .54 beside .43
    assert certain.tolist() == [False, True]
    # an offset of log(.5) makes .27 of it
    turned = Rule(np.array([0.6, 0.4]), offsets=np.log([0.5, 1.0, 1.0]))
    assert not decided(turned, p, np.array([True, False]))[1].any()


def test_the_floor_bounds_a_log_linear_pool():
    """By hand: weights of 1 and 1/2, a floor of .01; the other can turn a ratio by 100 ** .5 = 10."""
    p = np.zeros((2, 2, 2), np.float32)
    p[0] = [[0.9, 0.1], [0.92, 0.08]]
    rule = Rule(np.array([1.0, 0.5]), "log_linear", floor=0.01)
    assert decided(rule, p, np.array([True, False]))[1].tolist() == [False, True]
    below = Rule(np.array([1.0, -0.5]), "log_linear", floor=0.01)
    assert decided(below, p, np.array([True, False]))[1].tolist() == [False, True]


@pytest.mark.parametrize("weights", [[0.5, 0.5], [0.5000001, 0.4999999]])
def test_a_lead_within_rounding_is_no_lead(weights):
    """One half against the other: the answer would hang on the last bit of float32."""
    p = np.zeros((2, 1, 2), np.float32)
    p[0] = [0.0, 1.0]
    asked = np.array([True, False])
    assert not decided(Rule(np.array(weights)), p, asked)[1][0]
    clear = Rule(np.array([0.50001, 0.49999]))
    assert decided(clear, p, asked)[1][0]
    p[1] = [1.0, 0.0]
    assert answers(clear, p).tolist() == [1]


def test_a_temperature_that_makes_all_classes_alike_leaves_the_first():
    """As `argmax` of equal float32 numbers does."""
    p = one_hot(np.array([[1], [1], [0]]), 2)
    rule = Rule(np.full(3, 1 / 3), "hard", temperature=1e9)
    assert answers(rule, p).tolist() == [0]
    assert not decided(rule, p, np.array([True, True, False]))[1][0]


def test_members_without_weight_are_not_waited_for():
    p = np.full((3, 1, 2), NAN)
    p[1, 0] = [0.4, 0.6]
    asked = np.array([False, True, False])
    for pool in ("hard", "linear", "log_linear"):
        rule = Rule(np.array([0.0, 1.0, 0.0]), pool)
        assert needed(rule).tolist() == asked.tolist()
        assert decided(rule, p, asked)[0].tolist() == [1]
        assert decided(MeanRule({"a": rule}, np.ones(1)), p, asked)[1].tolist() == [True]


def test_real_votes_are_certain_by_the_majority(cifar):
    """Of 30 networks with one vote each: the answer stands as soon as the second cannot pass, counted."""
    choices, _ = cifar
    tables, rule = one_hot(choices, 10), Rule(np.full(30, 1 / 30), "hard")
    whole, asked = answers(rule, tables), np.zeros(30, bool)
    for n in range(1, 30):
        asked[n - 1] = True
        classes, certain = decided(rule, tables, asked)
        assert (classes[certain] == whole[certain]).all()
        counts = np.sort([np.bincount(own, minlength=10) for own in choices[:n].T], axis=1)
        ahead = counts[:, -1] - counts[:, -2] - (30 - n)
        assert certain[ahead > 0].all()
        assert not certain[ahead < 0].any()
    assert certain.mean() > 0.9
