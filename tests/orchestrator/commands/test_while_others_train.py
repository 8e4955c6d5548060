"""Members that go first, and votes of those that are complete while others are trained."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from members.samples.people import draw_people
from orchestrator.running import tune
from tests.orchestrator.command_line import environment
from tests.orchestrator.one_slot import commands

SPEC = """\
name: e
data: {train: photos/train, test: photos/eval}
folds: {k: 2}
defaults: {image_size: [16, 16], epochs: 1, batch_size: 16, warmup_epochs: 0}
members:
  - {name: large, model: test_vit}
  - {name: middle, model: test_efficientnet}
  - {name: small, model: test_resnet}
"""
SEARCH = """\
search:
  members: [large]
  space: {lr: {choice: [1.0e-3, 2.0e-3]}}
  sampler: grid
  candidates: 2
  asha: {grace_epochs: 1}
"""


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("people")
    draw_people(folder / "photos", profiles=12, eval=6, size=(32, 24))
    return folder / "photos"


@pytest.fixture
def command(tmp_path, people):
    shutil.copytree(people, tmp_path / "photos")
    (tmp_path / "spec.yaml").write_text(SPEC)
    with commands(tmp_path) as command:
        yield command


@pytest.fixture
def order(monkeypatch, command) -> list[str]:
    """Titles of the units, in the order in which they are begun."""
    begun: list[str] = []
    run_all = command.run_all

    def watched(schedule, *rest):
        give = schedule._give

        def given(process, fresh):
            job = give(process, fresh)
            if job is not None:
                begun.append(schedule.runs[process].title)
            return job

        schedule._give = given
        run_all(schedule, *rest)

    monkeypatch.setattr(tune, "run_all", watched)
    return begun


def test_named_members_come_before_costlier_ones(command, order):
    command("train-members", "spec.yaml", "--first", "small")
    assert order[:2] == ["small fold 0", "small fold 1"]
    assert len(order) == 6


def test_they_come_before_candidates_and_a_named_search_before_them(command, order):
    Path("spec.yaml").write_text(SPEC + SEARCH)
    command("train-members", "spec.yaml", "--first", "small")
    assert order[:3] == ["small fold 0", "small fold 1", "large candidate 0"]
    order.clear()
    first = ("--first", "small", "large")
    command("train-members", "spec.yaml", "--run", "other", *first)
    assert order[:2] == ["large candidate 0", "large candidate 1"]
    assert {own.split()[0] for own in order[2:5]} == {"large", "small"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--first", "smal"], "--first: unknown member smal"),
        (["--only", "large", "--first", "small"], "small is not among the members of --only"),
        (["--first", "x", "--only", "y"], "--only: unknown member y"),
    ],
)
def test_names_of_no_member_that_is_trained_are_refused(command, words, said):
    printed = " ".join(command("train-members", "spec.yaml", *words, code=2).split())
    assert said in printed.replace("'", "")
    assert not Path("runs").exists()


def test_a_member_that_is_complete_votes_while_others_are_trained(command, monkeypatch, tmp_path):
    run_all, found = command.run_all, []

    def looked_at(schedule, *rest):
        report = schedule.report

        def looks(process, values):
            title = schedule.runs[process].title
            if not found and values["event"] == "started" and title == "large fold 0":
                vote = [sys.executable, "-m", "orchestrator", "vote", "spec.yaml", "--mode", "soft"]
                env = environment(tmp_path)
                for _ in range(600):  # the tables are made beside this
                    if Path("runs/e/tables/small/SHA256SUMS").exists():
                        break
                    threading.Event().wait(0.05)
                found.append(subprocess.run(vote, capture_output=True, text=True, env=env))
            return report(process, values)

        schedule.report = looks
        run_all(schedule, *rest)

    monkeypatch.setattr(tune, "run_all", looked_at)
    command("train-members", "spec.yaml", "--first", "small")
    (voted,) = found
    assert voted.returncode == 0, voted.stderr
    said = " ".join(voted.stdout.split())
    assert "not trained to their end, so left out: large" in said
    assert {path.name for path in Path("runs/e/tables").iterdir()} == {"large", "middle", "small"}


def test_hours_that_are_over_begin_nothing_and_more_of_them_go_on(command):
    few = ("--set", "hours=1e-6")
    said = " ".join(command("train-members", "spec.yaml", *few).split())
    assert "hours: 1e-06 do not suffice for" in said
    assert "(not begun) and 1 more. Raise `hours` to train that too, and run the same" in said
    assert not Path("runs/e/tables").exists()
    assert "orchestrator vote" not in said, "there is nothing to vote on"
    assert json.loads(Path("runs/e/progress.json").read_text())["spent"] > 0
    more = command("train-members", "spec.yaml", "--set", "hours=10")
    assert "6 units trained, 0 were done before" in " ".join(more.split())
    # all that is there is as good without any time left
    assert "Nothing to do: all 6 units are trained" in " ".join(
        command("train-members", "spec.yaml", *few).split()
    )


@pytest.mark.parametrize("hours", ["0", "-1", ".inf"])
def test_hours_that_are_none_are_refused(command, hours):
    said = command("train-members", "spec.yaml", "--set", f"hours={hours}", code=2)
    assert "hours" in said
