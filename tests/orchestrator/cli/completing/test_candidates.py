"""What may come next on a command line that is not whole yet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import typer

from ensembles.scores.metrics import METRICS
from orchestrator.cli.app import commands
from orchestrator.cli.completing import found
from orchestrator.cli.completing.candidates import candidates
from orchestrator.cli.completing.shells import split
from orchestrator.runs import folders
from orchestrator.spec.spec import Spec
from tests.orchestrator.cli.completing.a_run import write_run

ROOT = Path(__file__).parents[4]
GROUP = typer.main.get_command(commands())


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    for name in ("SM_MODEL_DIR", "SM_CHANNEL_MODEL"):
        monkeypatch.delenv(name, raising=False)
    write_run(tmp_path)
    monkeypatch.chdir(tmp_path)


def offered(line: str) -> list[str]:
    """line: behind the program's name; the last word, which may be empty, is being written."""
    return [own.value for own in candidates(GROUP, line.split(" "))]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tr", ["train-members"]),
        ("--v", ["--version"]),
        ("train-members spec.yaml --on", ["--only"]),
        ("vote --no-off", ["--no-offsets"]),
        # members: of the spec, of the run, of the run trained last
        ("train-members spec.yaml --only ", ["effnet", "resnet", "mask_only"]),
        ("train-members spec.yaml --only effnet resnet ", ["mask_only"]),
        ("train-members spec.yaml --only=e", ["--only=effnet"]),
        ("vote spec.yaml --weights ", ["effnet=", "resnet=", "second="]),
        ("vote --run runs/other --weights e", ["effnet_of_other="]),
        ("vote --weights e", ["effnet_of_mine="]),
        # runs and votes
        ("leaderboard --run ", ["runs/mine", "runs/other", "runs/"]),
        ("export --out b runs/", ["runs/mine", "runs/other", "runs/nothing/"]),
        ("serve runs/mine --vote ", ["soft", "weighted-log_loss"]),
        ("predict spec.yaml a.jpg --vote w", ["weighted-log_loss"]),
        ("export --out b --run runs/other --vote ", []),
        # values that are names
        ("vote --mode ", ["hard", "soft", "weighted"]),
        ("export --format=t", ["--format=torch"]),
        ("completion ", ["bash", "zsh", "fish"]),
        ("vote --choice rid", ["ridge pool"]),
        # keys
        ("check spec.yaml --set fol", ["folds."]),
        ("check spec.yaml --set folds.s", ["folds.scheme=", "folds.seed="]),
        ("check spec.yaml --set members.m", ["members.mask_only."]),
        ("check spec.yaml --set members.effnet.los", ["members.effnet.loss="]),
        ("check spec.yaml --set members.effnet.mixing.al", ["members.effnet.mixing.alpha="]),
        ("check spec.yaml --set lr=1 defaults.lr", ["defaults.lr="]),
        # specs: here, and those that come with the package
        ("check s", ["spec.yaml"]),
        ("check ensembles/d", ["ensembles/demo.yaml"]),
        # nothing is known: the shell offers files
        ("predict ph", []),
        ("evaluate ", []),
        ("vote --out ", []),
        ("vote --top ", []),
        ("nothing ", []),
    ],
)
def test_what_fits_is_offered(line, expected):
    assert offered(line) == expected


def test_options_that_were_given_are_not_offered_again_but_for_those_of_several_values():
    every = offered("train-members spec.yaml --yes --only effnet --run d --")
    assert "--only" in every
    assert "--new-run" in every
    assert not {"--yes", "--run"} & {*every}


def test_names_and_keys_are_those_of_the_code():
    assert {*METRICS} <= {*offered("vote --objective ")}
    top = {key.rstrip(".=") for key in offered("check spec.yaml --set ")}
    assert {*Spec.model_fields} - {"stacks"} <= top
    assert found._runs_folder() == folders.runs()


def test_every_command_is_offered_with_a_text():
    every = candidates(GROUP, [""])
    assert {own.value for own in every} == {*GROUP.commands}
    assert all(own.text for own in every)


@pytest.mark.parametrize("spec", ["", "members: 3", "members: [a, {name: 1}]", "[", "a: *b"])
def test_a_spec_that_cannot_be_read_offers_nothing(spec, tmp_path):
    (tmp_path / "spec.yaml").write_text(spec)
    assert offered("train-members spec.yaml --only ") == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ensemble vo", ["ensemble", "vo"]),
        ("ensemble vote ", ["ensemble", "vote", ""]),
        ("ensemble vote 'a b", ["ensemble", "vote", "a b"]),
        ('ensemble vote "a b" --', ["ensemble", "vote", "a b", "--"]),
        (r"ensemble vote a\ b", ["ensemble", "vote", "a b"]),
        ("", [""]),
    ],
)
def test_a_line_is_cut_into_words_as_a_shell_does(line, words):
    assert split(line) == words


def test_nothing_slow_is_imported_to_answer(tmp_path):
    program = (
        "import os, sys\n"
        "os.environ |= {'ENSEMBLE_COMPLETE': 'zsh'}\n"
        "sys.argv = ['ensemble', 'vote', 'spec.yaml', '--set', 'members.effnet.']\n"
        "from orchestrator.cli import main\n"
        "try:\n    main()\n"
        "finally:\n    print({'torch', 'ray', 'pandas', 'pyarrow', 'pydantic', 'timm'} & {*sys.modules})\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    *keys, imported = done.stdout.splitlines()
    assert imported == "set()"
    assert any(key.startswith("members.effnet.lr=\t") for key in keys)
