"""`pseudo` of a member in a spec: what it may say, and that it decides the member's hash."""

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
defaults: {model: test_resnet, epochs: 8, select: last}
members:
  - {name: a}
  - {name: b, seeds: [1, 2]}
  - {name: best, select: best, patience: 3, schedule: plateau}
  - {name: ages, targets: [age]}
  - {name: rest, targets: [mask, gender]}
  - {name: moved, age_bounds: [29, 58]}
  - {name: student, pseudo: {of: [a, b]}}
  - {name: second, stack: {of: [b, a]}}
join: {name: joined, of: [ages, rest]}
small:
  members: {rest: {epochs: 2}}
"""


read, refused = Changed(SPEC).read, Changed(SPEC).refused


def test_a_member_with_teachers_survives_being_written(tmp_path):
    spec = read(tmp_path)
    student = spec.member("student")
    assert student.pseudo.at_least == 0.9
    assert [own.name for own in student.teachers] == ["a", "b"]
    assert "student" in spec.voters()
    text = spec.to_yaml()
    assert "teachers" not in text
    assert load_recorded(text, "spec.yaml") == spec


def test_small_and_set_reach_its_keys_and_its_teachers_are_those_of_the_changed_spec(tmp_path):
    changes = ("{rest: {epochs: 2}}", "{a: {epochs: 2}, student: {pseudo: {of: [a]}}}")
    sets = ["members.student.pseudo.at_least=0.8", "members.a.lr=0.5"]
    spec = read(tmp_path, changes, small=True, sets=sets)
    student = spec.member("student")
    assert (student.pseudo.of, student.pseudo.at_least) == (("a",), 0.8)
    (teacher,) = student.teachers
    assert (teacher.recipe.epochs, teacher.recipe.lr) == (2, 0.5)


OF = "of: [a, b]}}"


@pytest.mark.parametrize(
    ("new", "words"),
    [
        ("of: [a, c]}}", ["pseudo.of: unknown member 'c'"]),
        ("of: [student]}}", ["not its own teacher"]),
        ("of: []}}", ["names no teacher"]),
        ("of: [a, a]}}", ["a stands there twice"]),
        ("of: [second]}}", ["second is made of other members' tables", "every fold"]),
        ("of: [joined]}}", ["joined is made of other members' tables"]),
        ("of: [ages]}}", ["ages has targets ['age'] and student null: their classes differ"]),
        ("of: [moved]}}", ["moved has age_bounds [29, 58] and student null"]),
        ("of: [best]}}", ["best has select: best and patience and schedule: plateau",
                          "the labels of that very fold", "select: last"]),
        ("of: [a], at_least: 1}}", ["pseudo.at_least: input should be less than 1, got 1"]),
        ("of: [a], at_least: 0}}", ["pseudo.at_least: input should be greater than 0, got 0"]),
        ("of: [a], at_least: .nan}}", ["pseudo.at_least: input should be"]),
        ("of: [a], atleast: 0.8}}", ["'at_least'"]),
        ("of: [a]}, test_normalize: model}", ["normalised alike. Leave test_normalize out"]),
        ("of: [a]}, sampling: {balance: age_group}}",
         ["sampling.balance: age_group is not known of test photos", "Balance by class"]),
        ("of: [ages]}, targets: [age], sampling: {balance: gender}}",
         ["sampling.balance: gender is not known of test photos", "labels are of age only"]),
        ("of: [a]}, teachers: [b]}", ["unknown key 'teachers'"]),
    ],
)  # fmt: skip
def test_what_would_leak_or_mean_nothing_is_refused_with_its_line(tmp_path, new, words):
    (problem,) = refused(tmp_path, (OF, new))
    assert problem.startswith("spec.yaml, line 11: members.student")
    for word in words:
        assert word in problem


def test_all_mistakes_at_once(tmp_path):
    problems = refused(
        tmp_path, (", test: new", ""), (OF, "of: [best, c, c]}, test_normalize: model}")
    )
    assert len(problems) == 5
    text = "\n".join(problems)
    for word in ("no test photos", "test_normalize", "best has", "unknown member 'c'", "twice"):
        assert word in text


def test_a_student_is_no_teacher_and_two_are_not_each_other_s(tmp_path):
    both = "of: [a]}}\n  - {name: pupil, pseudo: {of: [student]}}"
    (problem,) = refused(tmp_path, (OF, both))
    assert "line 12: members.pupil.pseudo.of: student has pseudo-labels itself" in problem
    problems = refused(tmp_path, (OF, both.replace("[a]", "[pupil]")))
    assert len(problems) == 2
    assert all("are each other's teachers" in problem for problem in problems)


@pytest.mark.parametrize("searched", ["a", "student"])
def test_neither_teachers_nor_students_are_searched(tmp_path, searched):
    block = f"search: {{members: [{searched}], space: {{lr: {{choice: [0.1, 0.01]}}}}}}\nsmall:"
    (problem,) = refused(tmp_path, ("small:", block))
    assert problem.startswith("spec.yaml, line 11: members.student.pseudo")
    assert f"the search draws settings of {searched}" in problem
    assert f"take {searched} out of search.members" in problem


def test_a_teacher_that_small_leaves_out_is_missing_there(tmp_path):
    change = ("{rest: {epochs: 2}}", "{a: null}")
    (problem,) = [p for p in refused(tmp_path, change, small=True) if "pseudo" in p]
    assert "members.student.pseudo.of: unknown member 'a'" in problem


def test_a_bound_that_every_photo_reaches_is_a_mistake_of_the_data(tmp_path):
    """Of K classes the most probable has 1/K or more."""
    frame = photographs().train.drop(columns="fold")
    for bound, wrong in (("0.0556", False), ("0.0555", True)):
        spec = read(tmp_path, (OF, f"of: [a], at_least: {bound}}}}}"))
        problems = member_problems(spec, frame, PROFILES)
        assert [p.partition(":")[0] for p in problems] == [
            "members.student.pseudo.at_least"
        ] * wrong


# -- the hash ------------------------------------------------------------------------------------------


def photographs(**of_test: list[str]) -> Photographs:
    frame = pd.DataFrame(
        {
            "image_id": list("abcd"), "group": list("abcd"), "fold": [0, 0, 1, 1], "digest": "x",
            **PROFILES.decode(np.arange(4)),
        }
    )  # fmt: skip
    test = pd.DataFrame({"image_id": ["y", "z"], "digest": ["1", "2"]} | of_test)
    return Photographs(frame, test, PROFILES)


def test_bound_teachers_and_test_photos_decide_a_student_s_hash_and_names_do_not(tmp_path):
    now, spec = photographs(), read(tmp_path)
    student = spec.member("student")
    base = member_hash(student, now)
    assert base != member_hash(student.model_copy(update={"pseudo": None, "teachers": ()}), now)

    def other(*changes, data=now, **how):
        return member_hash(read(tmp_path, *changes, **how).member("student"), data)

    renamed = [("name: a}", "name: alpha}"), ("[a, b]", "[alpha, b]"), ("[b, a]", "[b, alpha]")]
    moved = [("- {name: best", "- {name: better")]
    for same in (renamed, moved):
        assert other(*same) == base
    turned = replace(now, test=now.test.iloc[::-1])
    assert other(data=turned) == base, "the order of the test list decides nothing"
    different = [
        other((OF, "of: [a, b], at_least: 0.8}}")),
        other((OF, "of: [a]}}")),
        other(sets=["members.a.lr=0.5"]),
        other(("seeds: [1, 2]", "seeds: [1, 3]")),
        other(data=photographs(digest=["1", "3"])),
        other(data=photographs(image_id=["y", "x"])),
    ]
    assert len({base, *different}) == len(different) + 1


def test_test_photos_decide_no_other_member_s_hash(tmp_path):
    spec = read(tmp_path)
    for name in ("a", "b", "ages"):
        member = spec.member(name)
        assert member_hash(member, photographs()) == member_hash(
            member, photographs(digest=["3", "4"])
        )


def test_a_unit_names_its_teachers_units_of_its_own_fold(tmp_path):
    now, spec = photographs(), read(tmp_path)
    first, second = of_member(spec.member("student"), now)
    for unit in (first, second):
        ones, twos = (of_member(spec.member(name), now) for name in "ab")
        assert unit.teachers == (
            tuple(own.path for own in ones if own.fold == unit.fold),
            tuple(own.path for own in twos if own.fold == unit.fold),
        )
        assert Unit.from_config(unit.to_config()) == unit
    assert [len(of) for of in first.teachers] == [1, 2]
