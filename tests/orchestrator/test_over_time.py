"""What happens to a run over time: killed, interrupted, widened, on a Ray that was there before."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys

import pandas as pd
import psutil
import pytest

from orchestrator.store import Store
from tests.orchestrator.commands import (
    SPEC,
    another_ray,
    finished,
    kill_everything,
    orchestrator,
    start_training,
    table,
    unit_files,
    wait_for,
)

pytestmark = pytest.mark.ray

(AGES,) = [line + "\n" for line in SPEC.splitlines() if "name: ages" in line]


def test_killed_and_called_again_it_ends_with_the_same_tables(place, trained):
    """Killed when one unit is finished and another is not. Another Ray runs beside it all the while."""
    cwd = place(SPEC.replace("candidates: 4", "candidates: 1").replace(AGES, ""))
    printed = cwd / "killed.txt"
    with another_ray():
        with printed.open("w") as output:
            driver = start_training(cwd, output)
            for pattern in ("units/*/*/fold-*/unit.json", "units/*/*/fold-*/state.pt"):
                wait_for(pattern, cwd, driver, printed)
            kill_everything(driver)
        before = unit_files(cwd)
        begun = [f.parent for f in (cwd / "runs/e2e").glob("units/*/*/fold-*/state.pt")]
        begun = [unit for unit in begun if not (unit / "unit.json").exists()]
        assert begun
        orchestrator("train-members", "spec.yaml", cwd=cwd)
    after = unit_files(cwd)
    assert {path: after[path] for path in before} == before  # nothing finished was done again
    for unit in begun:
        assert json.loads((unit / "unit.json").read_text())["resumed_after_epoch"] > 0
    for kind in ("oof", "test"):  # the search's order of events is not part of the promise
        pd.testing.assert_frame_equal(
            table(cwd, "resnet", kind), table(trained, "resnet", kind), check_exact=True
        )


def test_ctrl_c_stops_all_that_was_started_and_says_how_to_go_on(place):
    cwd = place(SPEC.replace("epochs: 4", "epochs: 200"))
    printed = cwd / "interrupted.txt"
    with printed.open("w") as output:
        driver = start_training(cwd, output)
        try:
            wait_for("units/*/*/fold-*/state.pt", cwd, driver, printed)
            family = psutil.Process(driver.pid).children(recursive=True)
            driver.send_signal(signal.SIGINT)
            assert driver.wait(timeout=60) == 130
        finally:
            kill_everything(driver)
    assert "Stopped. Nothing is lost: the same command goes on" in printed.read_text()
    assert "Traceback" not in printed.read_text()
    _, alive = psutil.wait_procs(family, timeout=30)
    assert alive == []


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


def test_a_new_member_is_trained_alone_and_a_lost_one_fails_alone(trained, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(trained, work, symlinks=True)
    before = unit_files(work)
    text = SPEC.replace(
        "search:",
        "  - {name: added, model: test_convnext, epochs: 1}\n"
        "  - {name: exploding, model: test_resnet, optimizer: sgd, lr: 1e30, epochs: 2}\nsearch:",
    )
    (work / "spec.yaml").write_text(text)
    done = orchestrator("train-members", "spec.yaml", cwd=work, check=1)
    after = unit_files(work)
    assert {path: after[path] for path in before} == before
    assert {path.split("/")[1] for path in set(after) - set(before)} == {"added"}
    assert len(table(work, "added", "oof")) == len(table(work, "resnet", "oof"))
    for fold in (0, 1):
        assert f"exploding fold {fold}: the loss became" in done.stderr
    assert "in epoch 1 at lr" in done.stderr
    assert "2 failed" in done.stderr
    assert not (work / "runs/e2e/tables/exploding").exists()
    voted = orchestrator("vote", "spec.yaml", "--mode", "soft", cwd=work)
    assert "exploding" in voted.stdout  # named as left out
