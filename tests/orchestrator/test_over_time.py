"""Runs of their own: interrupted, on a Ray that was there before, of members that compete."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys

import pandas as pd
import psutil
import pytest

from orchestrator.runs.store import Store
from tests.faults.started_command import all_gone
from tests.orchestrator.command_line import (
    SPEC,
    another_ray,
    finished,
    kill_everything,
    orchestrator,
    start_training,
    wait_for,
)

pytestmark = pytest.mark.ray


@pytest.mark.fault("Ctrl-C while units train", "one sentence, exit 130, no process is left")
def test_ctrl_c_stops_all_that_was_started_and_says_how_to_go_on(place):
    cwd = place(SPEC.replace("epochs: 4", "epochs: 200"))
    printed = cwd / "interrupted.txt"
    with printed.open("w") as output:
        driver = start_training(cwd, output)
        try:
            wait_for("units/*/*/fold-*/state.pt", cwd, driver, printed)
            family = psutil.Process(driver.pid).children(recursive=True)
            driver.send_signal(signal.SIGINT)
            assert driver.wait(timeout=120) == 130
        finally:
            kill_everything(driver)
    assert "Stopped. Nothing is lost: the same command goes on" in printed.read_text()
    assert "Traceback" not in printed.read_text()
    assert all_gone(family)


def test_a_running_ray_is_joined_and_a_run_folder_in_a_bucket_is_a_run_folder(place, bucket):
    """Trained, not trained again, voted over; Ray lives on, nothing is written beside the spec."""
    members = "  - {name: alone, model: test_resnet, epochs: 1}\n"
    cwd = place(SPEC[: SPEC.index("members:")] + "members:\n" + members)
    run = ("--run", f"{bucket}/one")
    with another_ray() as address:
        done = orchestrator("train-members", "spec.yaml", *run, "--address", address, cwd=cwd)
        assert f"1 at a time on the Ray at {address}" in done.stdout
        state = [sys.executable, "-m", "ray.scripts.scripts", "status", "--address", address]
        alive = subprocess.run(state, env={**os.environ, "RAY_AUTH_MODE": "token"},
                               capture_output=True, text=True, check=False)  # fmt: skip
        assert alive.returncode == 0, alive.stderr
    again = orchestrator("train-members", "spec.yaml", *run, cwd=cwd)
    assert "Nothing to do" in again.stdout
    voted = orchestrator("vote", "--mode", "soft", cwd=cwd)  # the run trained last
    assert f"{bucket}/one/votes/soft/submission.csv" in voted.stdout
    store = Store(f"{bucket}/one")
    (settings,) = store.list("units/alone")
    assert store.list(f"units/alone/{settings}") == ["fold-0", "fold-1"]
    answers = pd.read_csv(io.BytesIO(store.read("votes/soft/submission.csv")))
    info = pd.read_csv(cwd / "photos/eval/info.csv")
    assert list(answers["ImageID"]) == list(info["ImageID"])
    assert not store.exists("ray")  # Ray's own files are gone
    assert [f.name for f in (cwd / "runs").iterdir()] == ["latest"]


@pytest.mark.slow
def test_of_members_that_compete_a_hopeless_one_is_stopped_and_left_out(place):
    """Its photographs are larger, so that it comes to the rung later wherever there are two slots."""
    members = (
        "  - {name: good, model: test_efficientnet}\n"
        "  - {name: hopeless, model: test_resnet, image_size: [96, 72], optimizer: sgd, lr: 1e-30}\n"
    )
    head = SPEC[: SPEC.index("members:")].replace("{k: 2}", "{scheme: holdout}")
    search = (
        "search:\n  members: [good, hopeless]\n  scope: ensemble\n  sampler: grid\n"
        "  space: {loss: {_type: choice, _value: [cross_entropy]}}\n  asha: {grace_epochs: 3}\n"
    )
    cwd = place(head + "members:\n" + members + search)
    done = orchestrator("train-members", "spec.yaml", cwd=cwd)
    assert "hopeless is left out of the vote: stopped by ASHA in the search" in done.stdout
    found = pd.read_csv(cwd / "runs/e2e/search/hopeless.csv").to_dict("records")
    assert [(row["state"], row["epochs"]) for row in found] == [("stopped", 3)]
    assert len(json.loads(found[0]["curve"])) == 3
    assert {unit.parts[-3] for unit in finished(cwd)} == {"good"}
    assert [f.name for f in (cwd / "runs/e2e/tables").iterdir()] == ["good"]
