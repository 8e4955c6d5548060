"""Members that lack OOF rows vote beside those that have all, with weights by what is there."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from ensembles import BadInput, VoteRequest, cast
from ensembles.files.align import align
from ensembles.judging.reasons import explain
from ensembles.rules.pools import Rule
from ensembles.voting.matching import matched
from ensembles.voting.partial import partial_rows, partial_rules
from ensembles.weights.partial import partial_weights
from ensembles.weights.stack import stack_members

REQUEST = VoteRequest("weighted", "log_loss", missing_rows=True)


@pytest.fixture
def lacking(make_tables):
    """`a` has 180 rows in three folds, `b` lacks fold 2, and `c` has a hold-out of its own."""
    oof = make_tables(n_rows=180)
    group = np.array([f"g{i // 6}" for i in range(180)], object)
    fold = (np.arange(180) // 6 % 3).astype(np.int16)
    oof = {name: replace(table, group=group, fold=fold) for name, table in oof.items()}
    oof["b"] = oof["b"].take(fold != 2)
    held = oof["c"].take(np.random.default_rng(0).permutation(180)[:100])
    oof["c"] = replace(held, fold=np.zeros(100, np.int16), group=None)
    return oof


def present_and_true(oof):
    """(M, N) by id, in the order of `a`."""
    ids, label = oof["a"].ids.tolist(), oof["a"].label
    true, present = np.ones((3, len(ids))), np.zeros((3, len(ids)), bool)
    for j, table in enumerate(oof.values()):
        for i, image in enumerate(table.ids):
            at = ids.index(image)
            true[j, at] = table.probabilities[i, label[at]]
            present[j, at] = True
    return present, true


def test_it_is_refused_without_the_option_which_is_named(lacking):
    with pytest.raises(BadInput, match=r"--missing-rows \(missing_rows=True\)"):
        cast(lacking, None, "weighted", "log_loss")
    tests = {name: table.take(np.arange(50 + j)) for j, (name, table) in enumerate(lacking.items())}
    with pytest.raises(BadInput) as refused:
        align({name: replace(table, fold=None, label=None) for name, table in tests.items()})
    assert "--missing-rows" not in str(refused.value)


def test_weights_are_fitted_to_all_rows_and_scores_are_of_those_that_all_have(lacking, make_tables):
    present, true = present_and_true(lacking)
    expected = partial_weights(true, present).weights
    test = make_tables(kind="test")
    vote = cast(lacking, test, REQUEST)
    assert list(vote.weights.values()) == pytest.approx(expected.tolist(), abs=1e-9)
    mixed = sum(w * test[name].probabilities for name, w in vote.weights.items())
    assert vote.probabilities == pytest.approx(mixed, abs=1e-6)
    common = present.all(axis=0)
    in_sample = -np.log(np.array(expected) @ true[:, common]).mean()
    assert vote.oof["log_loss"] == pytest.approx(in_sample, abs=1e-6)
    record = json.loads(vote.to_json())
    assert record["missing_rows"] == {
        "rows": int(common.sum()), "of": 180, "members": {"a": 180, "b": 120, "c": 100},
    }  # fmt: skip
    assert "gap" not in record
    assert record["gradient"] <= 1e-10
    (note,) = [note for note in vote.notes if "OOF rows all members have" in note]
    assert f"of 180 OOF rows all members have {common.sum()} (b has 120, c has 100)" in note
    assert note.endswith("Folds: those of a.")


def test_the_estimate_is_of_weights_fitted_without_the_fold_in_any_member(lacking):
    present, true = present_and_true(lacking)
    fold, common = lacking["a"].fold, present.all(axis=0)
    losses = []
    for f in np.unique(fold):
        own = fold != f
        weights = partial_weights(true[:, own], present[:, own]).weights
        losses += (-np.log(weights @ true[:, common & (fold == f)])).tolist()
    vote = cast(lacking, None, REQUEST)
    assert vote.estimate["log_loss"] == pytest.approx(np.mean(losses), abs=1e-6)


def test_no_label_of_a_group_moves_the_weights_that_judge_it(lacking):
    """Other labels in rows of fold 0 that some lack leave the vote's score on fold 0 as it was."""

    def on_fold_0(oof):
        cut, rows = partial_rows(oof, None)
        first = next(iter(cut.values()))
        aligned = matched(cut, {}, REQUEST).oof
        data = stack_members(np.stack([t.probabilities for t in aligned.values()]), first.label)
        return partial_rules(rows, REQUEST, data, first.fold, None)

    before, nested = on_fold_0(lacking)
    ids = lacking["a"].ids[lacking["a"].fold == 0]
    some = set(ids) - set(lacking["c"].ids)
    turned = {
        name: replace(t, label=np.where([i in some for i in t.ids], (t.label + 1) % 4, t.label).astype(
            np.int16)) for name, t in lacking.items()
    }  # fmt: skip
    after, turned_nested = on_fold_0(turned)
    assert (nested[0][1].weights == turned_nested[0][1].weights).all()
    assert (nested[1][1].weights != turned_nested[1][1].weights).any()
    assert (before.weights != after.weights).any()


