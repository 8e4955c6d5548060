"""Agreement within groups: a published example, by hand, and against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ensembles.judging.shared_by_groups import (
    against_their_group,
    are_shared,
    inconstant_groups,
    krippendorff_alpha,
    of_the_others,
)


def test_alpha_is_that_of_krippendorffs_example():
    """Four observers of twelve units with gaps: nominal alpha 0.743 (Computing Krippendorff's
    Alpha-Reliability, 2011, section D)."""
    gap = -1
    told = np.array(
        [
            [1, 2, 3, 3, 2, 1, 4, 1, 2, gap, gap, gap],
            [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, gap, 3],
            [gap, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, gap],
            [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, gap],
        ]
    )
    there = told != gap
    units = np.broadcast_to(np.arange(12), told.shape)
    assert krippendorff_alpha(told[there], units[there]) == pytest.approx(0.743, abs=5e-4)


def test_alpha_against_pairs_one_at_a_time():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 12, 60)
    values = np.where(rng.random(60) < 0.7, groups % 3, rng.integers(0, 3, 60))
    pairs, weights = [], []
    for group in range(12):
        rows = np.flatnonzero(groups == group)
        for i, j in itertools.permutations(rows, 2):
            pairs.append(values[i] != values[j])
            weights.append(1 / (len(rows) - 1))
    inside = [values[i] for i in range(60) if (groups == groups[i]).sum() > 1]
    by_chance = np.mean([a != b for a, b in itertools.permutations(inside, 2)])
    expected = 1 - np.average(pairs, weights=weights) / by_chance
    assert krippendorff_alpha(values, groups) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "groups", "alpha"),
    [([0, 0, 1, 1], [0, 0, 1, 1], 1), ([0, 1, 0], [0, 1, 2], 0), ([2, 2, 2], [0, 0, 1], 1), ([], [], 0)],
)  # fmt: skip
def test_alpha_at_its_ends(values, groups, alpha):
    assert krippendorff_alpha(np.array(values, int), np.array(groups, int)) == alpha


def test_a_rare_value_is_not_shared_only_because_it_is_rare():
    """One row in fifty is defective, wherever it stands: groups agree by chance."""
    values = (np.arange(1000) % 50 == 7).astype(int)
    assert not are_shared(values, np.arange(1000) // 5)


def test_of_the_others_by_hand():
    values, groups = np.array([0, 0, 1, 2, 1, 1, 0]), np.array([0, 0, 0, 1, 2, 2, 2])
    # the others of row 0 are 0 and 1, of row 2 both 0; row 3 is alone; of row 6 both 1
    assert of_the_others(values, groups).tolist() == [-1, -1, 0, -1, -1, -1, 1]


def test_of_a_pair_that_differs_each_contradicts_the_other():
    groups, values = np.arange(40) // 2, (np.arange(40) // 2) % 2
    values[4] = 1 - values[4]
    rows, times = against_their_group(values, groups, 2)
    assert rows.tolist() == [4, 5]
    for row, own in zip(rows, times, strict=True):
        assert own[1 - values[row]] > 1 > own[values[row]]


def test_what_multiplies_is_a_prior_of_the_group_over_the_shares():
    groups, values = np.arange(60) // 3, np.repeat(np.arange(20) % 3, 3)
    values[[1, 10]] = 2, 1
    rows, times = against_their_group(values, groups, 3)
    shares = (np.bincount(values, minlength=3) + 1) / 63
    np.testing.assert_allclose((times * shares).sum(axis=1), 1.0)
    for row, own in zip(rows, times, strict=True):
        assert own.argmax() == (groups[row] % 3)


def test_groups_that_differ_in_what_groups_share():
    groups = np.repeat(np.arange(20), 3)
    values = np.repeat(np.arange(20) % 2, 3)
    assert inconstant_groups(values, groups) == []
    values[7] = 1 - values[7]  # one of group 2
    (rows,) = inconstant_groups(values, groups)
    assert rows.tolist() == [6, 7, 8]
    # of what differs within most groups, nothing can be said
    assert inconstant_groups(np.arange(60) % 3, groups) == []
    assert inconstant_groups(values, np.arange(60)) == []
    assert inconstant_groups(values[:0], groups[:0]) == []
    assert inconstant_groups(np.array([], int), np.array([], int)) == []


def test_rows_of_a_group_need_not_stand_together():
    order = np.random.default_rng(0).permutation(60)
    groups, values = np.repeat(np.arange(20), 3)[order], np.repeat(np.arange(20) % 2, 3)[order]
    wrong = int(np.flatnonzero(order == 7)[0])
    values[wrong] = 1 - values[wrong]
    (rows,) = inconstant_groups(values, groups)
    assert sorted(order[rows].tolist()) == [6, 7, 8]
    assert against_their_group(values, groups, 2)[0].tolist() == [wrong]
