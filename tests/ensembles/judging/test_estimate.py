import numpy as np
import pytest
from sklearn.metrics import log_loss

from ensembles.judging import estimate
from ensembles.rules import votes
from ensembles.rules.pools import Rule
from ensembles.scores import metrics
from ensembles.scores.metrics import METRICS
from ensembles.weights.fit import best_member, fit_stack, fit_weights
from ensembles.weights.stack import stack_members


def nested(data, folds, fit):
    return estimate.apply_held_out(data, estimate.nested_rules(data, folds, fit))


def test_each_fold_is_mixed_with_weights_fitted_without_it(draw):
    probabilities, labels = draw(3, 120, 4)
    folds = np.arange(120) % 4
    found = nested(
        stack_members(probabilities, labels),
        folds,
        lambda part: Rule(fit_stack(part, "log_loss").weights),
    )
    for fold in range(4):
        train = folds != fold
        weights = fit_weights(probabilities[:, train], labels[train], "log_loss").weights
        expected = votes.weighted(probabilities, weights)[~train]
        np.testing.assert_array_equal(found[~train], expected)


def test_labels_of_a_fold_cannot_move_its_own_predictions(draw):
    probabilities, labels = draw(4, 120, 4)
    folds = np.arange(120) % 3
    changed = np.where(folds == 1, (labels + 1) % 4, labels)
    first, second = (
        nested(
            stack_members(probabilities, y),
            folds,
            lambda part: Rule(fit_stack(part, "macro_f1").weights),
        )
        for y in (labels, changed)
    )
    np.testing.assert_array_equal(first[folds == 1], second[folds == 1])
    assert (first[folds != 1] != second[folds != 1]).any()


def test_the_estimate_is_near_the_score_on_fresh_rows_where_the_fitted_score_is_not():
    """Members that know nothing: fitted weights look better than chance, the estimate does not."""
    rng = np.random.default_rng(0)
    fitted, refitted = [], []
    for _ in range(8):
        probabilities = rng.dirichlet(np.ones(4), (12, 80)).astype(np.float32)
        labels, folds = rng.integers(0, 4, 80), np.arange(80) % 5

        def fit(part):
            return Rule(fit_stack(part, "accuracy").weights)

        data = stack_members(probabilities, labels)
        mixed = fit(data).apply(probabilities)
        fitted.append(metrics.score_all(labels, mixed)["accuracy"])
        held_out = nested(data, folds, fit)
        refitted.append(estimate.estimate(labels, held_out)["accuracy"])
    assert np.mean(fitted) > 0.4
    assert np.mean(refitted) == pytest.approx(0.25, abs=0.05)


def test_a_hold_out_is_parted_by_group_the_same_way_every_time():
    groups = np.arange(200).repeat(7)
    folds = np.zeros(1400, np.int16)
    drawn = estimate.folds_for_weights(folds, groups)
    np.testing.assert_array_equal(drawn, estimate.folds_for_weights(folds, groups))
    assert np.bincount(drawn).tolist() == [280] * 5
    assert (drawn.reshape(200, 7) == drawn.reshape(200, 7)[:, :1]).all()


def test_folds_of_the_tables_are_used_where_there_are_two():
    folds = np.array([0, 1, 1, 3], np.int16)
    assert estimate.folds_for_weights(folds) is folds


@pytest.mark.parametrize("objective", METRICS)
def test_the_best_single_member_is_the_best_by_the_objective(draw, objective):
    probabilities, labels = draw(4, 300, 4)
    of = METRICS[objective]
    scores = [of.score(labels, member) for member in probabilities]
    best = scores.index(max(scores) if of.greater_is_better else min(scores))
    assert best_member(stack_members(probabilities, labels), objective) == best


def test_the_shift_is_the_votes_log_loss_less_the_refitted_rules_mean_on_the_same_rows(draw):
    probabilities, labels = draw(4, 150, 4)
    data, folds = stack_members(probabilities, labels), np.arange(150) % 3

    def fit(part):
        return Rule(fit_stack(part, "macro_f1").weights)

    rule = fit(data)
    rules = [own for _, own in estimate.nested_rules(data, folds, fit)]
    exact = [own.apply(probabilities).astype(float) for own in (rule, *rules)]
    whole, *refitted = (
        log_loss(labels, p / p.sum(1, keepdims=True), labels=range(4)) for p in exact
    )
    found = estimate.refit_shifts(data, rule, rules)
    assert found == {"log_loss": pytest.approx(whole - np.mean(refitted), abs=1e-9)}
    assert found["log_loss"] != 0


def test_the_error_counts_refitting_in_log_loss_as_an_independent_error(draw):
    (p,), labels = draw(1)
    plain, more = (
        estimate.estimate(labels, p, shifts=shifts)["standard_error"]
        for shifts in (None, {"log_loss": -0.03})
    )
    assert more["log_loss"] ** 2 == pytest.approx(plain["log_loss"] ** 2 + 0.03**2)
    assert {**more, "log_loss": 0} == {**plain, "log_loss": 0}


def test_what_is_not_refitted_has_no_shift(draw):
    data = stack_members(*draw(3, 90, 4))
    rule = Rule(np.full(3, 1 / 3))
    assert estimate.refit_shifts(data, rule, [rule]) == {"log_loss": 0.0}


def test_rules_of_folds_that_were_merged_count_once(draw):
    """As in ranges of rows, where each fold of the tables has its rule."""
    data = stack_members(*draw(3, 90, 4))
    rule, first, second = (Rule(np.array(w, float)) for w in ([1, 0, 0], [0, 1, 0], [0, 0, 1]))
    once = estimate.refit_shifts(data, rule, [first, second])
    assert estimate.refit_shifts(data, rule, [first, second, first, first]) == once


def test_of_many_rows_the_shift_is_that_of_some_the_same_ones_every_time(draw, monkeypatch):
    data = stack_members(*draw(3, 4000, 4))
    rule, other = Rule(np.array([0.6, 0.4, 0])), Rule(np.array([0, 0.5, 0.5]))
    whole = estimate.refit_shifts(data, rule, [other])["log_loss"]
    monkeypatch.setattr(estimate, "REFIT_ROWS", 2000)
    some = estimate.refit_shifts(data, rule, [other])["log_loss"]
    assert some == estimate.refit_shifts(data, rule, [other])["log_loss"]
    assert some != whole
    assert some == pytest.approx(whole, rel=0.2)
