"""A stack beside its members makes no estimate too good, or that is said."""

import json

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from ensembles import Table, cast, stack_table
from ensembles.second_level.leak import evenly_shared


def noise(stratified, n_rows=200, n_classes=4, seed=0):
    """Members that know nothing of the labels, and a stack of them."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(n_classes, size=n_rows).astype(np.int16)
    folds = (np.arange(n_rows) % 5).astype(np.int16)
    if stratified:
        folds[np.argsort(labels, kind="stable")] = folds.copy()
    ids = np.array([f"r{i}" for i in range(n_rows)], object)
    oof = {
        name: Table(
            ids, rng.dirichlet(np.ones(n_classes), n_rows).astype(np.float32), folds, labels
        )
        for name in "ab"
    }
    return {**oof, "second": stack_table(oof, name="second").oof}


@pytest.fixture(scope="module")
def drawn():
    return noise(stratified=False, n_rows=120)


def said(tables, **options):
    vote = cast(tables, None, "weighted", **options)
    notes = json.loads(vote.to_json())["notes"]
    return [
        note for note in notes if "is a stack, and the folds' class shares differ" in note
    ], vote


@pytest.mark.parametrize(
    "options", [{}, {"choice": "mean", "objective": "log_loss"}, {"choice": "simplest"}], ids=str
)
def test_a_choice_does_without_the_kind_that_leaks_and_says_so(drawn, options):
    (note,), vote = said(drawn, **options)
    assert note.startswith("second is a stack")
    assert "the kind 'log-linear, any sign' was left out, as its scores would be too good" in note
    assert "by .023 in log-loss" in note
    assert "stratified folds (kfold" in note
    kinds = [row["name"] for row in vote.candidates]
    assert kinds
    assert not [kind for kind in kinds if kind.startswith("log-linear, any sign")]
    del drawn["second"].meta["stack"]
    try:
        told, other = said(drawn, **options)
    finally:
        drawn["second"].meta["stack"] = {"kind": "logistic", "of": ["a", "b"]}
    assert told == []
    assert [
        row["name"]
        for row in other.candidates
        if not row["name"].startswith("log-linear, any sign")
    ] == kinds
    assert len(other.candidates) > len(kinds)


@pytest.mark.parametrize(
    "options",
    [{"choice": "log-linear, any sign + offsets"}, {"pool": "log_linear", "negative": True}],
    ids=str,
)
def test_a_vote_of_that_kind_is_said_to_have_too_good_an_estimate(drawn, options):
    (note,), _ = said(drawn, **options)
    assert "the estimate of this vote may be too good" in note
    assert "by .023 in log-loss and .025 in accuracy" in note
    for way in (
        "Use stratified folds",
        "leave the stack out",
        "leave the kind of vote to be chosen",
    ):
        assert way in note


@pytest.mark.parametrize(
    "options",
    [
        {"objective": "log_loss"},
        {"objective": "macro_f1"},
        {"choice": "ridge pool"},
        {"pool": "log_linear"},
    ],
    ids=str,
)
def test_it_is_not_said_of_votes_whose_estimate_is_not(drawn, options):
    assert said(drawn, **options)[0] == []


def test_it_is_not_said_in_stratified_folds_nor_without_a_stack_nor_of_a_stack_alone(drawn):
    assert said(noise(stratified=True, n_rows=120))[0] == []
    assert said({name: drawn[name] for name in "ab"})[0] == []
    assert said({"second": drawn["second"]})[0] == []


def test_the_parts_of_a_hold_out_are_drawn_and_so_not_stratified():
    held_out = noise(stratified=True, n_rows=120)
    for table in held_out.values():
        table.fold = np.zeros(120, np.int16)
    assert len(said(held_out)[0]) == 1


@pytest.mark.parametrize(
    ("n_rows", "n_folds", "n_classes"), [(60, 3, 4), (200, 5, 2), (900, 5, 18)]
)
def test_folds_of_scikit_learn_are_told_apart(n_rows, n_folds, n_classes):
    rng = np.random.default_rng(0)
    random = []
    for seed in range(20):
        labels = rng.choice(n_classes, n_rows, p=rng.dirichlet(np.full(n_classes, 3.0)))
        labels[: n_classes * n_folds] = np.arange(n_classes * n_folds) % n_classes
        folds = np.empty(n_rows, int)
        splits = StratifiedKFold(n_folds, shuffle=True, random_state=seed).split(labels, labels)
        for number, (_, rows) in enumerate(splits):
            folds[rows] = number
        assert evenly_shared(labels, folds)
        random.append(evenly_shared(labels, rng.permutation(np.arange(n_rows) % n_folds)))
    assert sum(random) <= 4  # 1 in 20 is expected


def test_folds_of_groups_are_compared_with_draws_of_whole_groups():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(100), 7)
    random = []
    for seed in range(20):
        labels = np.repeat(rng.integers(6, size=100), 7) * 2 + np.tile([0, 0, 0, 0, 0, 1, 1], 100)
        folds = np.empty(700, int)
        splitter = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        for number, (_, rows) in enumerate(splitter.split(labels, labels, groups)):
            folds[rows] = number
        assert evenly_shared(labels, folds, groups)
        random.append(evenly_shared(labels, (rng.permutation(100) % 5)[groups], groups))
    assert sum(random) <= 4
    # three groups can be put into three folds in one way only
    assert not evenly_shared(
        np.repeat([0, 1, 2], 20), np.repeat([0, 1, 2], 20), np.repeat([0, 1, 2], 20)
    )
