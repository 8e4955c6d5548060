"""Members that lack rows: which they are, why, and a vote over the rows that all have."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from ensembles import BadInput, VoteRequest, cast
from ensembles.files.align import align


def test_a_fold_that_a_member_lacks_is_named_as_one(make_tables):
    found = make_tables()
    found["b"] = found["b"].take(found["b"].fold != 2)
    with pytest.raises(BadInput) as refused:
        align(found, "oof")
    (problem,) = refused.value.problems
    assert "member b lacks fold 2 (30 rows), which a has" in problem
    assert "The 60 rows that both have can vote alone: --common-rows" in problem
    swapped = {"b": found["b"], "a": found["a"]}
    with pytest.raises(BadInput, match=r"member b lacks fold 2 \(30 rows\), which member a has"):
        align(swapped, "oof")


@pytest.mark.parametrize("how", [{"mode": "soft"}, {"mode": "weighted", "objective": "log_loss"}])
def test_the_rows_that_all_have_vote_as_if_there_were_no_others(make_tables, how):
    oof, test = make_tables(), make_tables(kind="test")
    keep = {"a": np.arange(90) >= 9, "b": np.arange(90) % 7 != 0, "c": np.arange(90) < 80}
    lacking = {name: oof[name].take(rows) for name, rows in keep.items()}
    lacking["b"] = lacking["b"].take(np.random.default_rng(0).permutation(len(lacking["b"].ids)))
    with pytest.raises(BadInput, match="missing"):
        cast(lacking, test, **how)
    all_have = np.logical_and.reduce(list(keep.values()))
    expected = cast({n: t.take(all_have) for n, t in oof.items()}, test, **how)
    vote = cast(lacking, test, **how, common_rows=True)
    assert vote.weights == pytest.approx(expected.weights)
    assert vote.estimate == expected.estimate
    np.testing.assert_array_equal(vote.probabilities, expected.probabilities)
    kept = int(all_have.sum())
    assert f"only the rows that every member has vote: {kept} of 90 oof rows." in vote.notes
    record = json.loads(vote.to_json())
    assert record["common_rows"] == {
        "oof": {"rows": kept, "of": 90},
        "test": {"rows": 90, "of": 90},
    }


def test_without_the_option_the_record_says_nothing_of_it(make_tables):
    assert "common_rows" not in cast(make_tables(), None, "soft").record()


def test_nothing_in_common_is_refused_with_the_reason(make_tables):
    found = make_tables()
    found["b"] = replace(found["b"], ids=np.array([f"{i}.jpg" for i in found["b"].ids], object))
    with pytest.raises(BadInput, match=r"none are common.*\n(.*\n)*.*agree but for the ending"):
        cast(found, None, "soft", common_rows=True)


def test_the_choice_among_kinds_is_left_open():
    assert VoteRequest(common_rows=True).gated
    assert VoteRequest("soft", common_rows=True).options == {"common_rows": True}


# -- columns that must be the same in all members ----------------------------------------------


def test_groups_that_differ_are_refused_as_folds_are(make_tables):
    found = make_tables()
    group = np.array([f"g{i % 15}" for i in range(90)], object)
    found = {name: replace(table, group=group.copy()) for name, table in found.items()}
    cast(found, None, "soft")
    found["c"].group[4] = "g5"
    with pytest.raises(BadInput, match=r"member c: `group` differs from a's in 1 rows: oof-4 \(g5"):
        cast(found, None, "soft")
    tests = make_tables(kind="test")
    tests["a"].group, tests["b"].group = group, np.roll(group, 1)
    with pytest.raises(BadInput, match="`group` differs"):
        cast(None, tests, "soft")


def test_another_numbering_is_the_reason_where_it_is_one(make_tables):
    found = make_tables()
    found["b"] = replace(found["b"], fold=found["b"].fold + 1)
    with pytest.raises(
        BadInput, match=r"`fold` differs.*In every row it is 1 more: number the folds"
    ):
        align(found, "oof")


def test_every_members_test_table_has_its_oof_tables_classes(make_tables):
    oof, test = make_tables(), make_tables(kind="test")
    oof["b"].meta["classes"] = ["w", "x", "y", "z"]
    test["b"].meta["classes"] = ["x", "w", "y", "z"]
    with pytest.raises(BadInput, match="member b's test table: class 0 is 'x'"):
        cast(oof, test, "soft")


def test_notes_of_reading_stand_once_with_their_members(make_tables):
    oof, test = make_tables(), make_tables(kind="test")
    for table in (oof["a"], test["a"], oof["c"]):
        table.notes = ("rows were rounded.",)
    assert cast(oof, test, "soft").notes[0] == "a, c: rows were rounded."


def test_a_member_that_is_worse_than_guessing_is_named(make_tables):
    oof = make_tables()
    oof["b"].probabilities = np.roll(oof["b"].probabilities, 1, axis=1)
    (note,) = (n for n in cast(oof, None, "soft").notes if "guessing" in n)
    right = (oof["b"].probabilities.argmax(axis=1) == oof["b"].label).mean()
    assert note.startswith(f"b is right in {right:.1%} of the OOF rows, guessing in 25.0%")
