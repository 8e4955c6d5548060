"""Nested cross-fitting: each row by a stacker that saw neither it nor its group."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from ensembles.errors import BadInput
from ensembles.second_level.cross_fit import FOLDS, KINDS, Kind, cross_fit, stacking_folds
from ensembles.second_level.features import features
from ensembles.second_level.logistic import fit_logistic
from ensembles.second_level.trees import PARAMETERS, is_installed, trees_path

BOTH = [
    "logistic",
    pytest.param(
        "lightgbm", marks=pytest.mark.skipif(not is_installed(), reason="LightGBM is not installed")
    ),
]


class Regression:
    """scikit-learn's, as a kind of stacker."""

    def __init__(self, x, labels, c):
        self.fitted = LogisticRegression(C=c, max_iter=1000).fit(x.flat, labels)

    def predict(self, x):
        return self.fitted.predict_proba(x.flat)


def refitted(flat, labels, folds, settings):
    """Fold by fold with scikit-learn: the setting by the other folds, then the fold itself."""
    out, chosen = np.empty((len(labels), labels.max() + 1)), []
    names = np.unique(folds)
    for fold in names:
        totals = []
        for c in settings:
            total = 0.0
            for other in names[names != fold]:
                inside, there = (folds != fold) & (folds != other), folds == other
                model = LogisticRegression(C=c, max_iter=1000).fit(flat[inside], labels[inside])
                own = log_loss(labels[there], model.predict_proba(flat[there]), normalize=False)
                total += own
            totals.append(total)
        chosen.append(settings[int(np.argmin(totals))])
        model = LogisticRegression(C=chosen[-1], max_iter=1000).fit(
            flat[folds != fold], labels[folds != fold]
        )
        out[folds == fold] = model.predict_proba(flat[folds == fold])
    return out, chosen


def test_it_is_what_fitting_fold_by_fold_with_scikit_learn_gives(draw):
    probabilities, labels = draw(3, 160, 3)
    folds = np.random.default_rng(1).integers(4, size=160)
    settings = (0.001, 0.03, 1.0)
    kind = Kind(settings, "C", lambda x, truth, given: [Regression(x, truth, c) for c in given])
    x = features(probabilities)
    fit = cross_fit(x, labels, folds, None, kind)
    held_out, chosen = refitted(x.flat, labels, folds, settings)
    assert fit.chosen == chosen
    assert fit.held_out == pytest.approx(held_out, abs=1e-9)
    new = features(draw(3, 40, 3, seed=5)[0])
    mean = np.mean([stacker.predict(new) for stacker in fit.stackers], axis=0)
    assert fit.predict(new) == pytest.approx(mean, abs=1e-12)


def test_the_logistic_one_is_fitted_to_all_other_folds_at_the_ridge_chosen(draw):
    probabilities, labels = draw(3, 150, 4)
    folds = np.arange(150) % 3
    x = features(probabilities)
    fit = cross_fit(x, labels, folds, None, KINDS["logistic"])
    for fold, ridge in enumerate(fit.chosen):
        alone = fit_logistic(x.take(folds != fold), labels[folds != fold], ridge)
        expected = alone.predict(x.take(folds == fold))
        assert fit.held_out[folds == fold] == pytest.approx(expected, abs=1e-6)


@pytest.mark.skipif(not is_installed(), reason="LightGBM is not installed")
def test_trees_are_lightgbm_s_begun_from_the_pool(draw):
    import lightgbm

    probabilities, labels = draw(3, 200, 3)
    x = features(probabilities)
    none, some = trees_path(x, labels, (0, 20))
    pool = fit_logistic(x, labels, np.inf)
    assert none.predict(x) == pytest.approx(pool.predict(x), abs=1e-12)
    columns = np.hstack([x.flat, x.logs.mean(axis=1)])
    start = pool.logits(x)
    model = lightgbm.LGBMClassifier(
        **{**PARAMETERS, "objective": "multiclass"}, n_estimators=20
    ).fit(columns, labels, init_score=start)
    logits = start + model.predict(columns, raw_score=True)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert some.predict(x) == pytest.approx(expected, abs=1e-6)
    assert np.abs(some.predict(x) - none.predict(x)).max() > 0.01


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("drawn", [False, True])
def test_no_row_is_predicted_by_what_saw_the_label_of_its_group(draw, kind, drawn):
    """Other labels in a group change the rest, and of the group itself not one bit."""
    probabilities, labels = draw(3, 120, 3)
    groups = np.array([f"g{i // 4}" for i in range(120)])
    folds = np.zeros(120, int) if drawn else np.arange(120) // 4 % 4
    x = features(probabilities)
    before = cross_fit(x, labels, folds, groups, KINDS[kind])
    for group in ("g0", "g7"):
        own = groups == group
        turned = np.where(own, (labels + 1) % 3, labels)
        after = cross_fit(x, turned, folds, groups, KINDS[kind])
        assert (after.held_out[own] == before.held_out[own]).all()
        assert (after.held_out != before.held_out).any()


@pytest.mark.parametrize("kind", BOTH)
def test_of_noise_nothing_is_learnt(kind):
    """The score is chance's, where a fit to the same rows would look far better."""
    rng = np.random.default_rng(3)
    n, k = 600, 4
    labels = rng.integers(k, size=n)
    probabilities = rng.dirichlet(np.ones(k), (4, n)).astype(np.float32)
    x = features(probabilities)
    fit = cross_fit(x, labels, np.arange(n) % 5, None, KINDS[kind])
    loss = log_loss(labels, fit.held_out)
    right = (fit.held_out.argmax(axis=1) == labels).mean()
    assert np.log(k) - 0.005 < loss < np.log(k) + 0.05
    assert abs(right - 1 / k) < 3 * np.sqrt(1 / k * (1 - 1 / k) / n)
    freest = KINDS[kind].path(x, labels, KINDS[kind].settings)[-1].predict(x)
    assert log_loss(labels, freest) < np.log(k) - 0.03


def test_folds_are_the_tables_and_many_are_put_together():
    folds = np.repeat(np.arange(12), 3)
    found = stacking_folds(folds, None)
    assert len(np.unique(found)) == FOLDS
    assert all(len(np.unique(found[folds == fold])) == 1 for fold in range(12))
    assert stacking_folds(np.array([7, 7, 2, 3]), None).tolist() == [2, 2, 0, 1]


def test_fewer_than_three_folds_are_drawn_by_group():
    groups = np.array([f"g{i // 5}" for i in range(60)])
    found = stacking_folds(np.zeros(60, int), groups)
    assert len(np.unique(found)) == 5
    assert all(len(np.unique(found[groups == group])) == 1 for group in set(groups))


@pytest.mark.parametrize(
    ("folds", "groups", "problem"),
    [
        (np.zeros(6, int), np.array(list("aaabbb")), "3 or more folds or groups"),
        (np.arange(6) % 3, np.array(list("abcacd")), "1 of 4 groups stand in several folds: c"),
        (np.zeros(2, int), None, "3 or more folds or rows"),
    ],
)
def test_folds_that_would_leak_or_be_too_few_are_refused(folds, groups, problem):
    with pytest.raises(BadInput, match=problem):
        stacking_folds(folds, groups)
