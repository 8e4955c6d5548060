import itertools

import numpy as np
import pytest

from ensembles.rules import votes
from ensembles.scores.metrics import METRICS
from ensembles.weights.fit import fit_weights
from ensembles.weights.line_search import (
    LineSearch,
    best_on_line,
    breakpoints,
    line_search_weights,
    state_at,
)
from ensembles.weights.stack import stack_members

OF_LABELS = [name for name, metric in METRICS.items() if metric.takes == "decisions"]


def score(objective, labels, predictions, n_classes):
    """By formulas other than those looked at; 0 for 0/0."""
    if objective == "accuracy":
        return np.mean(labels == predictions)
    true, guess = (np.eye(n_classes)[own] for own in (labels, predictions))
    hits, n_true, n_guess = (true * guess).sum(axis=0), true.sum(axis=0), guess.sum(axis=0)
    if objective == "macro_f1":
        return np.mean(2 * hits / np.maximum(n_true + n_guess, 1))
    if objective == "balanced_accuracy":
        return np.mean(hits / np.maximum(n_true, 1))
    if objective == "mcc":  # the correlation of the indicators
        true, guess = true - true.mean(axis=0), guess - guess.mean(axis=0)
        spread = np.sqrt((true**2).sum() * (guess**2).sum())
        return (true * guess).sum() / spread if spread else 0.0
    by_chance = np.mean((labels[:, None] - predictions) ** 2)
    return 1 - np.mean((labels - predictions) ** 2) / by_chance if by_chance else 0.0


def cases(n_cases):
    rng = np.random.default_rng(0)
    for _ in range(n_cases):
        n_rows, n_classes = rng.integers(2, 40), rng.integers(2, 6)
        probabilities = rng.dirichlet(np.ones(n_classes), (2, n_rows))
        yield probabilities, rng.integers(0, n_classes, n_rows)


def pairwise_crossings(start, end):
    """Every t in (0, 1) at which any two classes of any row have equal scores, and the ends."""
    found = [0.0, 1.0]
    for (s, e), (i, j) in itertools.product(
        zip(start, end, strict=True), itertools.combinations(range(start.shape[1]), 2)
    ):
        bend = (s[i] - s[j]) - (e[i] - e[j])
        if bend and 0 < (t := (s[i] - s[j]) / bend) < 1:
            found.append(t)
    return np.unique(found)


@pytest.mark.parametrize("of_a_target", [False, True])
@pytest.mark.parametrize("objective", OF_LABELS)
def test_the_best_on_a_line_is_the_best_between_all_crossings(objective, of_a_target):
    for (start, end), labels in cases(40):
        values = np.arange(start.shape[1])
        values = values // 2 if of_a_target else values

        def score_at(t, start=start, end=end, labels=labels, values=values):
            guess = ((1 - t) * start + t * end).argmax(axis=1)
            return score(objective, values[labels], values[guess], values.max() + 1)

        search = LineSearch.of(stack_members(np.stack([start, end]), labels, values), objective)
        if not len(search.varying.labels):
            continue
        edges = pairwise_crossings(start, end)
        scores = [score_at(t) for t in (edges[:-1] + edges[1:]) / 2]
        best, t = best_on_line(search, state_at(search, np.array([1.0, 0.0])), 1)
        assert best == pytest.approx(max(scores), abs=1e-12)
        assert score_at(t) == pytest.approx(best, abs=1e-12)


def test_breakpoints_are_the_changes_of_the_most_probable_class():
    for (start, end), _ in cases(60):
        points = breakpoints(start, end, start.argmax(axis=1), end.argmax(axis=1))
        edges = pairwise_crossings(start, end)
        walk = np.array(
            [((1 - t) * start + t * end).argmax(axis=1) for t in (edges[:-1] + edges[1:]) / 2]
        )
        assert len(points.t) == (np.diff(walk, axis=0) != 0).sum()
        assert np.isin(np.round(points.t, 9), np.round(edges, 9)).all()
        for t, row, left, right in zip(
            points.t, points.row, points.left, points.right, strict=True
        ):
            at = np.searchsorted(edges, t + 1e-12) - 1
            assert (walk[at - 1, row], walk[at, row]) == (left, right)


def test_of_equal_intervals_the_one_with_less_log_loss_is_taken_at_its_middle():
    """Row 0 is right below t = 1/4, row 1 above t = 1/3: one hit on (0, 1/4) as on (1/3, 1).

    At t = 1/8 the true classes have .55 and .375, at t = 2/3 they have .333 and .7: a lower loss.
    """
    start = np.array([[0.6, 0.4], [0.7, 0.3]])
    end = np.array([[0.2, 0.8], [0.1, 0.9]])
    search = LineSearch.of(stack_members(np.stack([start, end]), np.array([0, 1])), "accuracy")
    best, t = best_on_line(search, state_at(search, np.array([1.0, 0.0])), 1)
    assert best == 0.5
    assert t == pytest.approx(2 / 3)


@pytest.mark.parametrize("objective", OF_LABELS)
def test_with_two_members_the_best_of_all_weights_is_found(draw, objective):
    probabilities, labels = draw(2, 200, 4)
    weights = fit_weights(probabilities, labels, objective).weights
    found = score(objective, labels, votes.weighted(probabilities, weights).argmax(1), 4)
    every = [
        score(objective, labels, ((1 - t) * probabilities[0] + t * probabilities[1]).argmax(1), 4)
        for t in np.linspace(0, 1, 1001)
    ]
    assert found >= max(every)


@pytest.mark.parametrize("objective", OF_LABELS)
def test_no_start_is_left_worse_than_it_was(draw, objective):
    probabilities, labels = draw(6, 400, 5)
    starts = [
        np.full(6, 1 / 6),
        np.eye(6)[5],
        fit_weights(probabilities, labels, "log_loss").weights,
    ]
    weights = line_search_weights(stack_members(probabilities, labels), objective, starts)
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)
    found, *before = (
        score(objective, labels, votes.weighted(probabilities, w).argmax(1), 5)
        for w in (weights, *starts)
    )
    assert found > max(before)


def test_the_same_tables_give_the_same_weights(draw):
    probabilities, labels = draw(5, 300, 4)
    first, second = (fit_weights(probabilities, labels, "macro_f1").weights for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("objective", METRICS)
@pytest.mark.parametrize("case", ["one member", "all agree", "all alike", "one row", "one-hot"])
def test_odd_tables_get_weights_all_the_same(draw, objective, case):
    probabilities, labels = draw(3, 60, 4)
    if case == "one member":
        probabilities = probabilities[:1]
    elif case == "all agree":
        probabilities[1:] = probabilities[:1] ** [[[2.0]], [[3.0]]]
        probabilities /= probabilities.sum(axis=2, keepdims=True)
    elif case == "all alike":
        probabilities[1:] = probabilities[0]
    elif case == "one row":
        probabilities, labels = probabilities[:, :1], labels[:1]
    else:
        probabilities = np.eye(4, dtype=np.float32)[probabilities.argmax(axis=2)]
    weights = fit_weights(probabilities, labels, objective).weights
    assert weights.min() >= 0
    assert weights.sum() == pytest.approx(1)


def test_fitted_to_real_votes_it_is_no_worse_than_the_best_network(cifar):
    choices, labels = cifar
    probabilities = np.eye(10, dtype=np.float32)[choices]
    weights = fit_weights(probabilities, labels, "accuracy").weights
    found = np.mean(votes.weighted(probabilities, weights).argmax(axis=1) == labels)
    assert found >= (choices == labels).mean(axis=1).max()
