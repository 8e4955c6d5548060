"""Trackers get every epoch once, whatever happens to the unit, and never cost it anything."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from members.samples.people import draw_people
from orchestrator.errors import WrongRequest
from orchestrator.runs.store import Store
from orchestrator.spec import load
from orchestrator.tracking import event_file, follow
from orchestrator.tracking.mlflow import mlflow_client
from orchestrator.tracking.tensorboard import TensorBoard
from orchestrator.tracking.tracker import identity
from orchestrator.units import unit as units
from orchestrator.units.pictures import prediction_grid
from tests.orchestrator.in_process import runs

SPEC = """\
name: followed
data: {train: photos/train}
folds: {k: 2}
defaults: {image_size: [32, 32], epochs: 3, batch_size: 32}
members:
  - {name: net, model: test_resnet, seeds: [7]}
  - {name: wild, model: test_resnet, optimizer: sgd, lr: 1.0e+30, schedule: constant}
"""
CURVES = {"train_loss", "loss", "macro_f1", "accuracy", "lr", "photos_per_second"}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    draw_people(folder / "photos", profiles=14, eval=2, size=(64, 48))
    return folder


@pytest.fixture
def run(tmp_path, photos, monkeypatch):
    for name in [n for n in os.environ if n.startswith(("WANDB_", "MLFLOW_"))]:
        monkeypatch.delenv(name)
    return runs(SPEC, tmp_path, photos, monkeypatch)


def needs(package: str):
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed (`make test` does it)")


def killed_and_resumed(run, tracker: str, after_death=lambda: None):
    """A run whose unit died after its second epoch and went on; the unit, and its history."""
    r = run("r", [tracker])
    unit = r.units("net")[1]
    with pytest.raises(KeyboardInterrupt):
        r.train([unit], stop_after=2)
    after_death()
    r.train([unit])
    assert not r.store.exists(f"{unit.path}/tracking-failed.txt"), r.store.read(
        f"{unit.path}/tracking-failed.txt"
    ).decode()
    return r, unit, r.store.read_json(f"{unit.path}/unit.json")["history"]


# -- TensorBoard ---------------------------------------------------------------------------------


def board(folder: str | Path) -> EventAccumulator:
    """As TensorBoard itself reads the files."""
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0, "images": 0})
    return found.Reload()


def assert_logged_once(found: EventAccumulator, history: list[dict]) -> None:
    assert set(found.Tags()["scalars"]) == CURVES
    for name in CURVES:
        logged = found.Scalars(name)
        assert [event.step for event in logged] == [row["epoch"] for row in history]
        assert [e.value for e in logged] == pytest.approx([row[name] for row in history])


def test_tensorboard_has_curves_settings_and_picture_of_a_resumed_unit(run):
    r, unit, history = killed_and_resumed(run, "tensorboard")
    folder = r.store.uri(f"tracking/tensorboard/{unit.path}")
    assert len(list(Path(folder).iterdir())) == 1
    found = board(folder)
    assert_logged_once(found, history)
    (picture,) = found.Images("predictions")
    assert (picture.step, picture.encoded_image_string) == (
        3, r.store.read(f"{unit.path}/predictions.png"),
    )  # fmt: skip
    settings = found.Tensors("settings/text_summary")[0].tensor_proto.string_val[0].decode()
    for line in ("member: net", "model: test_resnet", "fold: 1", "seed: 7", f"hash: {unit.hash}"):
        assert f"    {line}\n" in settings


def test_a_record_that_a_dying_process_left_half_written_is_cut_off(run):
    r = run("r", ["tensorboard"])
    unit = r.units("net")[0]
    with pytest.raises(KeyboardInterrupt):
        r.train([unit], stop_after=2)
    file = Path(r.store.uri(f"tracking/tensorboard/{unit.path}/events.out.tfevents.unit"))
    file.write_bytes(file.read_bytes()[:-5])
    r.train([unit])
    assert_logged_once(board(file.parent), r.store.read_json(f"{unit.path}/unit.json")["history"])


def test_a_unit_that_lost_its_state_begins_its_curves_again(run):
    r = run("r", ["tensorboard"])
    unit = r.units("net")[0]
    with pytest.raises(KeyboardInterrupt):
        r.train([unit], stop_after=2)
    r.store.delete(f"{unit.path}/state.pt")
    r.train([unit])
    folder = r.store.uri(f"tracking/tensorboard/{unit.path}")
    assert_logged_once(board(folder), r.store.read_json(f"{unit.path}/unit.json")["history"])


def test_a_run_folder_that_is_not_local_has_the_same_curves(run, tmp_path, bucket):
    r = run("r", ["tensorboard"])
    unit = r.units("net")[0]
    store = Store(f"{bucket}/remote")
    assert not store.local
    rows = [{"epoch": e, "train_loss": 1 / e, "seconds": 1.0} for e in (1, 2, 3)]
    first = TensorBoard(unit, store, "p")
    first.begin([])
    first.epoch(rows[0])
    second = TensorBoard(unit, store, "p")
    second.begin(rows[:2])
    second.epoch(rows[2])
    file = f"tracking/tensorboard/{unit.path}/events.out.tfevents.unit"
    Store(tmp_path).write("copy/events.out.tfevents.unit", store.read(file))
    found = board(tmp_path / "copy")
    assert [(e.step, e.value) for e in found.Scalars("train_loss")] == [
        (row["epoch"], pytest.approx(row["train_loss"])) for row in rows
    ]
    assert found.Tags()["scalars"] == ["train_loss"]


def test_the_checksum_is_the_one_of_the_standard():
    # RFC 3720, B.4, and the mask undone
    for data, crc in ((bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43)):
        turned = (event_file.masked_crc32c(data) - 0xA282EAD8) & 0xFFFFFFFF
        assert (turned >> 17 | turned << 15) & 0xFFFFFFFF == crc


# -- Weights & Biases ----------------------------------------------------------------------------


def offline_records(folder: Path) -> list:
    """The records of one offline run: LevelDB's log format, of W&B's own messages."""
    from wandb.proto.wandb_internal_pb2 import Record

    (file,) = folder.glob("*.wandb")
    content, parts, records, at = file.read_bytes(), b"", [], 7  # the file's own header
    while at + 7 <= len(content):
        if left := 32768 - at % 32768 < 7:
            at += left
            continue
        _, size, kind = struct.unpack_from("<IHB", content, at)
        parts += content[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # full, last
            records.append(Record.FromString(parts))
            parts = b""
    return records


@needs("wandb")
def test_wandb_offline_goes_on_under_the_same_id_and_the_last_run_is_complete(run, monkeypatch):
    import wandb

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    r, unit, history = killed_and_resumed(run, "wandb", wandb.teardown)  # as a process's end
    folders = sorted(Path(r.store.uri("tracking/wandb")).glob("offline-run-*"))
    assert len(folders) == 2  # one from each process
    last = offline_records(max(folders, key=lambda f: f.stat().st_mtime))
    started = [record.run for record in last if record.HasField("run")]
    assert {s.run_id for s in started} == {identity(unit, r.store)}
    assert started[0].run_id.startswith(f"{unit.hash}-fold-1-seed-7")
    assert {s.project for s in started} == {"followed"}
    config = {u.key: json.loads(u.value_json) for s in started for u in s.config.update}
    assert (config["model"], config["fold"]) == ("test_resnet", 1)
    logged = [
        {
            item.key or item.nested_key[0]: json.loads(item.value_json)
            for item in record.history.item
        }
        for record in last
        if record.HasField("history")
    ]
    rows = [row for row in logged if "train_loss" in row]
    assert [row["_step"] for row in rows] == [1, 2, 3]
    for name in CURVES:
        assert [row[name] for row in rows] == pytest.approx([h[name] for h in history])
    assert any("predictions" in row for row in logged)


# -- MLflow --------------------------------------------------------------------------------------


@needs("mlflow")
def test_mlflow_in_its_sqlite_file_continues_the_run_of_a_resumed_unit(run, monkeypatch):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    r, unit, history = killed_and_resumed(run, "mlflow")
    client, experiment = mlflow_client(r.store, "followed")
    assert r.store.exists("tracking/mlflow.db")
    (found,) = client.search_runs([experiment])
    assert (found.info.status, found.info.run_name) == ("FINISHED", unit.title)
    assert found.data.params["model"] == "test_resnet"
    assert set(found.data.metrics) == CURVES
    for name in CURVES:
        logged = client.get_metric_history(found.info.run_id, name)
        assert [metric.step for metric in logged] == [1, 2, 3]
        assert [metric.value for metric in logged] == pytest.approx([h[name] for h in history])
    assert [a.path for a in client.list_artifacts(found.info.run_id)] == ["predictions.png"]
    assert list(Path(r.store.uri("tracking/mlflow-artifacts")).rglob("predictions.png"))


@needs("mlflow")
def test_mlflow_that_cannot_be_reached_is_said_before_training(run, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    (tmp_path / "file").write_text("not a database" * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/file")
    with pytest.raises(WrongRequest, match=r"mlflow at sqlite.*does not answer.*TRACKING_URI"):
        follow.create_experiment(["mlflow"], run("r").store, "followed")


# -- a tracker is never the unit's trouble -------------------------------------------------------


class Broken:
    def __init__(self, *_):
        pass

    def begin(self, history):
        raise ConnectionError("nobody listens")


def test_a_tracker_that_fails_is_left_alone_and_reported(run, monkeypatch):
    monkeypatch.setitem(follow.TRACKERS, "wandb", Broken)
    r = run("r", ["wandb", "tensorboard"])
    unit = r.units("net")[0]
    r.train([unit])
    assert units.is_done(unit, r.store, r.photographs.test_hash)
    (line,) = follow.lost_curves([unit], r.store)
    for part in ("net fold 0", "wandb", "ConnectionError: nobody listens"):
        assert part in line
    folder = r.store.uri(f"tracking/tensorboard/{unit.path}")
    assert_logged_once(board(folder), r.store.read_json(f"{unit.path}/unit.json")["history"])


def test_a_unit_that_fails_ends_its_trackers_as_failed(run, monkeypatch):
    ends = []

    class Listening(Broken):
        def begin(self, history):
            pass

        def end(self, failed):
            ends.append(failed)

    monkeypatch.setitem(follow.TRACKERS, "mlflow", Listening)
    r = run("r", ["mlflow"])
    r.train([r.units("wild")[0]])
    assert ends == [True]
    assert [x["event"] for x in r.reports] == ["started", "failed"]


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        ("wandb\nTraceback\nOSError: no disk\n", "OSError: no disk"),
        ("wandb", "no reason was kept"),
        ("", ""),
    ],
)
def test_a_tracker_that_failed_is_named_with_the_last_line_of_why(run, kept, shown):
    r = run("r")
    unit = r.units("net")[0]
    r.store.write(f"{unit.path}/tracking-failed.txt", kept)
    (line,) = follow.lost_curves(r.units("net"), r.store)
    assert line.endswith(shown)
    assert unit.title in line


# -- before training -----------------------------------------------------------------------------


def test_a_missing_package_names_the_command_that_installs_it(run, monkeypatch, tmp_path):
    # a folder of the same name, as W&B makes one, is no package
    monkeypatch.setattr(
        importlib.util, "find_spec",
        lambda name: importlib.machinery.ModuleSpec(name, None, is_package=True),
    )  # fmt: skip
    (problem,) = follow.tracking_problems(["wandb"], Store(tmp_path))
    for part in ("wandb is not installed", "pip install wandb", "tracking: []"):
        assert part in problem
    assert follow.tracking_problems([], Store(tmp_path)) == []


def test_mlflow_beside_a_run_on_s3_needs_a_server(monkeypatch, bucket):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(follow, "_installed", lambda name: True)
    (problem,) = follow.tracking_problems(["mlflow"], Store(f"{bucket}/run"))
    assert "MLFLOW_TRACKING_URI" in problem


@pytest.mark.parametrize(
    ("given", "expected"),
    [("", ("tensorboard",)), ("tracking: []", ()), ("tracking: wandb", ("wandb",)),
     ("tracking: [mlflow, tensorboard]", ("mlflow", "tensorboard"))],
)  # fmt: skip
def test_a_spec_names_its_trackers(tmp_path, given, expected):
    (tmp_path / "spec.yaml").write_text(f"{SPEC}{given}\n")
    assert load(tmp_path / "spec.yaml").tracking == expected


def test_an_unknown_tracker_is_answered_with_the_nearest(tmp_path):
    (tmp_path / "spec.yaml").write_text(f"{SPEC}tracking: [tensorbord]\n")
    with pytest.raises(WrongRequest) as error:
        load(tmp_path / "spec.yaml")
    (problem,) = error.value.problems
    for part in ("line 8", "tracking", "'tensorbord'", "Did you mean 'tensorboard'", "mlflow"):
        assert part in problem


# -- the picture ---------------------------------------------------------------------------------


def test_the_picture_frames_what_was_predicted_wrongly():
    pixels = np.full((7, 20, 10, 3), 90, np.uint8)
    labels = np.array([0, 1, 0, 1, 0, 1, 0])
    probabilities = np.eye(2)[[0, 1, 0, 1, 0, 1, 1]]  # the last is wrong: second row, first column
    content = prediction_grid(pixels, labels, probabilities, ["cat", "dog"])
    grid = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
    red = (grid[..., 0] > 150) & (grid[..., 1:].max(axis=2) < 60)
    rows, columns = np.nonzero(red)
    assert len(rows) > 500
    assert rows.min() >= grid.shape[0] // 2
    assert columns.max() < grid.shape[1] / 6


def test_a_run_s_picture_shows_held_out_photographs(run):
    r = run("r")
    unit = r.units("net")[0]
    r.train([unit])
    picture = Image.open(io.BytesIO(r.store.read(f"{unit.path}/predictions.png")))
    held_out = len(pd.read_parquet(r.store.uri(f"{unit.path}/oof.parquet")))
    assert held_out > 24
    assert picture.width % 6 == picture.height % 4 == 0  # 24 of them, six a row
