"""What a member asks for and cannot have is told by `check`, with code 2, before anything is trained."""

from __future__ import annotations

import contextlib
import sys

import pandas as pd
import pytest

from members.samples.people import draw_people
from orchestrator.cli import app
from orchestrator.cluster import connect as cluster
from orchestrator.cluster.connect import Cluster

SPEC = """\
name: w
data: {train: photos/train}
folds: {k: 2}
defaults: {image_size: [32, 32], epochs: 1}
members: [{name: a, model: test_resnet}]
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    draw_people(folder / "photos", profiles=12, eval=1, size=(64, 48))
    return folder


@pytest.fixture
def run(photos, tmp_path, monkeypatch, capsys):
    """Run a command on the spec with some texts replaced: (exit code, stdout, stderr)."""
    monkeypatch.chdir(photos)
    monkeypatch.setenv("ENSEMBLE_CACHE", str(photos / "cache"))

    def run(command: str, *changes: tuple[str, str]) -> tuple[int, str, str]:
        text = SPEC
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        spec = tmp_path / "spec.yaml"
        spec.write_text(text)
        arguments = ["orchestrator", command, str(spec), "--run", str(tmp_path / "run")]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as end:
            app.main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err + captured.out
        assert not (tmp_path / "run/units").exists()
        return end.value.code, captured.out, captured.err

    return run


def test_as_it_stands_it_could_be_trained(run):
    assert run("check")[0] == 0


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("augmentation: [HorizontalFlp]", "Did you mean 'HorizontalFlip'"),
        ("augmentation: [{GaussNoise: {std_rang: [0, 1]}}]", "Did you mean 'std_range'"),
        ("crop: [320, 256]", "crop: 320x256 (height x width) is larger than 84 photos"),
        (
            "{name: b, model: swin_tiny_patch4_window7_224, image_size: [96, 74]}",
            "b: image_size: swin_tiny_patch4_window7_224 does not take [96, 74]: the sides must be "
            "divisible by its patches of 4 x 4. Nearest: [96, 72]",
        ),
        ("mixing: {kind: half_face, partners: {age_group: '>60'}}", "Did you mean '>=60'"),
        ("sampling: {balance: ages}", "Did you mean 'age'"),
        ("freeze: layr2", "Did you mean 'layer2'"),
        ("age_bounds: [58, 29]", "two rising ages in years, e.g. [29, 58]; got [58, 29]"),
        ("class_weights: [1, 2]", "2 weights for 18 classes"),
        ("targets: [age], class_weights: [1, 2]", "2 weights for 3 classes"),
        ("recipe: efficientnet_b44", "Did you mean 'efficientnet_b4'"),
        ("normalize: imagenett", "Did you mean 'imagenet'"),
    ],
)
def test_a_member_that_cannot_be_trained_is_told_by_check(run, asked, told):
    one = "{name: a, model: test_resnet}"
    member = f"{one}, {asked}" if asked.startswith("{") else f"{one[:-1]}, {asked}}}"
    code, _, err = run("check", (one, member))
    assert code == 2
    assert told in err


def test_a_pool_that_is_empty_in_the_training_part_of_one_fold_is_told(run, photos, tmp_path):
    listed = pd.read_csv(photos / "photos/train/train.csv")
    old = listed["path"].str.rsplit("_", n=1).str[1].astype(int) >= 60
    assert old.any()
    listed.assign(fold=(~old).astype(int)).to_csv(tmp_path / "folds.csv", index=False)
    asked = "test_resnet, mixing: {kind: mixup, partners: {age: '>=60'}}"
    code, _, err = run(
        "check",
        ("{k: 2}", f"{{scheme: own, file: {tmp_path}/folds.csv}}"),
        ("test_resnet", asked),
    )
    assert code == 2
    assert (
        "a: mixing.partners: no training photo has age '>=60' in the training part of fold 0" in err
    )
    assert "fold 1" not in err


def test_what_only_some_candidates_of_a_search_ask_for_is_told_too(run):
    space = "{crop: {choice: [null, [320, 256]]}, freeze: {choice: [null, layr2]}}"
    search = f"search: {{members: [a], space: {space}}}\nmembers:"
    code, _, err = run("check", ("members:", search))
    assert code == 2
    assert "320x256" in err
    assert "Did you mean 'layer2'" in err


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("999999,,male,,", "no profile has the id '999999'"),
        ("{id},norml,,,incorrect", "Did you mean 'normal'"),
        ("{id},,femal,,", "Did you mean 'female'"),
        ("{id},,,old,", "the age 'old' must be a whole number of years"),
    ],
)
def test_corrections_that_name_what_is_not_there_are_told(run, photos, tmp_path, row, told):
    profile = pd.read_csv(photos / "photos/train/train.csv", dtype=str)["id"][0]
    file = tmp_path / "corrections.csv"
    file.write_text("id,photo,gender,age,mask\n" + row.format(id=profile) + "\n")
    code, _, err = run("check", ("photos/train", f"photos/train, corrections: {file}"))
    assert code == 2
    assert f"{file}, line 2: " in err
    assert told in err


def test_a_schedule_that_watches_nothing_is_told(run):
    code, _, err = run(
        "check", ("{k: 2}", "{scheme: all}"), ("test_resnet", "test_resnet, schedule: plateau")
    )
    assert code == 2
    assert "no photo is held out; use step or cosine" in err


@pytest.mark.parametrize("joined", ["[a, b]", "[b, c]"])
def test_joins_whose_parts_overlap_or_leave_a_target_out_are_told(run, joined):
    members = (
        "{name: a, model: test_resnet}, {name: b, model: test_vit, targets: [age]}, "
        "{name: c, model: test_vit, targets: [mask]}"
    )
    code, _, err = run(
        "check",
        ("[{name: a, model: test_resnet}]", f"[{members}]\njoin: {{name: j, of: {joined}}}"),
    )
    assert code == 2
    assert "exactly one part must predict" in err


def test_fp16_without_gpus_is_told_by_check_where_the_spec_says_so(run):
    asked = ("test_resnet", "test_resnet, mixed_precision: fp16")
    code, _, err = run("check", asked, ("members:", "resources: {gpus: 0}\nmembers:"))
    assert code == 2
    assert "a: mixed_precision: fp16 needs a GPU" in err


@pytest.mark.parametrize(("gpus", "refused"), [(0.0, True), (1.0, False)])
def test_fp16_is_refused_once_a_cluster_without_gpus_is_joined(run, monkeypatch, gpus, refused):
    class Reached(Exception):
        pass

    @contextlib.contextmanager
    def connect(address, **_):
        yield Cluster("here", 2.0, gpus, True)

    def train(*_):
        raise Reached

    monkeypatch.setattr(cluster, "connect", connect)
    monkeypatch.setattr("orchestrator.running.tune.run_all", train)
    asked = ("test_resnet", "test_resnet, mixed_precision: fp16")
    code, _, err = run("train-members", asked)
    assert code == (2 if refused else 1)
    assert ("fp16 needs a GPU" in err) is refused


def test_a_machine_without_a_compiler_is_told_before_training(run, monkeypatch):
    monkeypatch.setattr(
        "members.training.check.compiler_problem", lambda: "compile: no compiler here"
    )
    assert run("check")[0] == 0
    code, _, err = run("check", ("test_resnet", "test_resnet, compile: true"))
    assert code == 2
    assert "a: compile: no compiler here" in err
