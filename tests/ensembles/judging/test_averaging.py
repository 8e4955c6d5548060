import numpy as np
import pytest

from ensembles.judging.averaging import expected_gains, votes_by_fold
from ensembles.rules.pools import Rule
from ensembles.scores import metrics


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return (powers / powers.sum(axis=-1, keepdims=True)).astype(np.float32)


def models(n_folds=5, n_rows=4000, noise=0.8, seed=0):
    """(F, T, K) of models that each know the true chances but for noise, and labels drawn by them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n_rows, 4)) * 1.5
    chances = softmax(logits)
    labels = (chances.cumsum(axis=1) > rng.random(n_rows)[:, None]).argmax(axis=1)
    # of mean chances those that are true: independent gamma shares around them
    drawn = rng.gamma(chances[None] / noise**2 * 4 + 1e-3, size=(n_folds, n_rows, 4))
    return (drawn / drawn.sum(axis=2, keepdims=True)).astype(np.float32), labels


def others_of(alone):
    return (alone.sum(axis=0) - alone) / np.float32(len(alone) - 1)


@pytest.mark.parametrize("n_folds", [3, 5, 10])
def test_the_gain_is_foretold_that_labels_show(n_folds):
    """No label goes in; the gains are those that 20,000 rows with labels have."""
    alone, labels = models(n_folds, 20_000)
    found = expected_gains(alone, others_of(alone))
    for name, gain in found.items():
        score = metrics.named(name).score
        shown = score(labels, alone.mean(axis=0)) - np.mean([score(labels, p) for p in alone])
        assert abs(shown) > 0.005
        assert gain == pytest.approx(shown, rel=0.25), name


def test_models_that_agree_gain_nothing():
    alone = np.repeat(models(1)[0], 4, axis=0)
    assert expected_gains(alone, others_of(alone)) == pytest.approx(
        {"macro_f1": 0, "accuracy": 0, "log_loss": 0}, abs=1e-7
    )


def test_the_truth_of_a_vote_that_is_too_sure_is_calibrated():
    """Probabilities to the power 2 belong to a temperature of 2; the votes judged stay as sure."""
    alone, labels = models(5, 20_000)
    sure = alone**2 / (alone**2).sum(axis=2, keepdims=True)
    others = others_of(sure)
    score = metrics.named("log_loss").score
    shown = score(labels, sure.mean(axis=0)) - np.mean([score(labels, p) for p in sure])
    found = expected_gains(sure, others, temperature=2.0)["log_loss"]
    uncalibrated = expected_gains(sure, others)["log_loss"]
    assert abs(found - shown) < abs(uncalibrated - shown)


def test_by_hand_of_three_models_and_one_row():
    """Two models of 3:1 and one of 1:3; each in turn the truth, the mean of the others beside each
    of them. Of the mean of two, more by (1 - 1/3) / (1 - 1/2)."""
    alone = np.array([[[0.75, 0.25]], [[0.75, 0.25]], [[0.25, 0.75]]], np.float32)
    found = expected_gains(alone, others_of(alone))

    def loss(q, p):
        return -(q * np.log(p) + (1 - q) * np.log(1 - p))

    first = loss(0.75, 0.5) - (loss(0.75, 0.75) + loss(0.75, 0.25)) / 2
    last = loss(0.25, 0.75) - loss(0.25, 0.75)
    assert found["log_loss"] == pytest.approx((2 * first + last) / 3 * 4 / 3, rel=1e-6)
    # a tie goes to the first class: .75 of the truth against the mean of .75 and .25
    assert found["accuracy"] == pytest.approx((2 * 0.25 + 0) / 3 * 4 / 3, rel=1e-6)


def test_each_folds_vote_is_the_rule_on_its_tables_and_on_the_mean_of_all_others(draw):
    probabilities, _ = draw(4 * 3, 50, 5)  # four folds of three members
    by_fold = probabilities.reshape(4, 3, 50, 5)
    rule = Rule(np.array([0.5, 0.3, 0.2]), "log_linear", np.linspace(0, 0.5, 5), 1.3)
    mean = by_fold.mean(axis=0)
    alone, others = votes_by_fold(rule, mean, iter(by_fold), 4)
    for fold in range(4):
        np.testing.assert_array_equal(alone[fold], rule.apply(by_fold[fold]))
        rest = np.delete(by_fold, fold, axis=0).astype(float).mean(axis=0).astype(np.float32)
        np.testing.assert_allclose(others[fold], rule.apply(rest), atol=1e-5)


def test_two_folds_are_too_few():
    alone, _ = models(2, 10)
    with pytest.raises(AssertionError):
        expected_gains(alone, others_of(alone))
