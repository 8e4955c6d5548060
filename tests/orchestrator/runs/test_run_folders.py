"""Which folders the commands read and write: flags, environment variables, numbered runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ensembles import Table, write_table
from members.samples.people import draw_people
from orchestrator.commands import train_members
from orchestrator.runs import folders as run_folders
from orchestrator.runs.store import Store
from orchestrator.spec import load

SPEC = """\
name: e
data: {train: photos/train, test: photos/eval}
folds: {k: 2}
defaults: {image_size: [32, 32], epochs: 1}
members:
  - {name: one, model: test_resnet}
  - {name: two, model: test_vit}
small: {defaults: {epochs: 1}}
"""


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("people") / "photos"
    draw_people(folder, profiles=6, eval=8, size=(32, 24))
    return folder


@pytest.fixture
def work(tmp_path, people, command) -> Path:
    (tmp_path / "spec.yaml").write_text(SPEC)
    (tmp_path / "photos").symlink_to(people)
    return tmp_path


# -- training ----------------------------------------------------------------------------------


@pytest.fixture
def trained_into(monkeypatch) -> list[str]:
    """Run folders that were trained into; the training itself is left out."""
    folders: list[str] = []

    def train(resolved, plan, store, *rest, **_):
        folders.append(store.root)
        store.write("trained", "something")
        (outcome,) = [own for own in rest if isinstance(own, train_members.Outcome)]
        outcome.trained = len(plan.todo)
        return {}

    monkeypatch.setattr(train_members, "train_on_ray", train)
    return folders


def test_runs_go_to_the_folder_that_the_variable_names(work, command, trained_into, monkeypatch):
    assert command("train-members", "spec.yaml")[0] == 0
    monkeypatch.setenv("SM_MODEL_DIR", "models/")
    assert command("train-members", "spec.yaml")[0] == 0
    assert command("train-members", "spec.yaml", "--run", "elsewhere")[0] == 0
    monkeypatch.setenv("SM_MODEL_DIR", "")
    assert command("train-members", "spec.yaml", "--small")[0] == 0
    expected = ["runs/e", "models/e", "elsewhere", "runs/e-small"]
    assert trained_into == [str(work / folder) for folder in expected]
    assert (work / "models/latest").read_text().strip() == "../elsewhere"
    assert (work / "runs/latest").read_text().strip() == "e-small"


def test_check_looks_where_training_would_go(work, command, monkeypatch):
    monkeypatch.setenv("SM_MODEL_DIR", "models")
    code, out, _ = command("check", "spec.yaml")
    assert code == 0
    assert f"4 units to train into {work / 'models/e'}" in out


def test_new_runs_number_themselves_and_the_last_one_is_latest(work, command, trained_into):
    for _ in range(3):
        code, out, _ = command("train-members", "spec.yaml", "--new-run")
        assert code == 0
        assert "4 units trained, 0 were done before" in out
    assert trained_into == [str(work / f"runs/{name}") for name in ("e", "e-2", "e-3")]
    assert (work / "runs/latest").read_text().strip() == "e-3"
    assert "A new run: runs/e-3" in out
    assert "Next: python -m orchestrator vote spec.yaml --run runs/e-3" in out


def test_without_the_flag_the_run_is_never_guessed(work, command, trained_into):
    for flags in ([], ["--new-run"], []):
        command("train-members", "spec.yaml", *flags)
    assert trained_into == [str(work / f"runs/{name}") for name in ("e", "e-2", "e")]


def test_the_printed_command_goes_on_with_a_stopped_new_run(
    work, command, trained_into, monkeypatch
):
    (work / "runs/e").mkdir(parents=True)
    (work / "runs/e/spec.yaml").write_text("of an earlier run")

    def stopped(*arguments, **_):
        arguments[2].write("trained", "half")
        raise KeyboardInterrupt

    stub = train_members.train_on_ray
    monkeypatch.setattr(train_members, "train_on_ray", stopped)
    arguments = ["train-members", "spec.yaml", "--only", "one", "--set", "members.one.lr=2e-3"]
    code, out, err = command(*arguments, "--new-run")
    assert code == 130
    printed = err.split("go on with: python -m orchestrator ")[1].strip()
    assert printed in out  # printed at the start as well, for a run that is killed
    assert "same command" not in err
    monkeypatch.setattr(train_members, "train_on_ray", stub)
    assert command(*printed.split())[0] == 0
    assert trained_into == [str(work / "runs/e-2")]
    assert "lr: 0.002" in (work / "runs/e-2/spec.yaml").read_text()


def test_a_new_run_that_was_refused_uses_up_no_number(work, command, trained_into):
    (work / "photos").unlink()
    assert command("train-members", "spec.yaml", "--new-run")[0] == 2
    (work / "photos").symlink_to(work)
    assert command("train-members", "spec.yaml", "--new-run")[0] == 2
    assert run_folders.new_run("e") == "runs/e"


def test_numbers_rise_even_where_earlier_runs_were_thrown_away(work, monkeypatch):
    for name in ("runs/e-7", "runs/e-small-9", "runs/e-x", "runs/ee-11", "models/e"):
        Store(work / name).write("spec.yaml", "")
    assert run_folders.new_run("e") == "runs/e-8"
    assert run_folders.new_run("e-small") == "runs/e-small-10"
    assert run_folders.new_run("new") == "runs/new"
    monkeypatch.setenv("SM_MODEL_DIR", "models")
    assert run_folders.new_run("e") == "models/e-2"


def test_a_new_run_has_no_name_of_its_own(work, command, trained_into):
    code, _, err = command("train-members", "spec.yaml", "--new-run", "--run", "mine")
    assert code == 2
    assert "give one" in err
    assert trained_into == []


def test_runs_in_a_bucket_are_numbered_too(bucket, monkeypatch):
    monkeypatch.setenv("SM_MODEL_DIR", bucket)
    assert run_folders.new_run("e") == f"{bucket}/e"
    Store(f"{bucket}/e").write("spec.yaml", "")
    assert run_folders.new_run("e") == f"{bucket}/e-2"
    run_folders.remember(Store(f"{bucket}/e"), Store(run_folders.runs()))
    assert run_folders.latest().root == f"{bucket}/e"


# -- voting and evaluating ---------------------------------------------------------------------


def make_run(folder: Path, seed: int = 0) -> Path:
    """A trained run of SPEC: tables of two members about 18 classes."""
    store = Store(folder)
    (folder.parent).mkdir(parents=True, exist_ok=True)
    store.write("spec.yaml", load("spec.yaml").to_yaml())
    rng = np.random.default_rng(seed)
    for member in ("one", "two"):
        for kind, n in (("oof", 40), ("test", 20)):
            table = Table(
                ids=np.array([f"{kind}{i}" for i in range(n)], object),
                probabilities=rng.dirichlet(np.ones(18), n).astype(np.float32),
                fold=(np.arange(n) % 2).astype(np.int16) if kind == "oof" else None,
                label=(np.arange(n) % 18).astype(np.int16) if kind == "oof" else None,
                meta={"member": member},
            )
            write_table(store.uri(f"tables/{member}/{kind}.parquet"), table)
        store.write(f"tables/{member}/made_from.txt", "0123456789abcdef none None")
    return folder


def answers(file: Path) -> list[int]:
    return pd.read_csv(file)["ans"].tolist()


def test_a_vote_reads_the_runs_that_the_variables_name(work, command, monkeypatch):
    for seed, folder in enumerate(("runs/e", "models/e", "channel/e", "mine")):
        make_run(work / folder, seed)
    run_folders.remember(Store(work / "runs/e"), Store(run_folders.runs()))
    Store(work / "models").write("latest", str(work / "models/e"))
    Store(work / "channel").write("latest", "/a/machine/that/is/gone/e")

    def voted(*flags: str) -> set[str]:
        before = set(work.rglob("submission.csv"))
        assert command("vote", "--mode", "soft", *flags)[0] == 0
        made = set(work.rglob("submission.csv")) - before
        for file in made:
            file.unlink()
        return {file.relative_to(work).as_posix() for file in made}

    for given in ((), ("spec.yaml",)):
        assert voted(*given) == {"runs/e/votes/soft/submission.csv"}
        monkeypatch.setenv("SM_MODEL_DIR", "models")
        assert voted(*given) == {"models/e/votes/soft/submission.csv"}
        monkeypatch.setenv("SM_CHANNEL_MODEL", "channel")
        assert voted(*given) == {"channel/e/votes/soft/submission.csv"}
        monkeypatch.setenv("SM_CHANNEL_MODEL", "models/e")  # one run itself
        assert voted(*given) == {"models/e/votes/soft/submission.csv"}
        assert voted(*given, "--run", "mine") == {"mine/votes/soft/submission.csv"}
        monkeypatch.delenv("SM_MODEL_DIR")
        monkeypatch.delenv("SM_CHANNEL_MODEL")


@pytest.mark.parametrize("written", ["now", "by an earlier version"])
def test_a_vote_in_a_copied_project_leaves_the_original_alone(work, command, monkeypatch, written):
    original, copy = work / "original", work / "copy"
    make_run(original / "runs/e")
    monkeypatch.chdir(original)
    run_folders.remember(Store("runs/e"), Store(run_folders.runs()))
    if written != "now":
        (original / "runs/latest").write_text(f"{original}/runs/e\n")
    shutil.copytree(original, copy)
    monkeypatch.chdir(copy)
    assert command("vote", "--mode", "soft")[0] == 0
    assert not (original / "runs/e/votes").exists()
    assert (copy / "runs/e/votes/soft/submission.csv").exists()


def test_a_run_elsewhere_is_latest_though_one_here_has_its_name(work, command, tmp_path_factory):
    make_run(work / "runs/e")
    there = make_run(tmp_path_factory.mktemp("data") / "e")
    run_folders.remember(Store(there), Store(run_folders.runs()))
    assert run_folders.latest().root == str(there)


def test_a_folder_without_runs_says_which_and_what_to_do(work, command, monkeypatch):
    monkeypatch.setenv("SM_CHANNEL_MODEL", "channel")
    code, _, err = command("vote")
    assert code == 2
    assert "no channel/latest" in err
    assert "--run DIR" in err


def test_a_vote_goes_to_the_output_folder_as_well_unless_out_says_otherwise(
    work, command, monkeypatch
):
    make_run(work / "runs/e")
    monkeypatch.setenv("SM_OUTPUT_DATA_DIR", "output")
    code, out, _ = command("vote", "spec.yaml", "--mode", "soft")
    assert code == 0
    assert "submission: output/submission.csv" in out
    for name in ("submission.csv", "probabilities.parquet", "vote.json"):
        assert (work / "output" / name).read_bytes() == (
            work / "runs/e/votes/soft" / name
        ).read_bytes()
    assert command("leaderboard", "spec.yaml")[0] == 0  # finds the vote, which is in the run
    before = (work / "output/vote.json").stat().st_mtime_ns
    assert command("vote", "spec.yaml", "--mode", "hard", "--out", "mine")[0] == 0
    assert (work / "mine/submission.csv").exists()
    assert (work / "output/vote.json").stat().st_mtime_ns == before
    assert not (work / "runs/e/votes/hard").exists()


def test_a_vote_over_tables_of_others_goes_to_the_output_folder_alone(work, command, monkeypatch):
    make_run(work / "runs/e")
    monkeypatch.setenv("SM_OUTPUT_DATA_DIR", "output")
    assert command("vote", "--mode", "soft", "--tables", "runs/e/tables")[0] == 0
    assert (work / "output/submission.csv").exists()
    assert not (work / "votes").exists()
    monkeypatch.delenv("SM_OUTPUT_DATA_DIR")
    assert command("vote", "--mode", "soft", "--tables", "runs/e/tables")[0] == 0
    assert answers(work / "votes/soft/submission.csv") == answers(work / "output/submission.csv")


@pytest.fixture
def judged(work, monkeypatch) -> Path:
    """An output folder with three right answers of four, and the truth in a folder of its own."""
    for file, given in (("output/submission.csv", [0, 1, 2, 2]), ("truth/gt.csv", [0, 1, 2, 3])):
        (work / file).parent.mkdir()
        rows = pd.DataFrame({"ImageID": list("abcd"), "ans": given})
        rows.to_csv(work / file, index=False)
    monkeypatch.setenv("SM_OUTPUT_DATA_DIR", "output")
    monkeypatch.setenv("SM_GROUND_TRUTH_DIR", "truth")
    return work


@pytest.mark.parametrize("name", ["truth.csv", "gt.csv", "anything.csv"])
def test_evaluate_finds_predictions_and_truth_by_the_variables(judged, command, name):
    (judged / "truth/gt.csv").rename(judged / "truth" / name)
    assert command("evaluate", "--json", "report.json")[0] == 0
    assert json.loads((judged / "report.json").read_text())["accuracy"] == 0.75


def test_arguments_of_evaluate_come_before_the_variables(judged, command):
    pd.DataFrame({"ImageID": list("abcd"), "ans": [0, 1, 3, 3]}).to_csv(judged / "other.csv")
    for arguments, accuracy in (
        (["other.csv"], 0.75),
        (["--truth", "other.csv"], 0.5),
        (["other.csv", "--truth", "output/submission.csv"], 0.5),
        (["other.csv", "--truth", "other.csv"], 1.0),
    ):
        assert command("evaluate", *arguments, "--json", "report.json")[0] == 0
        assert json.loads((judged / "report.json").read_text())["accuracy"] == accuracy


def test_evaluate_without_predictions_says_where_they_may_stand(judged, command, monkeypatch):
    monkeypatch.delenv("SM_OUTPUT_DATA_DIR")
    monkeypatch.delenv("SM_GROUND_TRUTH_DIR")
    code, _, err = command("evaluate")
    assert code == 2
    for part in ("PREDICTIONS", "SM_OUTPUT_DATA_DIR"):
        assert part in err


@pytest.mark.parametrize(
    ("files", "problem"), [(["a.csv", "b.csv"], "a.csv, b.csv"), ([], "no CSV")]
)
def test_a_truth_that_could_be_one_of_several_is_not_guessed(judged, command, files, problem):
    (judged / "truth/gt.csv").unlink()
    for name in files:
        (judged / "truth" / name).write_text("ImageID,ans\na,0\n")
    code, _, err = command("evaluate")
    assert code == 2
    assert problem in err
    assert "truth.csv or gt.csv" in err


@pytest.mark.parametrize("name", ["demo", "final"])
def test_the_shipped_specs_take_their_photographs_from_the_variables(name, monkeypatch):
    file = Path(__file__).parents[3] / f"ensembles/{name}.yaml"
    monkeypatch.delenv("SM_CHANNEL_TRAIN", raising=False)
    monkeypatch.delenv("SM_CHANNEL_EVAL", raising=False)
    assert load(file).data.train == "data/sample/train"
    monkeypatch.setenv("SM_CHANNEL_TRAIN", "/opt/ml/input/train")
    monkeypatch.setenv("SM_CHANNEL_EVAL", "/opt/ml/input/eval")
    assert (load(file).data.train, load(file).data.test) == (
        "/opt/ml/input/train",
        "/opt/ml/input/eval",
    )