def test_where_nothing_is_missing_it_is_the_plain_vote(make_tables):
    oof, test = make_tables(), make_tables(kind="test")
    plain, found = cast(oof, test, "weighted", "log_loss"), cast(oof, test, REQUEST)
    assert found.weights == plain.weights
    assert found.estimate == plain.estimate
    assert found.gap == plain.gap


def test_folds_are_drawn_by_group_where_no_member_has_every_row(lacking):
    fewer = {name: table for name, table in lacking.items() if name != "c"}
    fewer["a"] = fewer["a"].take(np.arange(180) >= 6)
    vote = cast(fewer, None, REQUEST)
    assert any(note.endswith("Folds: drawn by group.") for note in vote.notes)
    # `b` alone has the rows that `a` lacks, so each row has its group
    assert vote.record()["missing_rows"]["rows"] == 114


def test_offsets_and_a_ridge_may_be_added(lacking):
    vote = cast(lacking, None, replace(REQUEST, ridge=1e6, offsets=True, temperature=True))
    assert list(vote.weights.values()) == pytest.approx([1 / 3] * 3, abs=1e-3)
    assert len(vote.offsets) == 4


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"mode": "soft"}, "a soft vote fits no weights to them. Use common_rows"),
        ({"mode": "weighted", "objective": "macro_f1"}, "only log-loss weights of the linear pool"),
        ({"mode": "weighted", "pool": "log_linear"}, "only log-loss weights of the linear pool"),
        ({"mode": "weighted", "common_rows": True}, "left out by common_rows"),
        ({"mode": "weighted", "top": 2}, "Leave top out"),
        ({"mode": "weighted", "ridge": 0.0}, "need a ridge above 0"),
    ],
)
def test_what_does_not_go_with_it_is_refused(lacking, options, problem):
    with pytest.raises(BadInput, match=f"missing_rows: .*{problem}"):
        cast(lacking, None, **options, missing_rows=True)


def test_alone_it_asks_for_log_loss():
    request = VoteRequest(missing_rows=True)
    assert not request.gated
    assert request.fitted_for == "log_loss"


def test_every_mistake_of_the_tables_is_said_at_once(lacking):
    wrong = {**lacking, "b": replace(lacking["b"], label=(lacking["b"].label + 1) % 4)}
    wrong["b"].group[0] = "elsewhere"
    with pytest.raises(BadInput) as refused:
        cast(wrong, None, REQUEST)
    found = "\n".join(refused.value.problems)
    assert "member b: `label` differs from an earlier member's in 120 rows" in found
    assert "member b: `group` differs from an earlier member's in 1 rows" in found


def test_rows_that_none_shares_and_rows_without_a_group_are_refused(lacking):
    apart = {"a": lacking["a"].take(np.arange(60)), "b": lacking["b"].take(np.arange(60, 120))}
    with pytest.raises(BadInput, match="no row is in every member's table"):
        cast(apart, None, REQUEST)
    groups = dict.fromkeys(lacking["a"].ids[5:], "g")
    with pytest.raises(BadInput, match="5 OOF rows are of no group: oof-0"):
        cast(lacking, None, REQUEST, groups=groups)


