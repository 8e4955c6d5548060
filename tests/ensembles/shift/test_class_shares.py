"""Shares of the classes among rows without labels: the likelihood's maximum, and its error."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import optimize

from ensembles.shift import calibrate
from ensembles.shift.calibrate import calibrated
from ensembles.shift.prior import prior_of
from ensembles.shift.rows import HeldOut, Rows
from ensembles.shift.shares import class_shares, influences
from tests.ensembles.conftest import softmax
from tests.ensembles.shift.rows_of import held_out, rows, votes

TRAINING = np.array([0.5, 0.3, 0.15, 0.05])


def right_probabilities(shares, n_rows, seed=0):
    """(T, K) posteriors under TRAINING of normal features drawn with other shares, and the classes."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(4, n_rows, p=shares)
    features = rng.normal(size=(n_rows, 4)) + 1.5 * np.eye(4)[labels]
    return softmax(1.5 * features + np.log(TRAINING)).astype(np.float64), labels


def softmax_64(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def em(probabilities, training, rounds=3_000):
    """Saerens, Latinne and Decaestecker's algorithm 1, as it stands in their paper."""
    shares = training.copy()
    for _ in range(rounds):
        turned = probabilities * shares / training
        shares = (turned / turned.sum(axis=1, keepdims=True)).mean(axis=0)
    return shares


@pytest.mark.parametrize("shares", [TRAINING, [0.1, 0.2, 0.3, 0.4], [0, 0, 0.5, 0.5]])
def test_the_shares_are_where_em_ends(shares):
    probabilities, _ = right_probabilities(shares, 400)
    found = class_shares(probabilities, TRAINING, prior_rows=1e-6)
    np.testing.assert_allclose(found, em(probabilities, TRAINING), atol=1e-4)
    assert found.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("prior_rows", [1e-3, 1.0, 40.0])
@pytest.mark.parametrize("shares", [[0.1, 0.2, 0.3, 0.4], [0, 0, 0.5, 0.5]])
def test_no_shares_have_a_higher_likelihood(shares, prior_rows):
    probabilities, _ = right_probabilities(shares, 120)

    def height(at):
        likelihood = np.log(probabilities / TRAINING @ at).sum()
        return (likelihood + prior_rows * TRAINING @ np.log(at)) / (120 + prior_rows)

    found = class_shares(probabilities, TRAINING, prior_rows)
    best = max(
        -optimize.minimize(lambda z: -height(softmax_64(z)), start, tol=1e-12).fun
        for start in np.random.default_rng(0).normal(size=(6, 4))
    )
    assert found.min() > 0
    assert height(found) == pytest.approx(best, abs=1e-8)


def test_a_class_that_training_lacks_keeps_a_share_of_0():
    probabilities, _ = right_probabilities(TRAINING, 50)
    wide = np.insert(probabilities * 0.9, 1, 0.1, axis=1)
    training = np.insert(TRAINING, 1, 0)
    found = class_shares(wide, training)
    assert found[1] == 0
    np.testing.assert_allclose(np.delete(found, 1), class_shares(probabilities, TRAINING))


def test_a_rows_influence_is_what_leaving_it_out_changes():
    probabilities, _ = right_probabilities([0.1, 0.2, 0.3, 0.4], 300)
    whole = class_shares(probabilities, TRAINING, 1e-9)
    without = np.stack(
        [class_shares(np.delete(probabilities, i, axis=0), TRAINING, 1e-9) for i in range(60)]
    )
    expected = influences(probabilities, TRAINING, whole)[:60]
    np.testing.assert_allclose((whole - without) * 299, expected, atol=0.06)
    assert np.corrcoef(((whole - without) * 299).ravel(), expected.ravel())[0, 1] > 0.999


def test_the_error_of_the_difference_is_its_spread_over_draws():
    """With groups of five that err together, which triple a variance."""
    rng, distances, errors = np.random.default_rng(0), [], []
    shares = np.full(3, 1 / 3)
    for _ in range(150):
        members, labels = votes(rng, shares, 500, group_size=5)
        test, _ = votes(rng, shares, 250, group_size=5)
        found = prior_of(held_out(members, labels, np.arange(500) // 5), rows(test))
        distances.append(found.fitted - found.oof)
        errors.append(found.error)
    ratio = np.std(distances, axis=0) / np.mean(errors, axis=0)
    assert (abs(ratio - 1) < 0.2).all(), ratio


# -- calibration -------------------------------------------------------------------------------


def test_calibrated_means_are_the_label_shares_and_no_biases_fit_better():
    rng = np.random.default_rng(0)
    members, labels = votes(rng, [0.6, 0.3, 0.1], 300)
    mixed = softmax(3 * np.log(members.mean(axis=0)) + [0, 1, -1])
    found = calibrated(mixed, labels)
    fitted = found.apply(mixed)
    np.testing.assert_allclose(fitted.mean(axis=0), np.bincount(labels) / 300, atol=1e-9)
    logits = np.log(np.maximum(mixed, 1e-6)).astype(float) / found.temperature

    def loss(biases):
        return -np.log(softmax_64(logits + biases)[np.arange(300), labels]).mean()

    best = optimize.minimize(loss, np.zeros(3), tol=1e-12).fun
    assert loss(found.biases) == pytest.approx(best, abs=1e-8)


def test_the_fit_ends_where_the_likelihood_says_no_more(monkeypatch):
    """Below its rounding a step cannot be judged: halving it there took a thousand likelihoods."""
    asked, likelihood = [], calibrate._likelihood
    monkeypatch.setattr(calibrate, "_likelihood", lambda *of: asked.append(of) or likelihood(*of))
    for scale, n_classes, seed in itertools.product((0.1, 0.3, 1.0), (3, 18), range(4)):
        rng = np.random.default_rng(seed)
        labels = rng.choice(n_classes, 700, p=rng.dirichlet(np.ones(n_classes)))
        signal = rng.normal(size=(700, n_classes)) + np.eye(n_classes)[labels]
        mixed = softmax(scale * signal)
        fitted = calibrated(mixed, labels).apply(mixed)
        shares = np.bincount(labels, minlength=n_classes) / 700
        np.testing.assert_allclose(fitted.mean(axis=0), shares, atol=1e-12)
    assert len(asked) < 24 * 20


@pytest.mark.parametrize("rare", [1, 0])
def test_a_rare_class_and_one_hot_rows_calibrate_too(rare):
    labels = np.repeat([0, 1, 2], [40, 20, rare])
    mixed = np.eye(3, dtype=np.float32)[np.roll(labels, 7)]
    fitted = calibrated(mixed, labels).apply(mixed)
    np.testing.assert_allclose(fitted.mean(axis=0), np.bincount(labels, minlength=3) / len(labels),
                               atol=1e-9)  # fmt: skip


def test_one_hot_rows_become_as_sure_as_they_are_right():
    """In 70 of 100 rows of each class: no temperature alone could say so."""
    labels = np.repeat([0, 1, 2], 100)
    answers = np.where(np.arange(300) % 100 < 70, labels, (labels + 1) % 3)
    fitted = calibrated(np.eye(3, dtype=np.float32)[answers], labels)
    given = fitted.apply(np.eye(3, dtype=np.float32))
    np.testing.assert_allclose(given, 0.15 + 0.55 * np.eye(3), atol=1e-3)


# -- the correction ----------------------------------------------------------------------------


def test_the_correction_is_bayes_rule_with_the_new_shares():
    """Of right probabilities, with the shares known: those that features of the new shares have."""
    new = np.array([0.1, 0.2, 0.3, 0.4])
    before, train_labels = right_probabilities(TRAINING, 4000, seed=1)
    after, labels = right_probabilities(new, 4000, seed=2)
    found = prior_of(HeldOut(before, None, train_labels, train_labels, None), Rows(after, None))
    assert abs(found.test - new).max() < 0.03
    corrected = found.corrected(after)
    expected = after * new / TRAINING
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(corrected, expected, atol=0.06)
    accuracy = [np.mean(own.argmax(axis=1) == labels) for own in (after, corrected)]
    assert accuracy[1] > accuracy[0] + 0.03


def test_where_nothing_shifted_nothing_is_corrected():
    """Fitted shares are always somewhere else; the corrected ones stay where they were."""
    rng, fitted, kept = np.random.default_rng(0), [], []
    for _ in range(60):
        members, labels = votes(rng, np.full(4, 0.25), 400)
        found = prior_of(held_out(members, labels), rows(votes(rng, np.full(4, 0.25), 150)[0]))
        fitted.append(abs(found.fitted - found.oof).sum())
        kept.append(abs(found.test - found.oof).sum())
    assert np.mean(fitted) > 0.05
    assert np.mean(np.array(kept) == 0) > 0.95


def test_class_offsets_that_differ_a_little_from_those_fitted_without_a_fold_are_no_shift():
    """Of unsure members a small difference in mean probability is a large one in shares."""
    rng = np.random.default_rng(0)

    def unsure(n):
        labels = rng.integers(0, 2, n)
        logit = 0.15 * (2 * labels - 1) + rng.normal(0, 0.4, n)
        chance = 1 / (1 + np.exp(-logit))
        return np.stack([1 - chance, chance], axis=1), labels

    mixed, labels = unsure(4000)
    asked, _ = unsure(4000)
    asked = asked * [1.0, 1.08]
    asked = asked / asked.sum(axis=1, keepdims=True)
    found = prior_of(HeldOut(mixed, None, labels, labels, None), Rows(asked, None))
    assert abs(found.fitted - found.oof).max() > 0.1
    np.testing.assert_array_equal(found.test, found.oof)


def test_a_class_without_oof_rows_keeps_its_probability():
    mixed = np.random.default_rng(0).dirichlet(np.ones(3), 80)
    labels = np.arange(80) % 2
    found = prior_of(HeldOut(mixed, None, labels, labels, None), Rows(mixed[:30], None))
    assert found.test[2] == 0
    assert found.ratios[2] == 1
