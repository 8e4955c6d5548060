"""Suspicious labels by hand, against brute force, and where they are known to be wrong."""

from __future__ import annotations

import numpy as np
import pytest

from ensembles.judging.label_errors import inconstant_groups, suspicion


def test_by_hand():
    # two members, three rows of class 0, 0 and 1
    said = np.array(
        [
            [[0.8, 0.1, 0.1], [0.1, 0.7, 0.2], [0.2, 0.6, 0.2]],
            [[0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.1, 0.7, 0.2]],
        ]
    )
    found = suspicion(said, np.array([0, 0, 1]))
    np.testing.assert_allclose(found.own, [0.7, 0.1, 0.65])
    assert found.other.tolist() == [1, 1, 2]
    np.testing.assert_allclose(found.of_other, [0.2, 0.75, 0.2])
    assert found.agree.tolist() == [0, 2, 0]
    assert found.order.tolist() == [1, 2, 0]
    # .75 of class 1 is as much as the row of class 1 has, .65
    assert found.proposed.tolist() == [False, True, False]


def test_a_row_is_not_proposed_where_members_are_divided_or_the_class_is_usually_surer():
    said = np.array([[[0.3, 0.7], [0.1, 0.9]], [[0.55, 0.45], [0.1, 0.9]]])
    assert not suspicion(said, np.array([0, 1])).proposed.any()  # one of two members
    sure = np.array([[[0.4, 0.6], [0.1, 0.9]], [[0.4, 0.6], [0.1, 0.9]]])
    assert not suspicion(sure, np.array([0, 1])).proposed.any()  # .6, where .9 is usual


def test_against_one_row_at_a_time():
    rng = np.random.default_rng(0)
    said = rng.dirichlet(np.full(5, 0.3), (4, 80))
    labels = rng.integers(0, 4, 80)  # no row of class 4
    found, mean = suspicion(said, labels), said.mean(axis=0)
    usual = {k: np.mean([mean[i, k] for i in range(80) if labels[i] == k]) for k in range(4)}
    for i in range(80):
        rest = {k: mean[i, k] for k in range(5) if k != labels[i]}
        other = max(rest, key=rest.__getitem__)
        assert (found.own[i], found.other[i]) == (mean[i, labels[i]], other)
        votes = sum(member[i].argmax() == other for member in said)
        sure = other in usual and mean[i, other] >= usual[other] and mean[i, other] > found.own[i]
        assert found.proposed[i] == (sure and votes > 2)


def test_labels_that_were_changed_are_found_among_the_most_suspicious():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 6, 1000)
    said = np.stack([rng.dirichlet(np.ones(6), 1000) + 1.5 * np.eye(6)[truth] for _ in range(3)])
    said /= said.sum(axis=2, keepdims=True)
    labels = truth.copy()
    wrong = rng.choice(1000, 50, replace=False)
    labels[wrong] = (labels[wrong] + rng.integers(1, 6, 50)) % 6
    found = suspicion(said, labels)
    assert np.isin(wrong, found.order[:100]).mean() > 0.9
    assert (found.other[wrong] == truth[wrong]).mean() > 0.9


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
    assert inconstant_groups(np.array([], int), np.array([], int)) == []


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 1, 0, 2]])
def test_rows_of_a_group_need_not_stand_together(order):
    groups, values = np.array([5, 5, 9, 9])[order], np.array([0, 1, 1, 1])[order]
    (rows,) = inconstant_groups(values, groups, usual=0.5)
    assert sorted(order[row] for row in rows) == [0, 1]
