"""Table sets: who is cross-fitted by whom, what is split how, and which sets are kept for checking."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_iris

from benchmarks.sets.members import DERIVED, cross_fitted, derived
from benchmarks.sets.sources import SOURCES, VOTES, names, part_of
from benchmarks.table_sets import split


def test_every_set_is_either_to_devise_on_or_to_check_on():
    devise, check = set(names("devise")), set(names("check"))
    assert not devise & check
    assert devise | check == {*SOURCES, *VOTES} == set(names())
    assert len(devise - set(VOTES)) + 1 == 18
    assert len(check) >= 15
    assert part_of(VOTES[0]) == part_of(VOTES[1]), "the same networks on much the same pictures"


@pytest.fixture(scope="module")
def iris():
    x, y = load_iris(return_X_y=True)
    inside, test, folds = split(y, None, 90, 3)
    return x[inside], y[inside], folds, x[test]


def fit(x, y, folds, x_test):
    return cross_fitted(x, y, folds, x_test, 3, ["logistic 1", "forest", "mlp", "stump"], 0)


def test_tables_are_probabilities(iris):
    oof, test, members = fit(*iris)
    assert len(oof) == len(members) == 4 + len(DERIVED)
    assert test.shape == (5, len(members), len(iris[3]), 3)
    for tables in (oof, test):
        assert tables.min() >= 0
        np.testing.assert_allclose(tables.sum(axis=-1), 1, atol=1e-5)


def test_a_row_is_predicted_by_models_that_do_not_know_its_label(iris):
    x, y, folds, x_test = iris
    turned = np.where(folds == 2, (y + 1) % 3, y)
    before, after = fit(x, y, folds, x_test)[0], fit(x, turned, folds, x_test)[0]
    np.testing.assert_array_equal(before[:, folds == 2], after[:, folds == 2])
    assert (before[:, folds != 2] != after[:, folds != 2]).any()


def test_derived_members():
    given = np.array([[0.5, 0.3, 0.2]])
    cubes = np.array([0.125, 0.027, 0.008])
    np.testing.assert_allclose(derived("sharpened", given)[0], cubes / cubes.sum())
    np.testing.assert_array_equal(derived("hardened", given)[0], [1, 0, 0])
    assert 0 < np.abs(derived("blended", given) - given).max() < 0.01


def test_a_group_stands_on_one_side_and_in_one_fold():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 40, 800)
    y = rng.integers(0, 3, 800)
    inside, test, folds = split(y, groups, 300, 7)
    assert not set(groups[inside]) & set(groups[test])
    assert len(set(inside)) == len(inside) <= 300
    for group in set(groups[inside]):
        assert len(set(folds[groups[inside] == group])) == 1
