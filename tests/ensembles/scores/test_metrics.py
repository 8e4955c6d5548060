import numpy as np
import pytest
from sklearn import metrics as sk

from ensembles.scores import by_part, metrics, scorers

VALUES = np.array([0, 1, 2, 0, 1, 2])  # what each class means of a target


@pytest.fixture(params=["all classes occur", "a class occurs nowhere", "a class is only predicted"])
def predicted(request, draw):
    (probabilities,), labels = draw(1, 400, 6, seed=3)
    if request.param != "all classes occur":
        labels[labels == 2] = 1
    if request.param == "a class occurs nowhere":
        probabilities[:, 2] = 0
        probabilities /= probabilities.sum(axis=1, keepdims=True)
    return labels, probabilities


def test_scores_equal_scikit_learns(predicted):
    labels, probabilities = predicted
    found = metrics.score_all(labels, probabilities)
    guess = probabilities.argmax(axis=1)
    exact = probabilities.astype(float)
    exact /= exact.sum(axis=1, keepdims=True)
    expected = {
        "macro_f1": sk.f1_score(labels, guess, average="macro", labels=range(6), zero_division=0),
        "accuracy": sk.accuracy_score(labels, guess),
        "log_loss": sk.log_loss(labels, exact, labels=range(6)),
    }
    assert found == pytest.approx(expected, abs=1e-12)


def test_the_table_of_classes_equals_scikit_learns(predicted):
    labels, probabilities = predicted
    guess = probabilities.argmax(axis=1)
    counts = scorers.confusion(labels, guess, 6)
    np.testing.assert_array_equal(counts, sk.confusion_matrix(labels, guess, labels=range(6)))
    rows = by_part.by_class(counts, "abcdef")
    expected = sk.precision_recall_fscore_support(labels, guess, labels=range(6), zero_division=0)
    got = [[row[c] for row in rows] for c in ("precision", "recall", "f1", "support")]
    np.testing.assert_allclose(got, expected)
    assert [row["predicted"] for row in rows] == np.bincount(guess, minlength=6).tolist()


def test_a_class_ruled_out_wrongly_costs_much_but_not_infinity():
    loss = scorers.log_loss(np.array([1]), np.array([[1.0, 0.0]], np.float32))
    assert loss == pytest.approx(-np.log(1e-15))


def test_calibration_error_of_a_hand_worked_case():
    """Confidence .6 twice with one hit, .9 twice with two hits: .5 x |.5-.6| + .5 x |1-.9|."""
    probabilities = np.array([[0.6, 0.4], [0.6, 0.4], [0.1, 0.9], [0.9, 0.1]])
    found = scorers.calibration_error(np.array([0, 1, 1, 0]), probabilities)
    assert found == pytest.approx(0.1)


def test_scores_by_target_equal_those_of_the_targets_alone(draw):
    (probabilities,), labels = draw(1, 500, 6)
    guess = probabilities.argmax(axis=1)
    index = {"mask": np.array([0, 0, 1, 1, 2, 2]), "gender": np.array([0, 1, 0, 1, 0, 1])}
    found = by_part.by_target(labels, guess, index)
    assert found["mask"]["accuracy"] == sk.accuracy_score(labels // 2, guess // 2)
    assert found["gender"]["macro_f1"] == pytest.approx(
        sk.f1_score(labels % 2, guess % 2, average="macro")
    )


def test_scores_by_marginal_equal_scikit_learns_on_summed_probabilities(predicted):
    labels, probabilities = predicted
    index = {"mask": np.array([0, 0, 1, 1, 2, 2]), "gender": np.array([0, 1, 0, 1, 0, 1])}
    found = by_part.by_marginals(labels, probabilities, index)
    joint = probabilities.reshape(-1, 3, 2)
    for target, axis in (("mask", 2), ("gender", 1)):
        truth, guess = index[target][labels], joint.sum(axis=axis).argmax(axis=1)
        assert found[target]["accuracy"] == sk.accuracy_score(truth, guess)
        assert found[target]["macro_f1"] == pytest.approx(
            sk.f1_score(
                truth, guess, labels=range(joint.shape[3 - axis]), average="macro", zero_division=0
            )
        )


def test_a_marginal_s_winner_may_lie_outside_the_most_probable_joint_class():
    # mask 0: 0.4 in one class; mask 1: 0.3 + 0.3 in two
    probabilities = np.array([[0.4, 0.0, 0.3, 0.3]], np.float32)
    index = {"mask": np.array([0, 0, 1, 1])}
    assert by_part.by_marginals(np.array([2]), probabilities, index)["mask"]["accuracy"] == 1
    assert by_part.by_target(np.array([2]), probabilities.argmax(1), index)["mask"]["accuracy"] == 0


def test_the_scores_of_a_target_are_scikit_learns(predicted):
    labels, probabilities = predicted
    names = [f"{name}:age" for name in metrics.REPORTED]
    found = metrics.score_all(labels, probabilities, dict.fromkeys(names, VALUES))
    truth, guess = VALUES[labels], VALUES[probabilities.argmax(axis=1)]
    sums = np.stack([probabilities[:, v == VALUES].sum(axis=1, dtype=float) for v in range(3)], 1)
    expected = {
        "macro_f1:age": sk.f1_score(truth, guess, average="macro", labels=range(3)),
        "accuracy:age": sk.accuracy_score(truth, guess),
        "log_loss:age": sk.log_loss(truth, sums / sums.sum(axis=1, keepdims=True)),
    }
    assert {name: found[name] for name in names} == pytest.approx(expected, abs=1e-6)
