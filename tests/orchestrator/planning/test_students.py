"""A member with pseudo-labels through the commands: what is said, refused, held and trained again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from members.samples.people import draw_people
from members.training import check
from orchestrator.cluster import known_recipes
from orchestrator.worker import loop
from tests.orchestrator import one_slot

SPEC = """\
name: pseudo
data: {train: photos/train, test: photos/eval}
folds: {k: 2}
defaults: {image_size: [32, 32], epochs: 1, batch_size: 32, model: test_resnet, select: last}
members:
  - {name: student, pseudo: {of: [one, two], at_least: 0.0556}}
  - {name: one}
  - {name: two, seeds: [1, 2]}
"""
RUN = Path("runs/pseudo")


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("students")
    draw_people(folder / "photos", profiles=18, eval=12, size=(64, 48))
    (folder / "spec.yaml").write_text(SPEC)
    return folder


@pytest.fixture(scope="module")
def trained(photos) -> tuple[Path, str]:
    """The folder, and what training printed."""
    with one_slot.commands(photos) as command:
        return photos, command("train-members", "spec.yaml")


@pytest.fixture
def place(photos, trained, tmp_path) -> Path:
    return Path(shutil.copytree(photos, tmp_path / "copy"))


@pytest.fixture
def command(place) -> Iterator[one_slot.Commands]:
    with one_slot.commands(place) as command:
        yield command


@pytest.fixture
def fresh(photos, tmp_path) -> Iterator[one_slot.Commands]:
    """Commands in a folder where nothing is trained."""
    shutil.copytree(photos, tmp_path / "fresh", ignore=shutil.ignore_patterns("runs"))
    with one_slot.commands(tmp_path / "fresh") as command:
        yield command


def unit_paths(member: str) -> list[Path]:
    return sorted(path.parent for path in RUN.glob(f"units/{member}/*/*/unit.json"))


def test_one_call_trains_teachers_and_then_their_student(trained):
    _, said = trained
    flat = " ".join(said.split())
    assert (
        "student also learns those of the 12 photos to predict that one and two are sure of (0.0556 or "
        "more): 2 units wait for 2 units of one and 4 units of two, each fold's for that fold's"
        in flat
    )
    assert "8 units trained" in said
    for fold in (0, 1):
        assert f"student fold {fold}: 12 of 12 photos to predict are learnt from" in flat


def test_called_again_nothing_is_to_do_and_check_says_who_learns_from_whom(command):
    assert "Nothing to do" in command("train-members", "spec.yaml")
    said = command("check", "spec.yaml", "--json", "plan.json")
    assert "student also learns those of the 12 photos" in said
    assert json.loads(Path("plan.json").read_text())["waiting"] == [
        {"member": "student", "units": 0, "for": {"one": 0, "two": 0}}
    ]


def test_it_votes_and_the_leaderboard_says_how_many_it_learnt(command):
    said = command("vote", "spec.yaml", "--mode", "soft")
    assert "student learnt photos to predict, labelled by one and two" in " ".join(said.split())
    said = command("leaderboard", "spec.yaml", "--json", "board.json")
    rows = {row["name"]: row for row in json.loads(Path("board.json").read_text())}
    assert rows["student"]["pseudo"] == {
        "by": ["one", "two"], "of": 12, "taken": {"fold-0": 12, "fold-1": 12}
    }  # fmt: skip
    assert rows["one"]["pseudo"] is None
    assert (
        "student learnt 12 of the 12 photos to predict in each unit, labelled by one"
        in " ".join(said.split())
    )


def test_other_photos_to_predict_are_predicted_by_teachers_and_train_the_student_again(command):
    before = {name: unit_paths(name) for name in ("student", "one", "two")}
    info = Path("photos/eval/info.csv")
    lines = info.read_text().splitlines()
    info.write_text("\n".join(lines[:-2]) + "\n")
    flat = " ".join(command("check", "spec.yaml").split())
    assert (
        "other photos to predict, from which it learns: 2 finished units (student) do not fit, so they "
        "are trained again" in flat
    )
    assert "other photos to predict: 6 finished units (one, two) predict them" in flat
    assert "2 units wait for 2 units of one and 4 units of two" in flat
    command("train-members", "spec.yaml", "--yes")
    assert unit_paths("one") == before["one"], "they are trained no more"
    (new, *_) = set(unit_paths("student")) - set(before["student"])
    assert json.loads((new / "unit.json").read_text())["pseudo"]["of"] == 10
    assert len(pd.read_parquet(RUN / "tables/student/test.parquet")) == 10


def test_another_setting_of_a_teacher_trains_the_student_again_and_that_is_said(command):
    flat = " ".join(command("check", "spec.yaml", "--set", "members.one.lr=0.01").split())
    assert "lr: 0.001 -> 0.01: 2 finished units (one) do not fit" in flat
    assert "its teacher one is another: 2 finished units (student) do not fit" in flat
    assert "2 units wait for 2 units of one," in flat


def test_another_bound_is_a_changed_setting_of_the_student_alone(command):
    sets = ("--set", "members.student.pseudo.at_least=0.5")
    flat = " ".join(command("check", "spec.yaml", *sets).split())
    assert "pseudo.at_least: 0.0556 -> 0.5: 2 finished units (student) do not fit" in flat
    assert "2 units to train, its teachers are there" in flat
    without = ("--set", "members.student.pseudo=null")
    flat = " ".join(command("check", "spec.yaml", *without).split())
    assert "pseudo.of: ['one', 'two'] -> null, pseudo.at_least: 0.0556 -> null: 2 finished" in flat


def test_only_the_student_is_refused_where_its_teachers_are_not_there_and_trained_where_they_are(
    fresh,
):
    said = " ".join(fresh("train-members", "spec.yaml", "--only", "student", "one", code=2).split())
    assert (
        "--only: student learns test photos that two label, and 4 of 4 units of two are not" in said
    )
    assert "Train them by the same call: --only two student" in said
    assert not (RUN / "units").exists()
    fresh("train-members", "spec.yaml", "--only", "one", "two")
    assert "2 units trained" in fresh("train-members", "spec.yaml", "--only", "student")


def test_a_failed_teacher_fails_its_student_and_the_next_call_trains_both(fresh, monkeypatch):
    trains, broken = loop.train_unit, []

    def breaks(unit, process, report):
        if not broken and unit.member.name == "one" and unit.fold == 1:
            broken.append(unit)
            raise RuntimeError("no luck")
        return trains(unit, process, report)

    monkeypatch.setattr(loop, "train_unit", breaks)
    said = " ".join(fresh("train-members", "spec.yaml", code=1).split())
    assert "- one fold 1: RuntimeError: no luck" in said
    assert "- student fold 1: one fold 1 failed, which was to label test photos for it" in said
    assert "- student fold 0" not in said
    assert len(unit_paths("student")) == 1
    assert "2 units trained, 6 were done before" in " ".join(
        fresh("train-members", "spec.yaml").split()
    )
    assert len(unit_paths("student")) == 2


def test_kept_units_are_no_teachers_by_whose_hash_a_student_is_called(command):
    said = " ".join(command("check", "spec.yaml", "--keep-units", code=2).split())
    assert "--keep-units: student is trained on what other members' units say" in said


def test_a_damaged_table_of_a_teacher_is_made_again_and_the_student_stays(command):
    (table,) = RUN.glob("units/one/*/fold-0/test.parquet")
    table.write_bytes(table.read_bytes()[:-9])
    before = [(path / "unit.json").read_bytes() for path in unit_paths("student")]
    command("train-members", "spec.yaml")
    assert [(path / "unit.json").read_bytes() for path in unit_paths("student")] == before


def test_any_remainder_of_a_batch_may_occur_and_is_looked_at(fresh, monkeypatch):
    """How many photos are learnt depends on what the teachers are sure of."""
    seen: dict[str, list[int]] = {}

    def watch(recipe, n_classes, parts, ranks):
        seen[recipe.augmentation] = sorted(parts)

    monkeypatch.setattr(check, "batch_problem", watch)
    monkeypatch.setattr(known_recipes, "_code", lambda: ["nothing is known of"])
    sets = ("--set", "members.student.augmentation=flip", "--set", "members.student.batch_size=5")
    fresh("check", "spec.yaml", *sets)
    plain = seen.pop("base")
    (of_student,) = seen.values()
    assert of_student == sorted({n + more for n in plain for more in range(6)})
