"""A student of a vote through the commands: what is said, refused, waited for and trained again."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from members.samples.people import draw_people
from orchestrator.worker import loop
from tests.orchestrator import one_slot

SPEC = """\
name: taught
data: {train: photos/train, test: photos/eval}
folds: {k: 3}
defaults: {image_size: [32, 32], epochs: 1, batch_size: 32, model: test_resnet, select: last}
members:
  - {name: student, teacher: {}}
  - {name: one}
  - {name: two, lr: 0.01}
"""
RUN = Path("runs/taught")


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("taught")
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


def one_line(said: str) -> str:
    return " ".join(said.split())


def test_one_call_trains_teachers_and_then_their_student(trained):
    folder, said = trained
    flat = one_line(said)
    assert (
        "student learns to answer as the weighted vote of one and two (temperature 2, its labels count "
        "0.3): 3 units wait for 3 units of one and 3 units of two, each for the other folds'"
        in flat
    )
    assert "9 units trained" in said
    for fold in range(3):
        assert (
            f"student fold {fold}: it learns the weighted vote of its rows; mean weights one"
            in flat
        )
    ends = {
        f"{path.parts[-4]}/{path.parts[-2]}": json.loads(path.read_text())["ended"]
        for path in folder.glob("runs/taught/units/*/*/*/unit.json")
    }
    for fold in range(3):
        others = [f for f in range(3) if f != fold]
        teachers = [ends[f"{name}/fold-{other}"] for name in ("one", "two") for other in others]
        assert max(teachers) <= ends[f"student/fold-{fold}"]


def test_called_again_nothing_is_to_do_and_check_says_who_learns_from_whom(command):
    assert "Nothing to do" in command("train-members", "spec.yaml")
    said = one_line(command("check", "spec.yaml", "--json", "plan.json"))
    assert "student learns to answer as the weighted vote of one and two" in said
    assert json.loads(Path("plan.json").read_text())["waiting"] == [
        {"member": "student", "units": 0, "for": {"one": 0, "two": 0}}
    ]


def test_it_votes_and_the_vote_and_the_leaderboard_say_what_its_score_claims(command):
    said = one_line(command("vote", "spec.yaml", "--mode", "soft", "--json", "vote.json"))
    assert (
        "student learnt to answer as a vote of one and two, whose networks had the labels of the folds "
        "that it is scored on, so its OOF rows look far better than they are: left out" in said
    )
    assert set(json.loads(Path("vote.json").read_text())["members"]) == {"one", "two"}
    said = one_line(command("leaderboard", "spec.yaml", "--json", "board.json"))
    rows = {row["name"]: row for row in json.loads(Path("board.json").read_text())}
    assert rows["student"]["teacher"] == {"by": ["one", "two"], "vote": "weighted", "unlabelled": 0}
    assert rows["one"]["teacher"] is None
    assert "is flattered; --truth shows one that is not" in said
    oof = pd.read_parquet(RUN / "tables/student/oof.parquet")
    right = (oof.filter(regex=r"^p\d").to_numpy().argmax(axis=1) == oof["label"]).mean()
    assert rows["student"]["oof"]["accuracy"] == pytest.approx(right)
    assert rows["student"]["oof"]["standard_error"]["macro_f1"] > 0
    names = re.findall(r"member (\w+)", said)
    assert names[2] == "student", "whatever its score"


def test_a_weight_lets_it_into_a_vote_that_fits_nothing(command):
    weights = ("--weights", "student=1", "one=0", "two=0")
    said = one_line(command("vote", "spec.yaml", "--mode", "soft", *weights, "--json", "vote.json"))
    members = json.loads(Path("vote.json").read_text())["members"]
    assert members == {"one": 0, "two": 0, "student": 1}
    assert "and with them the scores of this vote" in said
    mine = pd.read_parquet(RUN / "votes/soft/probabilities.parquet").filter(regex=r"^p\d")
    own = pd.read_parquet(RUN / "tables/student/test.parquet").filter(regex=r"^p\d")
    assert mine.to_numpy() == pytest.approx(own.to_numpy(), abs=1e-6)
    assert "no member" in command(
        "vote", "spec.yaml", "--mode", "soft", "--weights", "stranger=1", code=2
    )


def test_with_the_truth_the_leaderboard_says_how_far_the_scores_are_apart(command):
    command("vote", "spec.yaml", "--mode", "soft")
    said = command(
        "leaderboard", "spec.yaml", "--truth", "photos/eval/truth.csv", "--json", "board.json"
    )
    rows = {row["name"]: row for row in json.loads(Path("board.json").read_text())}
    gaps = {
        name: rows[name]["oof"]["macro_f1"] - rows[name]["truth"]["macro_f1"]
        for name in ("student", "one", "two")
    }
    mean = (gaps["one"] + gaps["two"]) / 2
    expected = f"OOF above test by {gaps['student']:+.3f}, its teachers by {mean:+.3f}"
    assert expected in one_line(said)


def test_other_photos_to_predict_are_predicted_by_all_and_nobody_is_trained_again(command):
    before = {name: unit_paths(name) for name in ("student", "one", "two")}
    info = Path("photos/eval/info.csv")
    info.write_text("\n".join(info.read_text().splitlines()[:-2]) + "\n")
    flat = one_line(command("check", "spec.yaml"))
    assert "other photos to predict: 9 finished units (student, one, two) predict them" in flat
    command("train-members", "spec.yaml", "--yes")
    assert {name: unit_paths(name) for name in before} == before
    assert len(pd.read_parquet(RUN / "tables/student/test.parquet")) == 10


def test_a_changed_or_added_teacher_and_a_changed_key_train_it_again_and_that_is_said(command):
    flat = one_line(command("check", "spec.yaml", "--set", "members.one.lr=0.02"))
    assert "its teacher one is another: 3 finished units (student) do not fit" in flat
    assert "3 units wait for 3 units of one, each for the other folds'" in flat
    flat = one_line(command("check", "spec.yaml", "--set", "members.student.teacher.hard=0.5"))
    assert "teacher.hard: 0.3 -> 0.5: 3 finished units (student) do not fit" in flat
    assert "3 units to train, its teachers are there" in flat
    flat = one_line(command("check", "spec.yaml", "--set", "members.student.teacher=null"))
    assert "teacher.vote: weighted -> null" in flat
    Path("spec.yaml").write_text(SPEC + "  - {name: three, lr: 0.02}\n")
    flat = one_line(command("check", "spec.yaml"))
    assert (
        "its teachers are one and two and three, not one and two: 3 finished units (student)"
        in flat
    )


def test_test_photos_that_it_learns_are_other_training_data(command):
    sets = ("--set", "members.student.teacher.unlabelled=true")
    flat = one_line(command("check", "spec.yaml", *sets))
    assert "(temperature 2, its labels count 0.3), on the 12 photos to predict, too" in flat
    command("train-members", "spec.yaml", "--yes", *sets)
    (unit, *_) = [
        path for path in unit_paths("student") if (path / "teacher-test.parquet").exists()
    ]
    record = json.loads((unit / "unit.json").read_text())
    assert record["teacher"]["unlabelled"] == 12
    assert record["rows"]["train"] == 12 + len(pd.read_parquet(unit / "teacher.parquet"))
    info = Path("photos/eval/info.csv")
    info.write_text("\n".join(info.read_text().splitlines()[:-2]) + "\n")
    flat = one_line(command("check", "spec.yaml", *sets))
    assert (
        "other photos to predict, from which it learns: 3 finished units (student) do not fit"
        in flat
    )
    assert "wait for 3 units of one and 3 units of two, each for all folds'" in flat


@pytest.mark.slow
def test_only_the_student_is_refused_where_its_teachers_are_not_there_and_trained_where_they_are(
    fresh,
):
    said = one_line(fresh("train-members", "spec.yaml", "--only", "student", "one", code=2))
    assert "--only: student learns the vote of two, and 3 of 3 units of two are not done" in said
    assert "Train them by the same call: --only two student" in said
    assert not (RUN / "units").exists()
    fresh("train-members", "spec.yaml", "--only", "one", "two")
    assert "3 units trained" in fresh("train-members", "spec.yaml", "--only", "student")


@pytest.mark.slow
def test_a_failed_teacher_fails_the_students_of_the_other_folds_and_the_next_call_trains_all(
    fresh, monkeypatch
):
    trains, broken = loop.train_unit, []

    def breaks(unit, process, report):
        if not broken and unit.member.name == "one" and unit.fold == 1:
            broken.append(unit)
            raise RuntimeError("no luck")
        return trains(unit, process, report)

    monkeypatch.setattr(loop, "train_unit", breaks)
    said = one_line(fresh("train-members", "spec.yaml", code=1))
    assert "- one fold 1: RuntimeError: no luck" in said
    for fold in (0, 2):
        assert f"- student fold {fold}: one fold 1 failed, which was to teach it" in said
    assert "- student fold 1" not in said
    assert len(unit_paths("student")) == 1
    assert "3 units trained, 6 were done before" in one_line(fresh("train-members", "spec.yaml"))
    assert len(unit_paths("student")) == 3


def test_kept_units_are_no_teachers_by_whose_hash_a_student_is_called(command):
    said = one_line(command("check", "spec.yaml", "--keep-units", code=2))
    assert "--keep-units: student is trained on what other members' units say" in said
