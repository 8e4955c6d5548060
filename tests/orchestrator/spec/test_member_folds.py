"""`folds` of a member: what it may say, what does not go with it, and that it decides no unit's hash."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from members.data.codec import PROFILES
from orchestrator.photographs.problems import member_problems
from orchestrator.photographs.table import Photographs
from orchestrator.spec.folds.choice import covers, folds_of
from orchestrator.spec.load import load_recorded
from orchestrator.units.unit import of_member
from tests.orchestrator.spec.changed import Changed

SPEC = """\
name: x
data: {train: photos, test: new}
folds: {k: 5}
defaults: {model: test_resnet, epochs: 8, select: last}
members:
  - {name: small}
  - {name: giant, folds: 1}
  - {name: some, folds: [2, 0], seeds: [1, 2]}
"""


read, refused = Changed(SPEC).read, Changed(SPEC).refused


def photographs(k: int = 5) -> Photographs:
    ids = list("abcdefghij")
    labels = PROFILES.decode(np.arange(10))
    train = pd.DataFrame({"image_id": ids, "group": ids, "digest": "x", **labels})
    return Photographs(train.assign(fold=np.arange(10) % k), None, PROFILES)


def test_the_units_are_those_of_the_folds_that_are_named(tmp_path):
    spec, table = read(tmp_path), photographs()
    units = {own.name: [(u.fold, u.seed) for u in of_member(own, table)] for own in spec.members}
    assert units == {
        "small": [(fold, None) for fold in range(5)],
        "giant": [(0, None)],
        "some": [(0, 1), (0, 2), (2, 1), (2, 2)],
    }


def test_a_unit_is_the_same_whichever_others_its_member_trains(tmp_path):
    table = photographs()
    every = {unit.path: unit.fold for unit in of_member(read(tmp_path).member("small"), table)}
    for folds in ("1", "4", "[0, 3]"):
        some = read(tmp_path, ("name: small", f"name: small, folds: {folds}"))
        for unit in of_member(some.member("small"), table):
            assert every[unit.path] == unit.fold


@pytest.mark.parametrize("every", ["5", "[4, 0, 1, 2, 3]"])
def test_all_folds_named_are_no_folds_named(tmp_path, every):
    plain = read(tmp_path)
    named = read(tmp_path, ("name: small", f"name: small, folds: {every}"))
    assert named == plain
    assert "folds" not in named.to_yaml().split("members:")[1].partition("name: giant")[0]


def test_the_recorded_spec_is_the_same(tmp_path):
    spec = read(tmp_path)
    assert load_recorded(spec.to_yaml(), "spec.yaml") == spec
    assert spec.member("some").folds == (0, 2)


def test_a_number_in_quotes_is_one_as_a_variable_of_the_environment_is_text(tmp_path):
    spec = read(tmp_path, ("folds: 1}", 'folds: "2"}'), ("[2, 0]", '["2", "0"]'))
    assert (spec.member("giant").folds, spec.member("some").folds) == (2, (0, 2))


def test_it_may_be_changed_from_the_command_line(tmp_path):
    spec = read(tmp_path, sets=["members.giant.folds=[1, 2]", "members.small.folds=3"])
    assert (spec.member("giant").folds, spec.member("small").folds) == ((1, 2), 3)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("0", "no folds, got 0. Give a number, the first so many folds, or a list of folds, each once"),
        ("-1", "no folds, got -1"),
        ("true", "no folds, got True"),
        ("1.5", "no folds, got 1.5"),
        ("[]", "no folds, got []"),
        ("[0, one]", "no folds, got [0, 'one']"),
        ("[1, 0, 1]", "1 stands there twice, got [1, 0, 1]"),
        ("6", "6, but the spec has 5 folds, 0 to 4. Give 1 to 5"),
        ("[0, 5, 7]", "there is no fold 5 or 7: the spec has 5 folds, 0 to 4"),
    ],
)  # fmt: skip
def test_what_are_no_folds_of_the_spec_is_refused(tmp_path, given, text):
    (problem,) = refused(tmp_path, ("folds: 1}", f"folds: {given}}}"))
    assert problem.startswith("spec.yaml, line 7: members.giant.folds: ")
    assert text in problem


def test_a_hold_out_has_one_fold_and_no_fold_has_none(tmp_path):
    only = ("  - {name: some, folds: [2, 0], seeds: [1, 2]}\n", "")
    assert read(tmp_path, ("{k: 5}", "{scheme: holdout}"), only).member("giant").folds is None
    (problem,) = refused(
        tmp_path, ("{k: 5}", "{scheme: holdout}"), only, ("folds: 1}", "folds: 2}")
    )
    assert "2, but the spec has 1 fold, 0. Give 1" in problem
    (problem,) = refused(tmp_path, ("{k: 5}", "{scheme: all}"), only)
    assert "folds.scheme all holds no photos out, so that there are none. Leave it out" in problem


def test_folds_of_a_file_are_looked_at_with_the_photos(tmp_path):
    spec = read(tmp_path, ("{k: 5}", "{scheme: own}"), ("folds: 1}", "folds: 9}"))
    assert spec.member("giant").folds == 9
    train = pd.DataFrame({"label": [0] * 4, "fold": [0, 1, 2, 2], "mask": 0, "gender": 0, "age": 0})
    found = member_problems(spec, train, PROFILES)
    assert found == ["members.giant.folds: 9, but the spec has 3 folds, 0 to 2. Give 1 to 3"]


def test_what_needs_every_row_is_not_made_of_some(tmp_path):
    stack = ("members:\n", "members:\n  - {name: second, stack: {of: [small, giant]}}\n")
    (problem,) = refused(tmp_path, stack)
    assert "members.giant.folds: the stack second needs every OOF row, and giant would" in problem
    parts = "join: {name: joined, of: [ages, giant]}\nmembers:\n  - {name: ages, targets: [age]}\n"
    (problem,) = refused(
        tmp_path, ("members:\n", parts), ("folds: 1}", "folds: 1, targets: [mask, gender]}")
    )
    assert "members.giant.folds: the join joined needs every OOF row" in problem


def test_candidates_are_trained_on_one_of_them(tmp_path):
    search = "search: {members: [some], fold: FOLD, space: {lr: {choice: [0.1, 0.01]}}}\nmembers:\n"
    read(tmp_path, ("members:\n", search.replace("FOLD", "2")))
    (problem,) = refused(tmp_path, ("members:\n", search.replace("FOLD", "1")))
    assert (
        "members.some.folds: candidates are trained on search.fold 1, which is none of" in problem
    )


def test_a_vote_needs_a_fold_that_all_members_train(tmp_path):
    (problem,) = refused(tmp_path, ("[2, 0]", "[2, 1]"))
    assert "members.some.folds: no fold is trained by all members" in problem
    assert "giant 1; some [1, 2]" in problem
    read(tmp_path, ("[2, 0]", "[2, 1]"), ("folds: 1}", "folds: 1, targets: [age]}"))


@pytest.mark.parametrize(
    ("teacher", "student", "fine"),
    [("1", "1", True), ("1", "[0]", True), ("[0, 2]", "[2]", True), ("[0, 1, 3]", "2", True),
     ("1", None, False), ("2", "3", False), ("[1]", "1", False), ("[0, 2]", "[1, 2]", False)],
)  # fmt: skip
def test_pseudo_labels_are_by_the_teachers_of_the_same_fold(tmp_path, teacher, student, fine):
    own = "" if student is None else f", folds: {student}"
    changes = (
        ("folds: 1}", f"folds: {teacher}}}"),
        ("{name: some, folds: [2, 0], seeds: [1, 2]}", f"{{name: pupil, pseudo: {{of: [giant]}}{own}}}"),
    )  # fmt: skip
    if fine:
        assert read(tmp_path, *changes).member("pupil").teachers[0].name == "giant"
    else:
        assert "giant trains some of the folds" in "\n".join(refused(tmp_path, *changes))


def test_a_student_of_a_vote_needs_every_fold_of_its_teachers(tmp_path):
    student = ("seeds: [1, 2]}", "seeds: [1, 2]}\n  - {name: pupil, folds: 2, teacher: {OF}}")
    every = read(tmp_path, (student[0], student[1].replace("OF", "")))
    assert [own.name for own in every.member("pupil").teachers] == ["small"]
    (problem,) = refused(tmp_path, (student[0], student[1].replace("OF", "of: [small, giant]")))
    assert "members.pupil.teacher.of: giant trains some of the folds" in problem
    table = photographs()
    (first, *_) = of_member(every.member("pupil"), table)
    assert len(first.teachers[0]) == 4  # it reads the other folds', whichever it trains itself


def test_kept_units_of_fewer_folds_are_not_invented():
    assert folds_of((1, 4), 3) == (1,)
    assert folds_of(4, 3) == (0, 1, 2)
    assert covers(None, 3)
    assert not covers(3, None)
    assert not covers((0, 2), 2)


def test_the_earlier_photographs_have_the_same_folds(tmp_path):
    member = read(tmp_path).member("some")
    table = replace(photographs(), earlier=(photographs(3),))
    assert {unit.fold for unit in of_member(member, table.earlier[0])} == {0, 2}
