"""The study of recipe keys: what is compared with what, on which rows, and with which errors."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score, log_loss

from benchmarks import member_studies as study
from benchmarks.paired import figures
from benchmarks.photo_sets import HELD, Set, divided
from members.recipe.recipe import Recipe

N, K = 60, 3


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    labels = rng.integers(K, size=N)
    fold = np.r_[np.full(20, HELD), np.zeros(20, int), np.ones(20, int)]
    pixels = rng.integers(0, 255, (N, 32, 32, 3), dtype=np.uint8)
    return Set("drawn", {32: pixels}, labels, fold, np.arange(N) // 4, ["a", "b", "c"])


def answers(seed, n=N):
    return np.random.default_rng(seed).dirichlet(np.ones(K), n).astype(np.float32)


def unit(fold_answers, held_answers):
    return {"fold": np.array(fold_answers), "held": np.array(held_answers), "seconds": 5.0}


@pytest.mark.parametrize("epochs", [3, 4, 9])
def test_every_key_is_trained_beside_the_same_member_without_it(epochs):
    recipes = study.trainings(epochs, 64)
    for name, settings in recipes.items():
        Recipe(**settings)
        key = name.partition(",")[0]
        if name in study.AGAINST:
            base = recipes[study.AGAINST[name]]
            expected = {key} - {"pseudo"}  # which is no key of a recipe
            assert {k for k in settings if settings[k] != base.get(k)} == expected
    known = {*recipes, *study.DERIVED}
    assert {*study.AGAINST, *study.AGAINST.values()} <= known


def test_differences_have_the_paired_error_of_their_rows(data):
    ours, theirs = answers(1), answers(2)
    of = figures(data.labels, np.arange(N), [ours], [theirs])
    for name, score, rows in (
        ("accuracy", accuracy_score, lambda p: p.argmax(axis=1) == data.labels),
        ("log_loss", log_loss, lambda p: -np.log(p[np.arange(N), data.labels])),
    ):
        given = (ours, theirs) if name == "log_loss" else (ours.argmax(1), theirs.argmax(1))
        a, b = (score(data.labels, g) for g in given)
        apart = rows(ours).astype(float) - rows(theirs)
        assert of[name][0] == pytest.approx(a, abs=1e-5)
        assert of[name][2] == pytest.approx(a - b, abs=1e-5)
        assert of[name][3] == pytest.approx(np.std(apart, ddof=1) / np.sqrt(N), rel=1e-4)


def test_a_difference_of_macro_f1_has_about_the_jackknife_error_over_groups(data):
    ours, theirs = answers(1).argmax(1), answers(2).argmax(1)

    def apart(rows):
        return f1_score(data.labels[rows], ours[rows], average="macro") - f1_score(
            data.labels[rows], theirs[rows], average="macro"
        )

    left_out = np.array([apart(data.groups != g) for g in np.unique(data.groups)])
    n = len(left_out)
    expected = np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())
    of = figures(data.labels, data.groups, [answers(1)], [answers(2)])["macro_f1"]
    assert of[2] == pytest.approx(apart(np.arange(N)))
    assert of[3] == pytest.approx(expected, rel=0.15)


def test_seeds_are_averaged_score_by_score(data):
    own, base = [answers(1), answers(3)], [answers(2), answers(4)]
    of = figures(data.labels, data.groups, own, base)
    for name, found in of.items():
        single = [
            figures(data.labels, data.groups, [a], [b])[name]
            for a, b in zip(own, base, strict=True)
        ]
        assert found[0] == pytest.approx(np.mean([s[0] for s in single]))
        assert found[2] == pytest.approx(np.mean([s[2] for s in single]))
        assert found[3] <= np.mean([s[3] for s in single]) + 1e-12


def test_views_of_a_fold_are_chosen_on_the_other_and_of_the_rest_on_all(data):
    truth = np.eye(K)[data.labels]
    sure, unsure = 0.9 * truth + 0.1 / K, np.full((N, K), 1 / K)
    first = (data.fold == 0)[:, None]
    plain = study.Answers(np.where(first, sure, unsure), 1.0)
    # of fold 1 a little better, of fold 0 much worse
    both = study.Answers(np.where(first, unsure, 0.1 * sure + 0.9 * unsure), 1.0)
    found = study.chosen(data, plain, both).probabilities
    np.testing.assert_array_equal(found[data.fold == 0], both.probabilities[data.fold == 0])
    np.testing.assert_array_equal(found[data.fold == 1], plain.probabilities[data.fold == 1])
    np.testing.assert_array_equal(found[data.fold == HELD], plain.probabilities[data.fold == HELD])


def test_the_best_epoch_is_chosen_in_the_views_asked_for_and_predicts_in_both(data):
    units = []
    for fold in (0, 1):
        right = np.eye(K, dtype=np.float32)[data.labels[data.rows(fold)]]
        wrong = np.roll(right, 1, axis=1)
        # epoch 0 is right in plain, epoch 1 in both views
        units.append(unit([[right, wrong], [wrong, right]], [[answers(5, 20)] * 2] * 2))
    found = study.members_of(data, ["validation_views"], lambda name, fold: units[fold])
    hits = {
        name: accuracy_score(data.labels[20:], own.probabilities[20:].argmax(axis=1))
        for name, own in found.items()
    }
    assert hits == {"best epoch": 0.0, "validation_views": 1.0}


def test_the_part_held_back_is_answered_by_the_mean_of_the_folds_networks(data):
    held = [answers(6, 20), answers(7, 20)]
    units = [unit([[answers(8, 20)]], [[own]]) for own in held]
    found = study.assembled(data, units, [-1, -1], [0, 0])
    np.testing.assert_allclose(found.probabilities[:20], np.mean(held, axis=0), rtol=1e-6)
    np.testing.assert_array_equal(found.probabilities[20:40], answers(8, 20))
    assert found.seconds == 10.0


def test_no_group_is_on_two_sides():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"group": [f"g{i // 3}" for i in range(120)]})
    frame["image_id"] = [str(i) for i in range(120)]
    frame["label"] = rng.integers(K, size=120)
    fold = divided(frame, 2)
    assert set(fold) == {HELD, 0, 1}
    assert (frame.assign(fold=fold).groupby("group")["fold"].nunique() == 1).all()
    assert 0.4 < (fold == HELD).mean() < 0.6


def test_pseudo_labels_are_what_the_teacher_is_sure_of(data):
    said = np.full((20, K), 0.05, np.float32)
    said[:, 1], said[:5, 1], said[:5, 2] = 0.9, 0.05, 0.5
    rows, labels = study.taught_by(data, unit([[answers(9, 20)]], [[said]]))
    np.testing.assert_array_equal(rows, np.arange(5, 20))
    np.testing.assert_array_equal(labels, np.ones(15))


def test_labels_of_the_fold_and_of_the_part_held_back_train_nothing(data):
    settings = {"model": "test_resnet", "image_size": [32, 32], "epochs": 1, "select": "last"}
    taught = (np.arange(3), np.array([2, 0, 1]))
    found = study.train(data, settings, 0, 0, False, taught)
    outside = data.fold != 1
    others = dataclasses.replace(data, labels=np.where(outside, 2 - data.labels, data.labels))
    again = study.train(others, settings, 0, 0, False, taught)
    without = study.train(data, settings, 0, 0, False)
    np.testing.assert_array_equal(found["held"], again["held"])
    assert found["held"].shape == (1, 1, 20, K)
    assert not np.array_equal(found["held"], without["held"])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "--elpv DIR, --folders DIR"),
        (
            ["--folders", "x", "--k", "1", "--epochs", "2"],
            "--k: 1, but must be at least 2. --epochs",
        ),
        (["--folders", "x", "--keys", "ema"], "invalid choice: 'ema'"),
    ],
)
def test_what_makes_no_sense_is_refused(given, says, capsys):
    with pytest.raises(SystemExit, match="2"):
        study.arguments(given)
    assert says in capsys.readouterr().err
