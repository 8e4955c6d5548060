import numpy as np
import pytest
from scipy.optimize import minimize, nnls

from ensembles.weights import simplex
from ensembles.weights.simplex import FEW_ROWS, log_loss_weights
from ensembles.weights.stack import true_class_probabilities


def loss(weights, true):
    return -np.log(weights @ true).mean()


def certified_gap(weights, true):
    return (true / (weights @ true)).mean(axis=1).max() - 1


def slsqp(true):
    n = len(true)
    return minimize(
        lambda w: loss(w, true),
        np.full(n, 1 / n),
        jac=lambda w: -(true / (w @ true)).mean(axis=1),
        bounds=[(0, 1)] * n,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        method="SLSQP",
        options={"ftol": 1e-13, "maxiter": 1000},
    ).x


def check(true):
    """Weights that are feasible and certified here, not by the solver's own word."""
    fit = log_loss_weights(true)
    assert fit.weights.min() >= 0
    assert fit.weights.sum() == pytest.approx(1, abs=1e-12)
    assert certified_gap(fit.weights, true) <= 1e-8
    assert fit.gap == pytest.approx(max(certified_gap(fit.weights, true), 0), abs=1e-11)
    return fit.weights


@pytest.mark.parametrize(("n_members", "n_rows"), [(2, 50), (8, 3000), (25, 2000), (60, 1000)])
def test_the_optimum_is_slsqps_or_better(n_members, n_rows):
    true = np.random.default_rng(n_members).beta(2, 1, (n_members, n_rows))
    weights, other = check(true), slsqp(true)
    assert loss(weights, true) <= loss(other, true) + 1e-10
    np.testing.assert_allclose(weights, other, atol=1e-3)


def test_two_members_worked_by_hand():
    """The first is better on a rows, the second on b: a / (1 + w) = b / (2 - w) at the optimum.

    a, b = 3, 1 gives w = 5/4, beyond the simplex: all on the first. a, b = 3, 2 gives w = 4/5.
    """
    true = np.array([[0.5, 0.5, 0.5, 0.25], [0.25, 0.25, 0.25, 0.5]])
    np.testing.assert_allclose(check(true), [1, 0], atol=1e-9)
    true = np.array([[0.5] * 3 + [0.25] * 2, [0.25] * 3 + [0.5] * 2])
    np.testing.assert_allclose(check(true), [0.8, 0.2], atol=1e-7)


@pytest.fixture(scope="module")
def many_rows():
    """More than every step looks at: members of mixed worth that now and then are badly wrong."""
    rng = np.random.default_rng(0)
    true = rng.beta(2, 1, (10, 2 * FEW_ROWS)) * rng.uniform(0.6, 1, (10, 1))
    return np.where(rng.random(true.shape) < 0.02, 1e-9, true)


@pytest.mark.parametrize("order", ["mixed", "sorted"])
def test_many_rows_of_which_a_part_leads_to_the_optimum_of_all(many_rows, order, monkeypatch):
    true = many_rows[:, many_rows[0].argsort()] if order == "sorted" else many_rows
    weights = check(np.ascontiguousarray(true))
    monkeypatch.setattr(simplex, "FEW_ROWS", true.shape[1])
    np.testing.assert_allclose(log_loss_weights(true).weights, weights, atol=1e-4)


def test_a_part_that_leads_nowhere_is_given_up(many_rows, monkeypatch):
    """To a part where all members are alike every step is as good: so all rows take part."""
    newton, rows = simplex._newton, []

    def counting(part, *rest):
        rows.append(part.true.shape[1])
        return newton(part, *rest)

    monkeypatch.setattr(simplex, "_newton", counting)
    check(many_rows)
    assert max(rows) < many_rows.shape[1]
    alike = simplex.WeightedRows(np.ones((len(many_rows), 5000)), np.ones(5000))
    telling_part = simplex._telling_part
    monkeypatch.setattr(simplex, "_telling_part", lambda *all: (telling_part(*all)[0], alike))
    check(many_rows)
    assert rows[-1] == many_rows.shape[1]


