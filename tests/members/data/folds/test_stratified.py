"""Folds of groups, beside those of scikit-learn."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from members.data.folds.stratified import stratified_group_folds


def photographs(kind: str, n_classes: int, n_groups: int, seed: int):
    """(labels, groups), in random order."""
    rng = np.random.default_rng(seed)
    sizes = {
        "alone": np.ones(n_groups, int),
        "several": rng.integers(1, 9, n_groups),
        "uneven": rng.geometric(0.1, n_groups),
    }[kind]
    share = rng.dirichlet(np.full(n_classes, [0.3, 1, 100][seed % 3]))
    groups = np.repeat(np.arange(n_groups), sizes)
    labels = rng.choice(n_classes, len(groups), p=share)
    if kind == "uneven":  # a group of one class
        labels = np.repeat(rng.choice(n_classes, n_groups, p=share), sizes)
    order = rng.permutation(len(groups))
    return labels[order], groups[order]


@pytest.mark.parametrize("kind", ["alone", "several", "uneven"])
@pytest.mark.parametrize("n_classes", [1, 2, 3, 8, 9, 18, 131])
@pytest.mark.parametrize("k", [2, 5, 9])
def test_they_are_scikit_learn_s(kind, n_classes, k):
    seed = 100 * k + n_classes
    labels, groups = photographs(kind, n_classes, max(60, 6 * n_classes), seed)
    expected = np.empty(len(labels), int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes of fewer rows than folds
        parts = StratifiedGroupKFold(k, shuffle=True, random_state=seed).split(
            labels, labels, groups
        )
        for number, (_, rows) in enumerate(parts):
            expected[rows] = number
    np.testing.assert_array_equal(stratified_group_folds(labels, groups, k, seed), expected)


def test_photographs_without_group_are_spread_evenly():
    rng = np.random.default_rng(0)
    labels, groups = rng.integers(0, 40, 5000), rng.permutation(5000)
    fold = stratified_group_folds(labels, groups, 5, 1)
    held = np.zeros((5, 40), int)
    np.add.at(held, (fold, labels), 1)
    assert np.ptp(held, axis=0).max() <= 1
    assert np.ptp(np.bincount(fold)) <= 2
