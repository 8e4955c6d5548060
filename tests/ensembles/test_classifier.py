import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError, SkipTestWarning
from sklearn.utils import estimator_checks as checks

from ensembles import BadInput, VoteClassifier


@pytest.fixture
def parts(draw):
    probabilities, labels = draw(4, 300, 4)
    names = np.array(["ash", "birch", "cedar", "date"])
    return probabilities, names[labels]


def test_fitted_and_asked_in_any_shape(parts):
    probabilities, y = parts
    named = dict(zip("abcd", probabilities, strict=True))
    expected = None
    for tables in (probabilities, list(probabilities), named):
        model = VoteClassifier(objective="log_loss").fit(tables, y)
        assert model.classes_.tolist() == ["ash", "birch", "cedar", "date"]
        found = model.predict_proba(tables)
        assert found.sum(axis=1) == pytest.approx(1, abs=1e-6)
        np.testing.assert_array_equal(model.predict(tables), model.classes_[found.argmax(axis=1)])
        expected = found if expected is None else expected
        np.testing.assert_array_equal(found, expected)
    assert model.score(named, y) == np.mean(model.predict(named) == y)
    shuffled = {name: named[name] for name in "dbca"}
    np.testing.assert_array_equal(model.predict_proba(shuffled), expected)


def test_parameters_are_scikit_learns(parts):
    model = VoteClassifier(mode="soft", top=2)
    copy = clone(model)
    assert copy is not model
    assert copy.get_params() == model.get_params()
    assert repr(copy) == "VoteClassifier(mode='soft', top=2)"
    assert copy.set_params(top=3) is copy
    assert copy.top == 3
    with pytest.raises(ValueError, match="no parameter 'tpo'"):
        copy.set_params(tpo=1)
    before = copy.get_params()
    assert copy.fit(*parts) is copy
    assert copy.get_params() == before


def test_checks_of_scikit_learn_that_apply():
    """`check_estimator` leaves out what wants a matrix of features; these need none."""
    with pytest.warns(SkipTestWarning, match="Can't test estimator VoteClassifier"):
        checks.check_estimator(VoteClassifier())
    for check in (
        checks.check_do_not_raise_errors_in_init_or_set_params,
        checks.check_estimator_cloneable,
        checks.check_estimator_repr,
        checks.check_estimator_tags_renamed,
        checks.check_estimators_unfitted,
        checks.check_get_params_invariance,
        checks.check_mixin_order,
        checks.check_no_attributes_set_in_init,
        checks.check_parameters_default_constructible,
        checks.check_set_params,
        checks.check_valid_tag_types,
    ):
        check("VoteClassifier", VoteClassifier())


def test_not_fitted(parts):
    with pytest.raises(NotFittedError, match="call fit first"):
        VoteClassifier().predict(parts[0])


def test_the_same_data_give_the_same_model(parts):
    first, second = (VoteClassifier().fit(*parts).predict_proba(parts[0]) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_groups_and_folds_are_used(parts):
    probabilities, y = parts
    groups = np.arange(300) // 3
    model = VoteClassifier(objective="macro_f1").fit(probabilities, y, groups=groups)
    assert model.vote_.estimate["standard_error"]["macro_f1"] > 0
    with pytest.raises(BadInput, match="stand in several"):
        VoteClassifier().fit(probabilities, y, groups=groups, folds=np.arange(300) % 3)


def test_a_class_that_does_not_occur_keeps_its_column(draw):
    probabilities, labels = draw(3, 200, 4)
    labels[labels == 2] = 1
    model = VoteClassifier(objective="macro_f1").fit(probabilities, labels)
    assert model.classes_.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda p, y: (p, y[:-1]), r"member_0: shape \(300, 4\), but must be \(299, 4\)"),
        (lambda p, y: ([p[0], p[1][:, :3]], y), r"member_1: shape \(300, 3\)"),
        (lambda p, y: (p[0], y), r"must be \(members, rows, classes\)"),
        (lambda p, y: ([], y), "no members"),
        (lambda p, y: (p * 2, y), "do not sum to 1, the first is row 0"),
        (lambda p, y: (np.where(p > 0.9, np.nan, p), y), "NaN"),
        (lambda p, y: (p * 0, y), "do not sum to 1"),
        (lambda p, y: (p, np.where(y == "ash", "birch", y)), "3 different labels.*4 classes"),
        (lambda p, y: (p, y[:, None]), r"y: shape \(300, 1\)"),
    ],
)
def test_wrong_shapes_and_values_are_refused(parts, change, text):
    with pytest.raises(BadInput, match=text):
        VoteClassifier().fit(*change(*parts))


def test_other_members_than_fitted_are_refused(parts):
    probabilities, y = parts
    named = dict(zip("abcd", probabilities, strict=True))
    model = VoteClassifier(mode="soft").fit(named, y)
    with pytest.raises(BadInput, match="but fitted were a, b, c, d"):
        model.predict({name: named[name] for name in "abc"})
    with pytest.raises(BadInput, match="3 members, but 4"):
        model.predict(probabilities[:3])
