"""Sets of classes: the smallest that hold the true class as often as asked."""

from __future__ import annotations

import numpy as np
import pytest

from ensembles import BadInput
from ensembles.shift.conformal import in_set, prediction_sets, scores, threshold, weights_of
from ensembles.shift.rows import HeldOut
from tests.ensembles.shift.rows_of import held_out, votes


def brute_threshold(found, groups, level):
    """The least of all scores whose groups are covered in `level` of the groups and one more."""
    names = np.unique(groups)
    for candidate in np.sort(found):
        inside = [np.mean(found[groups == name] <= candidate) for name in names]
        if sum(inside) / (len(names) + 1) >= level - 1e-12:
            return candidate
    return np.inf


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.97])
@pytest.mark.parametrize("group_size", [1, 3])
def test_the_threshold_is_the_least_that_covers_the_groups(level, group_size):
    rng = np.random.default_rng(0)
    found = rng.random(60).round(2)
    groups = rng.permutation(np.arange(60) // group_size)
    expected = brute_threshold(found, groups, level)
    assert threshold(found, weights_of(groups, 60), level) == expected


def test_without_groups_it_is_the_n_plus_1_quantile():
    found = np.random.default_rng(0).random(199)
    place = int(np.ceil(200 * 0.9))
    assert threshold(found, np.ones(199), 0.9) == np.sort(found)[place - 1]


def test_sets_are_the_classes_of_score_up_to_the_threshold():
    mixed = np.array([[0.6, 0.3, 0.1], [0.4, 0.35, 0.25], [0.25, 0.4, 0.35]], np.float32)
    np.testing.assert_array_equal(scores(mixed, np.array([0, 1, 2])), 1 - np.array(
        [1, mixed[1, 1], mixed[2, 2]], np.float64))  # fmt: skip
    expected = [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    np.testing.assert_array_equal(in_set(mixed, 0.66), expected)
    np.testing.assert_array_equal(in_set(mixed, 0.0), np.eye(3)[[0, 0, 1]])  # never empty


@pytest.mark.parametrize("level", [0.75, 0.9])
def test_rows_to_come_are_covered_as_often_as_asked_group_by_group(level):
    """Over many draws of new groups, of rows that err together."""
    rng, shares = np.random.default_rng(0), np.full(5, 0.2)
    covered, said, sizes = [], [], []
    for _ in range(120):
        groups = np.arange(240) // 6
        seen = held_out(*votes(rng, shares, 240, 6, sharpness=0.8), groups)
        found = prediction_sets(seen, level)
        members, labels = votes(rng, shares, 120, 6, sharpness=0.8)
        sets = in_set(members.mean(axis=0), found["threshold"])
        covered.append(sets[np.arange(120), labels].mean())
        sizes.append(sets.sum(axis=1).mean() - found["mean_size"])
        said.append((found["coverage"] - covered[-1]) / np.hypot(found["standard_error"], 0.04))
    error = np.std(covered) / np.sqrt(120)
    assert level - 2.5 * error < np.mean(covered) < level + 0.05
    assert abs(np.mean(said)) < 0.3  # what is said of held-out rows is what came
    assert abs(np.mean(sizes)) < 0.1


def test_by_rows_alone_big_groups_would_not_be_covered():
    """One group of many hard rows counts once: without groups it would decide the threshold."""
    mixed = np.tile(np.array([0.7, 0.2, 0.1], np.float32), (150, 1))
    labels = np.r_[np.zeros(50, int), np.full(100, 2)]
    groups = np.r_[np.arange(50), np.full(100, 50)]
    folds = np.arange(150) % 5
    alone = prediction_sets(HeldOut(mixed, None, labels, folds, None), 0.8)
    grouped = prediction_sets(HeldOut(mixed, None, labels, folds, groups), 0.8)
    assert (grouped["threshold"], grouped["groups"]) == (0, 51)
    assert alone["threshold"] > 0.85
    assert grouped["coverage"] == pytest.approx(50 / 51)
    assert grouped["row_coverage"] == pytest.approx(1 / 3)


def test_adaptive_sets_of_the_same_coverage_are_larger():
    """Romano, Sesia and Candes (2020) take classes from the most probable on, up to a summed one."""
    rng = np.random.default_rng(3)
    members, labels = votes(rng, np.full(6, 1 / 6), 2000, sharpness=0.7)
    mixed = members.mean(axis=0).astype(np.float64)
    found = prediction_sets(held_out(members, labels), 0.9)
    order = np.argsort(-mixed, axis=1)
    summed = np.empty_like(mixed)
    np.put_along_axis(summed, order, np.cumsum(np.take_along_axis(mixed, order, 1), 1), axis=1)
    reached = np.sort(summed[np.arange(2000), labels])[int(np.ceil(0.9 * 2001)) - 1]
    adaptive = summed <= reached
    own = in_set(mixed, found["threshold"])
    for sets in (own, adaptive):
        assert sets[np.arange(2000), labels].mean() == pytest.approx(0.9, abs=0.002)
    assert own.sum() < 0.98 * adaptive.sum()


def test_too_few_groups_are_refused_with_what_is_possible():
    rng = np.random.default_rng(0)
    seen = held_out(*votes(rng, np.full(3, 1 / 3), 100), np.arange(100) // 10)
    with pytest.raises(BadInput, match=r"the 10 groups there are\. Give 0\.909 or less"):
        prediction_sets(seen, 0.95)
    assert prediction_sets(seen, 0.9)["threshold"] < np.inf


def test_other_class_shares_to_come_are_covered_with_their_ratios():
    """Where the second class will be nine times as frequent, rows of it count nine times."""
    rng, before, after = np.random.default_rng(0), np.array([0.9, 0.1]), np.array([0.5, 0.5])
    covered = {name: [] for name in ("plain", "corrected")}
    for _ in range(60):
        members, labels = votes(rng, before, 500, sharpness=0.7)
        test, truth = votes(rng, after, 300, sharpness=0.7)
        seen, asked = held_out(members, labels), test.mean(axis=0)
        # biased as a network is that was trained with such shares
        own = {"plain": (seen.probabilities * before, asked * before)}
        own["corrected"] = tuple(mixed * after / before for mixed in own["plain"])
        for name, (oof, mixed) in own.items():
            oof, mixed = (one / one.sum(axis=1, keepdims=True) for one in (oof, mixed))
            ratios = after / before if name == "corrected" else None
            rows = HeldOut(oof, None, labels, seen.folds, None)
            found = prediction_sets(rows, 0.9, ratios)
            sets = in_set(mixed, found["threshold"])
            covered[name].append(sets[np.arange(300), truth].mean())
    assert np.mean(covered["plain"]) < 0.85
    assert 0.89 < np.mean(covered["corrected"]) < 0.95
