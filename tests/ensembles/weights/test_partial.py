"""Log-loss weights from rows that some members lack, against scipy on the same likelihood."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from ensembles.weights.partial import partial_loss, partial_weights
from ensembles.weights.simplex import log_loss_weights


@pytest.fixture
def rows():
    """(M, N) probabilities of the true class and which of them are there, at least one a row."""

    def rows(n_members, n_rows, seed):
        rng = np.random.default_rng(seed)
        skill = rng.uniform(0.6, 1.8, n_members)[:, None]
        true = np.clip(rng.beta(skill, 1.2, (n_members, n_rows)), 1e-6, 1)
        present = rng.random((n_members, n_rows)) < rng.uniform(0.3, 1, n_members)[:, None]
        present[rng.integers(n_members), ~present.any(axis=0)] = True
        return true, present

    return rows


def loss(weights, true, present, ridge):
    """Row by row, as it is said."""
    total = 0.0
    for i in range(true.shape[1]):
        have = [j for j in range(len(true)) if present[j, i]]
        mixed = sum(weights[j] * true[j, i] for j in have) / sum(weights[j] for j in have)
        total -= np.log(mixed)
    prior = np.log(weights / weights.sum()).mean()
    return (total - ridge * prior) / true.shape[1]


def test_the_loss_is_that_of_each_row_s_own_members(rows):
    true, present = rows(3, 40, 0)
    weights = np.array([0.5, 0.2, 0.3])
    assert partial_loss(weights, true, present, 2.0) == pytest.approx(
        loss(weights, true, present, 2.0)
    )
    assert partial_loss(7 * weights, true, present, 2.0) == pytest.approx(
        partial_loss(weights, true, present, 2.0)
    )


@pytest.mark.parametrize(("n_members", "n_rows", "seed"), [(2, 150, 0), (4, 300, 1), (8, 900, 2)])
def test_nothing_that_scipy_finds_is_better(rows, n_members, n_rows, seed):
    true, present = rows(n_members, n_rows, seed)
    fit = partial_weights(true, present)
    assert fit.gradient <= 1e-10
    assert fit.weights.sum() == pytest.approx(1)
    rng = np.random.default_rng(seed)
    for start in (np.zeros(n_members), *rng.normal(size=(3, n_members))):
        found = minimize(
            lambda logs: partial_loss(np.exp(logs - logs.max()), true, present),
            start, method="BFGS", options={"gtol": 1e-8},
        )  # fmt: skip
        weights = np.exp(found.x - found.x.max())
        assert fit.weights == pytest.approx(weights / weights.sum(), abs=1e-5)
        assert partial_loss(fit.weights, true, present) <= found.fun + 1e-12


def test_where_nothing_is_missing_it_is_the_plain_optimum(rows):
    true, _ = rows(4, 400, 3)
    everything = np.ones(true.shape, bool)
    for ridge in (1.0, 25.0):
        plain = log_loss_weights(true, ridge=ridge)
        fit = partial_weights(true, everything, ridge)
        assert fit.weights == pytest.approx(plain.weights, abs=1e-5)


def test_rows_of_one_member_alone_say_nothing_of_weights(rows):
    true, present = rows(3, 200, 4)
    alone = np.zeros((3, 50), bool)
    alone[1] = True
    more = partial_weights(np.hstack([true, np.full((3, 50), 0.01)]), np.hstack([present, alone]))
    assert more.weights == pytest.approx(partial_weights(true, present).weights, abs=1e-8)


def test_members_that_are_worst_wherever_they_are_keep_a_vote_where_they_are_alone():
    """Of two whose weights both go to 0, the rows that only they have tell the better one."""
    true = np.array([[0.9] * 60 + [0.5] * 40, [0.1] * 100, [0.05] * 100])
    present = np.ones((3, 100), bool)
    present[0, 60:] = False
    weights = partial_weights(true, present).weights
    assert weights[0] > 0.98
    assert weights[1] > 5 * weights[2] > 0


def test_the_same_rows_give_the_same_bits_and_their_order_counts_for_little(rows):
    true, present = rows(5, 300, 5)
    first = partial_weights(true, present).weights
    assert (partial_weights(true, present).weights == first).all()
    order = np.random.default_rng(0).permutation(300)
    turned = partial_weights(true[:, order], present[:, order]).weights
    assert turned == pytest.approx(first, abs=1e-9)


# of members that hardly know more than the class shares, in percent; the third is the second, and
# lacks the last 25 rows
_HARDLY_BEND = [
    "13 9 5 3 13 9 13 13 28 14 15 22 8 16 6 9 19 10 14 6 3 3 2 3 4 6 4 6 4 23 15 8 5 2 6 6 7 4 11 13 26 14 "
    "18 37 8 3 2 3 3 3 2 3 3 3 3 4 3 5 4 4 2 5 3 3 3 3 5 4 12 25",
    "6 5 4 6 7 8 9 7 8 9 9 8 10 8 4 7 7 7 5 12 12 18 15 12 4 11 10 11 5 8 9 8 5 6 11 11 11 5 6 12 24 13 9 "
    "10 11 4 5 5 5 5 5 5 6 6 7 5 5 6 6 6 5 5 7 8 8 7 6 5 6 6",
    "12 13 6 5 9 9 11 9 10 15 15 15 15 15 6 8 8 9 8 9 7 7 7 7 5 10 9 9 5 14 14 13 6 4 10 9 10 5 4 10 12 10 "
    "9 10 8 4 4 4 4 4 4 3 9 10 9 6 6 12 12 12 6 4 16 16 16 15 7 5 8 10",
]


def test_where_the_loss_hardly_bends_steps_stay_in_what_numbers_hold():
    first, second, last = (np.array(row.split(), float) / 100 for row in _HARDLY_BEND)
    true, present = np.stack([first, second, second, last]), np.ones((4, 70), bool)
    present[2, 45:] = False
    fit = partial_weights(true, present)
    assert fit.gradient <= 1e-9

    def loss(logs: np.ndarray) -> float:
        return partial_loss(np.exp(logs) / np.exp(logs).sum(), true, present)

    found = minimize(loss, np.zeros(4), method="BFGS", tol=1e-9)
    assert loss(np.log(fit.weights)) <= found.fun + 1e-9
