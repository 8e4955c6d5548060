"""The command `status`, on a training that goes on, has ended, or was killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from orchestrator.progress.record import keeping
from orchestrator.runs.store import Store
from tests.orchestrator.command_line import orchestrator

TRAINING = """
import sys, time
from orchestrator.progress.record import keeping
from orchestrator.runs.store import Store
unit = {"unit": "u", "title": "net fold 0", "fold": "0", "seed": None, "epochs": 9, "state": "training",
        "epoch": 3, "score": 0.5, "seconds": 1.0}
with keeping(Store(sys.argv[1]), "cats") as kept:
    kept.put(now=True, phase="training", seconds_left=61.0, photos_per_second=10.0,
             members=[{"name": "net", "metric": "macro_f1", "units": [unit]}])
    print("there", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def training(tmp_path):
    """Starts a process that trains, as far as its record says, for so many seconds."""
    started = []

    def start(seconds: float) -> subprocess.Popen:
        command = [sys.executable, "-c", TRAINING, str(tmp_path / "runs/cats"), str(seconds)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout.readline() == "there\n"
        return started[-1]

    (tmp_path / "runs/cats").mkdir(parents=True)
    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_one_that_goes_on_and_one_that_was_killed_are_told_apart(training, tmp_path):
    process = training(60)
    shown = orchestrator("status", cwd=tmp_path)
    assert "training, 0:0" in shown.stdout
    assert "3/9 0.5000" in shown.stdout
    assert "10 photos/s, 1:01 left" in shown.stdout
    process.send_signal(signal.SIGKILL)
    process.wait()
    shown = orchestrator("status", "runs/cats", "--json", "s.json", cwd=tmp_path)
    assert f"its train-members (process {process.pid} on" in shown.stdout
    assert "Finished units and epochs are kept. Go on with: python -m orchestrator" in shown.stdout
    assert "left" not in shown.stdout
    found = json.loads((tmp_path / "s.json").read_text())
    assert found["state"] == "died"
    assert found["members"][0]["units"][0]["state"] == "waiting"


def test_watch_ends_with_the_training(training, tmp_path):
    training(2)
    begun = time.monotonic()
    shown = orchestrator("status", "--watch", cwd=tmp_path)
    assert time.monotonic() - begun < 30
    assert "cats" in shown.stdout.splitlines()[0]
    assert "trained" in shown.stdout


def test_failures_are_named_with_how_to_go_on(tmp_path):
    (tmp_path / "runs/cats").mkdir(parents=True)
    with keeping(Store(tmp_path / "runs/cats"), "cats") as kept:
        kept.put(failures={"net fold 1": "no memory"})
    shown = orchestrator("status", "runs/cats", cwd=tmp_path)
    assert "ended with failures" in shown.stdout
    assert "net fold 1 failed: no memory" in shown.stdout
    assert "Go on with: " in shown.stdout


def test_what_is_no_run_is_refused(tmp_path):
    shown = orchestrator("status", str(tmp_path), cwd=tmp_path, check=2)
    assert "progress.json: there is no such file" in shown.stderr
    (tmp_path / "progress.json").write_text('{"format": 1, "phase": "training"}')
    shown = orchestrator("status", str(tmp_path), cwd=tmp_path, check=2)
    assert "progress.json: damaged, or of something else" in shown.stderr
    shown = orchestrator("status", cwd=tmp_path, check=2)
    assert "nothing was trained here yet" in shown.stderr
