"""Suspicious labels by hand, against brute force, and where they are known to be wrong."""

from __future__ import annotations

import numpy as np
import pytest

from ensembles.judging.label_errors import suspicion


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


def test_suspects_are_those_that_another_class_is_more_probable_for():
    said = np.array([[[0.3, 0.7], [0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]])
    found = suspicion(said, np.array([0, 0, 0, 1]))
    assert found.order.tolist() == [2, 0, 3, 1]
    assert found.suspects.tolist() == [2, 0]


def test_a_group_speaks_against_a_label_by_bayes_rule():
    """Ten groups of three, one label of which differs from both others of its group."""
    groups = np.repeat(np.arange(10), 3)
    labels = np.repeat(np.arange(10) % 2, 3)
    labels[0] = 1  # of group 0, whose label is 0
    said = np.tile([0.5, 0.5], (1, 30, 1))
    said[0, 0] = 0.1, 0.9
    found = suspicion(said, labels, None, groups)
    # of the rows whose others agree (all but those two) one differs; shares of the labels with one more each
    differ, shares = 2 / 30, np.array([15, 17]) / 32
    against, by_group = 0.9 * differ / (1 - shares[0]), 0.1 * (1 - differ) / shares[0]
    assert found.own[0] == pytest.approx(against / (against + by_group))
    assert found.by_tables[0] == 0.9
    assert np.flatnonzero(found.contradicts).tolist() == [0]
    np.testing.assert_array_equal(found.own[1:], found.by_tables[1:])


def test_a_member_that_is_sure_is_believed_against_the_group():
    groups, labels = np.repeat(np.arange(20), 3), np.repeat(np.arange(20) % 2, 3)
    labels[[0, 3]] = 1 - labels[[0, 3]]
    said = np.full((1, 60, 2), 0.5)
    said[0, 0, labels[0]], said[0, 3, labels[3]] = 0.9999, 0.5
    said[0, :, 0] = np.where(
        labels == 0, said[0, np.arange(60), labels], 1 - said[0, np.arange(60), labels]
    )
    said[0, :, 1] = 1 - said[0, :, 0]
    found = suspicion(said, labels, None, groups)
    assert found.own[0] > 0.9
    assert found.own[3] < 0.1
    assert np.flatnonzero(found.proposed).tolist() == [3]


def test_of_joint_classes_a_group_speaks_of_the_target_that_it_shares():
    """Classes are (what, who): groups share who and not what; a wrong who is found, a wrong what is not
    said to contradict anything."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 5)
    who, what = np.repeat(np.arange(40) % 2, 5), np.tile(np.arange(5) % 2, 40)
    said = rng.dirichlet(np.full(4, 3.0), (3, 200)) + 0.2 * np.eye(4)[2 * what + who]
    said /= said.sum(axis=2, keepdims=True)
    targets = {"what": np.array([0, 0, 1, 1]), "who": np.array([0, 1, 0, 1])}
    wrong, other = rng.permutation(40)[:8] * 5 + 2, rng.permutation(40)[:8] * 5
    who[wrong], what[other] = 1 - who[wrong], 1 - what[other]
    found = suspicion(said, 2 * what + who, None, groups, targets)
    assert np.flatnonzero(found.contradicts).tolist() == sorted(wrong)
    places = np.argsort(found.order)
    assert (
        (places[wrong] < 20).mean()
        > 0.9
        > (np.argsort(np.argsort(found.by_tables))[wrong] < 20).mean()
    )


def test_groups_that_share_nothing_change_nothing():
    rng = np.random.default_rng(2)
    said, labels = rng.dirichlet(np.ones(3), (2, 90)), rng.integers(0, 3, 90)
    one = suspicion(said, labels)
    for groups in (np.arange(90) // 3, np.arange(90), np.arange(90) // 45):
        two = suspicion(said, labels, None, groups)
        np.testing.assert_array_equal(one.own, two.own)
        np.testing.assert_array_equal(one.proposed, two.proposed)
        assert not two.contradicts.any()
