"""Trackers get every epoch once, whatever happens to the unit, and never cost it anything."""

from __future__ import annotations

import importlib.util
import json
import struct
from pathlib import Path

import pytest

from orchestrator.errors import WrongRequest
from orchestrator.runs.store import Store
from orchestrator.spec import load
from orchestrator.tracking import follow
from orchestrator.tracking.mlflow import mlflow_client
from orchestrator.tracking.tracker import identity
from orchestrator.units import unit as units
from tests.orchestrator.tracking.followed import (
    CURVES,
    SPEC,
    assert_logged_once,
    board,
    killed_and_resumed,
)


def needs(package: str):
    missing = importlib.util.find_spec(package) is None
    return pytest.mark.skipif(missing, reason=f"{package} is not installed (`make test` does it)")


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
    wandb.teardown()  # its own process has written all
    folders = sorted(Path(r.store.uri("tracking/wandb")).glob("offline-run-*"))
    assert len(folders) == 2  # one from each process
    last = offline_records(folders[-1])  # their names begin with the time
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