def test_many_rows_with_a_ridge(many_rows, monkeypatch):
    """Equal weights pull the harder the more photographs they stand for; the optimum stays exact."""
    fit = log_loss_weights(many_rows, ridge=5000.0)
    monkeypatch.setattr(simplex, "FEW_ROWS", 10**9)
    np.testing.assert_allclose(
        fit.weights, log_loss_weights(many_rows, ridge=5000.0).weights, atol=1e-5
    )
    assert fit.gap <= 1e-8


@pytest.mark.parametrize("seed", range(30))
def test_the_minimum_over_nonnegative_weights_is_that_of_scipy(seed):
    """min |Ax - b|^2 over x >= 0, also of columns that nearly agree."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 60))
    columns, target = rng.standard_normal((3 * n, n)), rng.standard_normal(3 * n)
    if seed % 3 == 0:
        columns[:, n // 2 :] = columns[:, : n - n // 2] + 1e-4 * columns[:, n // 2 :]
    expected = nnls(columns, target)[1]
    x = simplex.nonnegative_minimum(columns.T @ columns, columns.T @ target)
    assert x.min() >= 0
    assert np.linalg.norm(columns @ x - target) == pytest.approx(expected, rel=1e-9)


def test_many_members_of_which_few_help():
    rng = np.random.default_rng(0)
    check(rng.beta(3, 1, (150, 4000)) * rng.uniform(0.3, 1, (150, 1)))


def test_any_small_problem_is_certified():
    rng = np.random.default_rng(0)
    for _ in range(200):
        n_members, n_rows = rng.integers(1, 12), rng.integers(1, 40)
        true = rng.random((n_members, n_rows)) ** rng.integers(1, 30)
        true[rng.random(true.shape) < rng.choice([0, 0.4])] = 0
        if n_members > 1 and rng.random() < 0.3:
            true[1] = true[0]
        check(np.maximum(true, 1e-15))


@pytest.mark.parametrize("in_parts", [False, True])
@pytest.mark.filterwarnings("error")
def test_any_ridge_is_certified(in_parts, monkeypatch):
    """Down to where a photograph that one member alone knows counts next to nothing."""
    if in_parts:
        for name, value in {"FEW_ROWS": 40, "FIRST_ROWS": 20, "RUN": 2, "ONE_IN": 8}.items():
            monkeypatch.setattr(simplex, name, value)
    rng = np.random.default_rng(0)
    for _ in range(60):
        n_members, n_rows = int(rng.integers(2, 40)), int(rng.integers(50, 2000))
        true = np.maximum(rng.random((n_members, n_rows)) ** rng.integers(1, 20), 1e-15)
        ridge = 10 ** rng.uniform(-6, 6)
        fit = log_loss_weights(true, ridge=ridge)
        pull = (true / (fit.weights @ true)).sum(axis=1) + ridge / n_members / fit.weights
        assert pull.max() / (n_rows + ridge) - 1 <= 1e-8


def test_identical_and_constant_members():
    true = np.tile(np.random.default_rng(0).random(200), (4, 1))
    check(true)
    true[1] = 0.25
    check(true)


def test_a_true_class_that_every_member_rules_out_changes_nothing():
    probabilities = np.random.default_rng(0).dirichlet(np.ones(3), (5, 400)).astype(np.float32)
    labels = np.zeros(400, int)
    expected = check(true_class_probabilities(probabilities, labels))
    ruled_out = np.zeros((5, 30, 3), np.float32)
    ruled_out[:, :, 1] = 1
    true = true_class_probabilities(
        np.concatenate([probabilities, ruled_out], axis=1), np.zeros(430, int)
    )
    np.testing.assert_allclose(check(true), expected, atol=1e-5)


def test_votes_of_real_networks_as_one_hot_tables(cifar):
    choices, labels = cifar
    true = true_class_probabilities(np.eye(10, dtype=np.float32)[choices], labels)
    assert (true.max(axis=0) < 1).any()
    check(true)
