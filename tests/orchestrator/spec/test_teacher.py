"""`teacher` of a member in a spec: what it may say, whom it means, and that it decides the member's hash."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from members.data.codec import PROFILES
from orchestrator.photographs.problems import member_problems
from orchestrator.photographs.table import Photographs
from orchestrator.spec.load import load_recorded
from orchestrator.units.unit import Unit, member_hash, of_member
from tests.orchestrator.spec.changed import Changed

SPEC = """\
name: x
data: {train: photos, test: new}
folds: {k: 3}
defaults: {model: test_resnet, epochs: 8, select: last}
members:
  - {name: a}
  - {name: b, seeds: [1, 2]}
  - {name: pupil, pseudo: {of: [a]}}
  - {name: ages, targets: [age]}
  - {name: rest, targets: [mask, gender]}
  - {name: moved, age_bounds: [29, 58]}
  - {name: student, teacher: {}}
  - {name: second, stack: {of: [b, a]}}
join: {name: joined, of: [ages, rest]}
small:
  members: {rest: {epochs: 2}}
"""
OWN = "teacher: {}}"


read, refused = Changed(SPEC).read, Changed(SPEC).refused


def test_without_names_the_teachers_are_all_members_that_predict_the_same_and_are_no_students(
    tmp_path,
):
    spec = read(tmp_path)
    student = spec.member("student")
    assert [own.name for own in student.teachers] == ["a", "b"]
    block = student.teacher
    assert (block.vote, block.of, block.temperature, block.hard) == ("weighted", None, 2.0, 0.3)
    assert not block.unlabelled
    assert spec.students() == ("student",)
    assert "student" not in spec.voters(), "its OOF rows are too good to be weighed"
    text = spec.to_yaml()
    assert "teachers" not in text
    assert load_recorded(text, "spec.yaml") == spec
    of_ages = read(tmp_path, (OWN, "targets: [age], teacher: {}}")).member("student")
    assert [own.name for own in of_ages.teachers] == ["ages"]


def test_small_and_set_reach_its_keys_and_its_teachers_are_those_of_the_changed_spec(tmp_path):
    changes = ("{rest: {epochs: 2}}", "{a: {epochs: 2}, student: {teacher: {of: [a]}}}")
    sets = ["members.student.teacher.hard=0.5", "members.a.lr=0.5"]
    spec = read(tmp_path, changes, small=True, sets=sets)
    student = spec.member("student")
    assert (student.teacher.of, student.teacher.hard) == (("a",), 0.5)
    (teacher,) = student.teachers
    assert (teacher.recipe.epochs, teacher.recipe.lr) == (2, 0.5)


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ("{of: [a, c]}}", ["teacher.of: unknown member 'c'"]),
        ("{of: [student]}}", ["not its own teacher"]),
        ("{of: []}}", ["names no teacher", "the same classes"]),
        ("{of: [a, a]}}", ["a stands there twice"]),
        ("{of: [second]}}", ["second is made of other members' tables"]),
        ("{of: [joined]}}", ["joined is made of other members' tables"]),
        ("{of: [ages]}}", ["ages has targets ['age'] and student null: their classes differ"]),
        ("{of: [moved]}}", ["moved has age_bounds [29, 58] and student null"]),
        ("{of: [pupil]}}", ["pupil has pseudo-labels itself"]),
        ("{}, targets: [gender]}", ["no other member predicts the same"]),
        ("{temperature: 0}}", ["teacher.temperature: input should be greater than 0, got 0"]),
        ("{temperature: .nan}}", ["teacher.temperature: input should be"]),
        ("{hard: 1}}", ["teacher.hard: input should be less than 1, got 1"]),
        ("{hard: -0.1}}", ["teacher.hard: input should be greater than or equal to 0"]),
        ("{vote: hard}}", ["teacher.vote: got 'hard'", "'soft' or 'weighted'"]),
        ("{unlabeled: true}}", ["'unlabelled'"]),
        ("{hard: 0}, loss: f1}", ["loss: f1 would have no effect", "hard: 0"]),
        ("{hard: 0}, class_weights: balanced}", ["class_weights would have no effect"]),
        ("{}, pseudo: {of: [a]}}", ["two ways to learn from other members", "unlabelled: true"]),
        ("{unlabelled: true}, test_normalize: model}", ["Leave test_normalize out"]),
        ("{unlabelled: true}, mixing: {kind: mixup}}", ["half a label"]),
        ("{unlabelled: true}, sampling: {balance: age_group}}",
         ["sampling.balance: age_group is not known of test photos"]),
    ],
)  # fmt: skip
def test_what_would_leak_or_mean_nothing_is_refused_with_its_line(tmp_path, new, words):
    (problem,) = refused(tmp_path, (OWN, f"teacher: {new}"))
    assert problem.startswith("spec.yaml, line 12: members.student")
    for word in words:
        assert word in problem


@pytest.mark.parametrize(
    "settings",
    [
        "test_normalize: model",
        "mixing: {kind: mixup}",
        "sampling: {balance: age_group}",
        "loss: f1",
    ],
)
def test_what_only_photos_without_labels_forbid_is_allowed_without_them(tmp_path, settings):
    assert read(tmp_path, (OWN, f"teacher: {{}}, {settings}}}")).member("student").teachers


@pytest.mark.parametrize("new", ["{of: [student]}", "{of: [pupil]}", "{}"])
def test_a_student_is_no_teacher_and_two_are_not_each_other_s(tmp_path, new):
    pair = f"teacher: {{of: [a]}}}}\n  - {{name: pair, teacher: {new}}}"
    if new == "{}":
        spec = read(tmp_path, (OWN, pair))
        assert [own.name for own in spec.member("pair").teachers] == ["a", "b"]
        return
    problems = refused(tmp_path, (OWN, pair))
    word = "student is a student itself" if "student" in new else "pupil has pseudo-labels itself"
    assert len(problems) == 1
    assert f"line 13: members.pair.teacher.of: {word}" in problems[0]


def test_pseudo_labels_are_not_made_by_students_whose_networks_know_of_the_fold(tmp_path):
    (problem,) = refused(tmp_path, ("pseudo: {of: [a]}", "pseudo: {of: [student]}"))
    assert "members.pupil.pseudo.of: student is a student itself" in problem
    assert "teachers that saw that fold's labels" in problem


def test_a_teacher_whose_networks_the_fold_s_labels_chose_is_refused(tmp_path):
    (problem,) = refused(
        tmp_path, ("{name: a}", "{name: a, select: best, patience: 2}"), (OWN, OWN)
    )[-1:]
    assert "a has select: best and patience" in problem
    assert "what the student learns would carry on" in problem


@pytest.mark.parametrize("searched", ["a", "student"])
def test_neither_teachers_nor_students_are_searched(tmp_path, searched):
    block = f"search: {{members: [{searched}], space: {{lr: {{choice: [0.1, 0.01]}}}}}}\nsmall:"
    problems = [p for p in refused(tmp_path, ("small:", block)) if "members.student" in p]
    assert len(problems) == 1
    assert f"the search draws settings of {searched}" in problems[0]


@pytest.mark.parametrize(
    ("folds", "words"),
    [
        ("{k: 2}", "of 2 folds none are left"),
        ("{scheme: holdout}", "folds.scheme holdout holds only some photos out"),
        ("{scheme: all}", "folds.scheme all holds no photo out"),
    ],
)
def test_folds_must_answer_every_training_photo_and_leave_rows_for_weights(tmp_path, folds, words):
    changes = [("{k: 3}", folds), ("  - {name: second, stack: {of: [b, a]}}\n", "")]
    (problem,) = refused(tmp_path, *changes)
    assert words in problem
    if folds == "{k: 2}":
        assert read(tmp_path, *changes, (OWN, "teacher: {vote: soft}}"))
        assert read(tmp_path, *changes, (OWN, "teacher: {of: [b]}}")), (
            "one teacher needs no weights"
        )


def test_photos_to_predict_must_be_there_to_be_learnt(tmp_path):
    changes = [(", test: new", ""), ("  - {name: pupil, pseudo: {of: [a]}}\n", "")]
    assert read(tmp_path, *changes)
    (problem,) = refused(tmp_path, *changes, (OWN, "teacher: {unlabelled: true}}"))
    assert "no test photos to learn from. Give data.test, or leave unlabelled out" in problem


@pytest.mark.parametrize(
    ("folds", "words"),
    [
        ([0, 0, -1, -1, 1, 2], "2 of 6 photos are in no fold"),
        ([0, 0, 0, 1, 1, 1], "of 2 folds none"),
    ],
)
def test_own_folds_are_looked_at_with_the_photos(tmp_path, folds, words):
    frame = photographs().train.assign(fold=folds)
    spec = read(tmp_path, ("{k: 3}", "{scheme: own}"))
    (problem,) = [p for p in member_problems(spec, frame, PROFILES) if "teacher" in p]
    assert problem.startswith("members.student.teacher: ")
    assert words in problem
    right = frame.assign(fold=[0, 0, 1, 1, 2, 2])
    assert not [p for p in member_problems(spec, right, PROFILES) if "teacher" in p]


def test_neither_stacks_nor_joins_are_made_of_students(tmp_path):
    (problem,) = refused(tmp_path, ("stack: {of: [b, a]}", "stack: {of: [b, student]}"))
    assert problem.startswith("spec.yaml, line 13: members.second.stack.of: student learnt from")
    assert "Name its teachers instead" in problem
    taught = "targets: [age], teacher: {of: [ages]}}"
    (problem,) = refused(tmp_path, (OWN, taught), ("of: [ages, rest]", "of: [student, rest]"))
    assert "join.joined.of: student learnt from networks that had the labels" in problem


# -- the hash ------------------------------------------------------------------------------------------


def photographs(**of_test: list[str]) -> Photographs:
    frame = pd.DataFrame(
        {
            "image_id": list("abcdef"), "group": list("abcdef"), "fold": [0, 0, 1, 1, 2, 2],
            "digest": "x", **PROFILES.decode(np.arange(6)),
        }
    )  # fmt: skip
    test = pd.DataFrame({"image_id": ["y", "z"], "digest": ["1", "2"]} | of_test)
    return Photographs(frame, test, PROFILES)


def test_its_keys_and_teachers_decide_a_student_s_hash_and_names_do_not(tmp_path):
    now = photographs()

    def of(*changes, data=now, **how):
        return member_hash(read(tmp_path, *changes, **how).member("student"), data)

    base = of()
    plain = read(tmp_path).member("student").model_copy(update={"teacher": None, "teachers": ()})
    renamed = [
        ("name: a}", "name: alpha}"),
        ("[b, a]", "[b, alpha]"),
        ("{of: [a]}", "{of: [alpha]}"),
    ]
    assert of(*renamed) == base
    assert of((OWN, "teacher: {of: [a, b]}}")) == base, "written out, they are the same"
    assert of(data=photographs(digest=["1", "3"])) == base, "test photos are not learnt from"
    turned = replace(now, train=now.train.iloc[::-1])
    assert of(data=turned) == base
    unlabelled = (OWN, "teacher: {unlabelled: true}}")
    different = [
        member_hash(plain, now),
        of((OWN, "teacher: {hard: 0.5}}")),
        of((OWN, "teacher: {temperature: 3}}")),
        of((OWN, "teacher: {vote: soft}}")),
        of((OWN, "teacher: {of: [a]}}")),
        of(unlabelled),
        of(unlabelled, data=photographs(digest=["1", "3"])),
        of(sets=["members.a.lr=0.5"]),
        of(("seeds: [1, 2]", "seeds: [1, 3]")),
        of(("{name: a}", "{name: a}\n  - {name: another}")),
    ]
    assert len({base, *different}) == len(different) + 1


def test_no_other_member_s_hash_knows_of_it(tmp_path):
    """A finished unit of an earlier version is still the same unit."""
    spec, bare = read(tmp_path), read(tmp_path, (OWN, "lr: 0.1}"))
    for name in ("a", "b", "pupil", "ages"):
        assert member_hash(spec.member(name), photographs()) == member_hash(
            bare.member(name), photographs()
        )


@pytest.mark.parametrize("unlabelled", [False, True])
def test_a_unit_names_its_teachers_units_of_the_other_folds_and_its_own_where_it_learns_test_photos(
    tmp_path, unlabelled
):
    now, spec = (
        photographs(),
        read(tmp_path, (OWN, f"teacher: {{unlabelled: {str(unlabelled).lower()}}}}}")),
    )
    for unit in of_member(spec.member("student"), now):
        for name, folders in zip("ab", unit.teachers, strict=True):
            every = of_member(spec.member(name), now)
            expected = {u.path for u in every if unlabelled or u.fold != unit.fold}
            assert set(folders) == expected
            assert len(folders) == len(expected)
        assert Unit.from_config(unit.to_config()) == unit
