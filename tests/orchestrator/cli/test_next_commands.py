"""What a command says to do next can be pasted into a shell: it has the settings of this one."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from members.samples.people import draw_people
from orchestrator import program
from orchestrator.commands import train_members

SPEC = """\
name: e
data: {train: photos/train}
folds: {k: 2}
defaults: {image_size: [32, 32], epochs: 1}
members:
  - {name: one, model: test_resnet}
  - {name: two, model: test_vit}
small: {defaults: {epochs: 2}}
"""
SETTINGS = [
    "--small",
    "--set",
    "members.one.augmentation=[HorizontalFlip, Blur]",
    "--set",
    "folds.k=3",
]
TRAINING = ["train-members", "my spec.yaml", *SETTINGS]


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("people") / "photos"
    draw_people(folder, profiles=6, eval=2, size=(32, 24))
    return folder


@pytest.fixture
def work(tmp_path, people, command) -> Path:
    (tmp_path / "my spec.yaml").write_text(SPEC)
    (tmp_path / "photos").symlink_to(people)
    return tmp_path


@pytest.fixture
def training(monkeypatch):
    """`training(failures, interrupt)` makes the next one end so; all else of the command is real."""

    def ends(failures=(), interrupt=False):
        def train(resolved, plan, store, *rest, **_):
            if interrupt:
                raise KeyboardInterrupt
            (outcome,) = [own for own in rest if isinstance(own, train_members.Outcome)]
            outcome.trained = len(plan.todo)
            outcome.failures = dict.fromkeys(failures, "the loss became nan")
            return {}

        monkeypatch.setattr(train_members, "train_on_ray", train)

    ends()
    return ends


def pasted(text: str, name: str) -> list[str]:
    """The words of the command of that name in a text, as a shell would read them."""
    (found,) = re.findall(rf"python -m orchestrator ({name} .*)", text)
    return shlex.split(found)


def test_after_failed_units_the_same_command_follows_with_its_settings(work, command, training):
    training(failures=["one fold 0", "two fold 1"])
    code, _, error = command(*TRAINING, "--only", "one", "two")
    assert code == 1
    assert "The rest is done and kept. Change the settings and run the same command again." in error
    again = pasted(error, "train-members")
    assert again == [*TRAINING, "--only", "one", "two"]
    training()
    assert command(*again)[0] == 0


def test_after_failed_units_of_a_new_run_the_run_is_named_in_place_of_the_flag(
    work, command, training
):
    training(failures=["one fold 0"])
    error = command(*TRAINING, "--new-run")[2]
    assert pasted(error, "train-members") == [*TRAINING, "--run", "runs/e-small"]


def test_a_signal_prints_the_command_that_goes_on(work, command, training):
    training(interrupt=True)
    code, _, error = command(*TRAINING)
    assert code == 130
    assert "Stopped. Nothing is lost: the same command goes on from here." in error
    assert pasted(error, "train-members") == TRAINING


def test_the_vote_that_comes_next_has_the_settings_of_the_training(work, command, training):
    code, out, _ = command(*TRAINING, "--run", "here")
    assert code == 0
    assert pasted(out, "vote") == ["vote", "my spec.yaml", *SETTINGS, "--run", "here"]


def test_a_vote_without_tables_names_the_training_that_makes_them(work, command, training):
    code, _, error = command("vote", "my spec.yaml", *SETTINGS, "--mode", "soft")
    assert code == 2
    again = pasted(error, "train-members")
    assert again == TRAINING
    assert command(*again)[0] == 0
    # by its folder: the spec that the run keeps
    error = command("vote", "--run", "runs/e-small")[2]
    again = pasted(error, "train-members")
    assert again[1:] == [f"{work}/runs/e-small/spec.yaml", "--run", f"{work}/runs/e-small"]
    assert command(*again)[0] == 0


def test_a_run_that_searched_is_trained_by_its_own_spec_only(work, command, training):
    search = "search: {members: [one], space: {lr: {choice: [1e-3, 1e-2]}}}\n"
    (work / "my spec.yaml").write_text(SPEC + search)
    command("train-members", "my spec.yaml")
    error = command("vote", "--run", "runs/e")[2]
    assert pasted(error, "train-members")[1] == "SPEC"


def test_a_leaderboard_without_votes_names_the_vote(work, command, training):
    command(*TRAINING)
    code, _, error = command("leaderboard", "my spec.yaml", *SETTINGS)
    assert code == 2
    assert pasted(error, "vote") == ["vote", "my spec.yaml", *SETTINGS, "--mode", "weighted"]


def test_words_are_quoted_for_a_shell(monkeypatch):
    words = ["vote", "a b.yaml", "--set", "name=$HOME", "--set", "x='y'", "--new-run"]
    monkeypatch.setattr(program.sys, "argv", ["/bin/ensemble", *words])
    found = program.same_command(without=["--new-run"], more=["--run", "a;b"])
    assert shlex.split(found) == ["ensemble", *words[:-1], "--run", "a;b"]
