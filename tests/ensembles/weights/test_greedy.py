import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

from ensembles.weights.greedy import greedy_weights
from ensembles.weights.stack import stack_members


def autogluon(members, labels, metric, size):
    """AutoGluon 1.6's `EnsembleSelection._fit` with tie_breaker="second_metric", line by line."""
    rng = np.random.RandomState(0)
    ensemble, trajectory, order, used, rounded = [], [], [], set(), False
    mean = np.zeros(members[0].shape)
    for i in range(size):
        errors, s = np.zeros(len(members)), len(ensemble)
        weighted = np.zeros(mean.shape)
        if s:
            mean *= (s - 1) / s
            mean += ensemble[-1] / s
            weighted[:] = (s / float(s + 1)) * mean
        for j, own in enumerate(members):
            mixed = np.zeros(mean.shape)
            mixed[:] = weighted + (1.0 / float(s + 1)) * own
            mixed /= mixed.sum(axis=1)[:, None]
            errors[j] = 1 - metric(labels, mixed.argmax(axis=1))
            if rounded:
                errors[j] = errors[j].round(6)
        best = np.flatnonzero(np.isclose(errors, np.nanmin(errors), atol=0, rtol=1e-12))
        if len(best) > 1 and used and (kept := [m for m in best if m in used]):
            best = kept
        if len(best) > 1:
            classes = range(members[0].shape[1])
            losses = [
                log_loss(labels, _rows_to_1(weighted + members[j] / (s + 1)), labels=classes)
                for j in best
            ]
            close = np.isclose(losses, np.nanmin(losses), atol=0, rtol=1e-12)
            best = [best[k] for k in np.flatnonzero(close)]
        chosen = rng.choice(best)
        error = errors[chosen]
        if i == 0 and abs(error) > 1e-4:
            rounded, error = True, error.round(6)
        ensemble.append(members[chosen])
        trajectory.append(error)
        order.append(chosen)
        used.add(chosen)
    length = trajectory.index(min(trajectory)) + 1
    return np.bincount(order[:length], minlength=len(members)) / length, 1 - min(trajectory)


def _rows_to_1(probabilities):
    return probabilities / probabilities.sum(axis=1, keepdims=True)


def macro_f1(labels, predictions):
    return f1_score(labels, predictions, average="macro")


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("objective", "metric"), [("macro_f1", macro_f1), ("accuracy", accuracy_score)]
)
def test_the_weights_are_autogluons_to_the_digit(draw, objective, metric, seed):
    probabilities, labels = draw(7, 250, 5, seed=seed)
    weights, score = greedy_weights(stack_members(probabilities, labels), objective, 15)
    expected, expected_score = autogluon(list(probabilities), labels, metric, 15)
    np.testing.assert_allclose(weights, expected, rtol=0, atol=1e-15)
    assert score == expected_score


def test_a_class_that_does_not_occur_counts_as_0(draw):
    probabilities, labels = draw(5, 120, 5)
    labels[labels == 4] = 3

    def over_all(truth, guess):
        return f1_score(truth, guess, average="macro", labels=range(5), zero_division=0)

    weights, score = greedy_weights(stack_members(probabilities, labels), "macro_f1", 15)
    expected, expected_score = autogluon(list(probabilities), labels, over_all, 15)
    np.testing.assert_allclose(weights, expected, rtol=0, atol=1e-15)
    assert score == expected_score


def test_votes_as_one_hot_tables_full_of_ties(draw):
    probabilities, labels = draw(6, 200, 4)
    votes = np.eye(4, dtype=np.float32)[probabilities.argmax(axis=2)]
    weights, score = greedy_weights(stack_members(votes, labels), "accuracy", 12)
    expected, expected_score = autogluon(list(votes), labels, accuracy_score, 12)
    np.testing.assert_allclose(weights, expected, rtol=0, atol=1e-15)
    assert score == expected_score


def test_one_member_is_all_there_is(draw):
    probabilities, labels = draw(1, 50, 3)
    assert greedy_weights(stack_members(probabilities, labels))[0].tolist() == [1.0]


def test_of_one_target_it_is_the_choice_among_all_means(draw):
    """Every addition scores best among all members, by the target's values of the classes."""
    probabilities, labels = draw(5, 300, 6)
    values = np.array([0, 1, 2, 0, 1, 2])
    weights, score = greedy_weights(stack_members(probabilities, labels, values), "macro_f1", 6)
    total, best = np.zeros(probabilities.shape[1:]), []
    chosen = []
    for _ in range(6):
        scores = [
            macro_f1(values[labels], values[(total + own).argmax(axis=1)]) for own in probabilities
        ]
        chosen.append(int(np.argmax(scores)))
        best.append(max(scores))
        total += probabilities[chosen[-1]]
    assert score >= max(best) - 1e-5
    mixed = np.tensordot(weights, probabilities, axes=1)
    assert macro_f1(values[labels], values[mixed.argmax(axis=1)]) == pytest.approx(score, abs=1e-6)
