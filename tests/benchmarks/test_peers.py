"""The peers that votes are compared with, against other implementations and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from benchmarks.sets import peers
from benchmarks.sets.neural import neural
from benchmarks.sets.peers import Split
from ensembles.weights.greedy import greedy_weights
from ensembles.weights.offsets import fit_temperature
from ensembles.weights.stack import stack_members


@pytest.fixture(scope="module")
def noisy() -> Split:
    """Six members of unequal noise, 200 rows, 4 classes."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 4, 200)
    logits = rng.normal(size=(6, 200, 4)) * np.linspace(0.8, 3, 6)[:, None, None]
    logits[:, np.arange(200), labels] += 1.5
    powers = np.exp(logits)
    oof = (powers / powers.sum(axis=2, keepdims=True)).astype(np.float32)
    return Split(oof, labels, np.arange(200) % 5, None)


def weights(vote: peers.Vote, n_members: int) -> np.ndarray:
    """Of a linear vote: what it makes of tables of which one is 1 and the others 0."""
    return np.array([vote(np.eye(n_members)[j].reshape(-1, 1, 1)).item() for j in range(n_members)])


@pytest.mark.parametrize("size", [1, 25])
def test_greedy_selection_has_the_weights_of_the_projects_own(noisy, size):
    expected = greedy_weights(stack_members(noisy.oof, noisy.labels), "macro_f1", size)[0]
    np.testing.assert_allclose(weights(peers.greedy(size, "macro_f1")(noisy), 6), expected)


def test_greedy_selection_for_log_loss_comes_near_the_best_mixture(noisy):
    mixed = peers.greedy(100, "log_loss")(noisy)(noisy.oof)
    rng = np.random.default_rng(0)
    drawn = [rng.dirichlet(np.ones(6)) for _ in range(2000)]
    best = min(peers.log_loss(noisy.labels, np.tensordot(w, noisy.oof, 1)) for w in drawn)
    assert peers.log_loss(noisy.labels, mixed) < best


def test_hill_climbing_is_not_behind_the_best_member(noisy):
    mixed = peers.hill_climbing(noisy)(noisy.oof)
    single = peers.best_single(noisy)(noisy.oof)
    scores = [f1_score(noisy.labels, own.argmax(axis=1), average="macro") for own in noisy.oof]
    found = f1_score(noisy.labels, mixed.argmax(axis=1), average="macro")
    assert found > max(scores)
    assert f1_score(noisy.labels, single.argmax(axis=1), average="macro") == max(scores)


def test_macro_f1_is_scikit_learns(noisy):
    guess = noisy.oof[0].argmax(axis=1)
    expected = f1_score(noisy.labels, guess, average="macro")
    assert peers.macro_f1(noisy.labels, guess, 4) == pytest.approx(expected)


def test_the_super_learner_finds_the_mixture_that_the_targets_are_of(noisy):
    exact = np.eye(4, dtype=np.float32)[noisy.labels]
    with_truth = noisy._replace(oof=np.concatenate([noisy.oof, exact[None]]))
    np.testing.assert_allclose(weights(peers.nnls(with_truth), 7), [0] * 6 + [1], atol=1e-6)


def test_the_temperature_is_that_of_least_log_loss(noisy):
    mean = noisy.oof.mean(axis=0)
    powers = mean.astype(float) ** (1 / fit_temperature(mean, noisy.labels))
    expected = powers / powers.sum(axis=1, keepdims=True)
    found = peers.uniform_with_temperature(noisy)(noisy.oof)
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("mode", ["averaging", "stacking"])
def test_the_neural_ensembler_learns_whom_to_believe(noisy, mode):
    exact = 0.97 * np.eye(4, dtype=np.float32)[noisy.labels] + 0.0075
    with_truth = noisy._replace(oof=np.concatenate([noisy.oof, exact[None].astype(np.float32)]))
    mixed = neural(mode)(with_truth)(with_truth.oof)
    np.testing.assert_allclose(mixed.sum(axis=1), 1, atol=1e-5)
    loss = peers.log_loss(noisy.labels, mixed)
    assert loss < min(peers.log_loss(noisy.labels, own) for own in noisy.oof) / 2


def test_logistic_stacking_is_ahead_of_its_members_out_of_sample(noisy):
    first, later = noisy.oof[:, :150], noisy.oof[:, 150:]
    split = Split(first, noisy.labels[:150], noisy.folds[:150], None)
    mixed = peers.logistic_stacking(split)(later)
    loss = peers.log_loss(noisy.labels[150:], mixed)
    assert loss < min(peers.log_loss(noisy.labels[150:], own) for own in later)