@pytest.fixture
def hold_out(make_tables):
    """`a` and `b` have 180 rows of 30 groups in three folds, `giant` those of fold 0 alone."""
    oof = make_tables(n_rows=180)
    group = np.array([f"g{i // 6}" for i in range(180)], object)
    fold = (np.arange(180) // 6 % 3).astype(np.int16)
    oof = {name: replace(table, group=group, fold=fold) for name, table in oof.items()}
    return {"a": oof["a"], "b": oof["b"], "giant": oof["c"].take(fold == 0)}


def test_a_member_of_one_fold_is_judged_in_parts_of_that_fold_drawn_by_group(hold_out):
    """The rows that all have are of one fold, and no part of it is scored by weights that saw its groups."""
    cut, rows = partial_rows(hold_out, None)
    first = next(iter(cut.values()))
    assert len(first.ids) == 60
    assert len(np.unique(first.fold)) == 5
    folds_of = {}
    for group, fold in zip(hold_out["a"].group, rows.folds, strict=True):
        folds_of.setdefault(group, set()).add(int(fold))
    assert all(len(folds) == 1 for folds in folds_of.values())
    assert np.bincount(first.fold).max() <= 1.5 * np.bincount(first.fold).min()

    present, true = present_and_true(hold_out)
    common, losses = present.all(axis=0), np.zeros(180)
    for fold in range(5):
        own = rows.folds != fold
        weights = partial_weights(true[:, own], present[:, own]).weights
        losses[~own] = -np.log(weights @ true[:, ~own])
    vote = cast(hold_out, None, REQUEST)
    assert vote.estimate["log_loss"] == pytest.approx(losses[common].mean(), abs=1e-6)
    assert any(note.endswith("Folds: drawn by group.") for note in vote.notes)
    assert vote.held_out_table.ids.tolist() == first.ids.tolist()


def test_a_row_of_a_fold_that_is_shared_in_part_is_in_the_fold_of_its_group(hold_out):
    some = hold_out["b"].take(np.arange(180) % 2 == 0)
    _, rows = partial_rows({**hold_out, "b": some}, None)
    group = hold_out["a"].group
    assert all(len(set(rows.folds[group == own].tolist())) == 1 for own in np.unique(group))


def test_without_test_tables_each_row_is_voted_on_by_the_members_that_have_it(lacking):
    vote = cast(lacking, None, REQUEST)
    weights = np.array(list(vote.weights.values()))
    at = [{image: row for row, image in enumerate(t.ids)} for t in lacking.values()]
    assert sorted(vote.ids) == sorted(lacking["a"].ids)
    for row, image in enumerate(vote.ids):
        own = [
            (w, table.probabilities[places[image]])
            for w, table, places in zip(weights, lacking.values(), at, strict=True)
            if image in places
        ]
        mean = sum(w * p for w, p in own) / sum(w for w, _ in own)
        assert vote.probabilities[row] == pytest.approx(mean, abs=1e-6)
        assert vote.table.label[row] == lacking["a"].label[at[0][image]]
    (note,) = [note for note in vote.notes if note.startswith("a row that some members lack")]
    assert note.endswith("is voted on by those that have it, their weights scaled to sum 1.")
    assert len(vote.held_out_table.ids) == vote.record()["missing_rows"]["rows"] < 180


def test_a_case_by_hand():
    """Two members, and a row that one has alone: it is decided by that one."""
    rule = Rule(np.array([0.75, 0.25]))
    both = np.array([[[0.8, 0.2]], [[0.4, 0.6]]], np.float32)
    assert rule.apply(both)[0] == pytest.approx([0.7, 0.3])
    assert rule.among(np.array([False, True])).apply(both[1:])[0] == pytest.approx([0.4, 0.6])
    third = Rule(np.array([0.5, 0.3, 0.2])).among(np.array([True, False, True]))
    assert third.weights == pytest.approx([5 / 7, 2 / 7])
    assert Rule(np.array([1.0, 0.0, 0.0])).among(
        np.array([False, True, True])
    ).weights.tolist() == [0.5, 0.5]


def test_why_names_the_members_that_lack_the_row(lacking):
    vote = cast(lacking, None, REQUEST)
    image = next(i for i in lacking["a"].ids if i not in set(lacking["b"].ids))
    assert explain(vote.rule, lacking, image) is None
    found = explain(vote.rule, lacking, image, some=True)
    assert "b" in found["lacking"]
    assert set(found["members"]) == set(lacking) - {*found["lacking"]}
    row = vote.ids.tolist().index(image)
    assert found["final"] == pytest.approx(vote.probabilities[row].tolist(), abs=1e-6)
