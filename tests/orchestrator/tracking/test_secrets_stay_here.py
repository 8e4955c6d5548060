"""What of the trackers' settings goes to another machine, and what is said where the rest is missing."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from orchestrator.tracking.follow import joined_problems, problems_of_node
from orchestrator.tracking.settings import open_settings, withheld, without_passwords
from tests.orchestrator.command_line import another_ray, environment

SECRET = "planted-77b1e2"
GIVEN = {
    "WANDB_API_KEY": SECRET,
    "WANDB_MODE": "online",
    "WANDB_PROJECT": "faces",
    "WANDB_X_EXTRA_HTTP_HEADERS": SECRET,
    "WANDB_OF_ANOTHER_YEAR": "1",
    "MLFLOW_TRACKING_PASSWORD": SECRET,
    "MLFLOW_TRACKING_URI": f"https://me:{SECRET}@curves.example",
    "MLFLOW_EXPERIMENT_NAME": "faces",
    "HOME": "/root",
}


def test_only_what_is_known_to_be_no_secret_is_passed_on():
    passed = open_settings(GIVEN)
    assert passed == {
        "WANDB_MODE": "online",
        "WANDB_PROJECT": "faces",
        "MLFLOW_EXPERIMENT_NAME": "faces",
    }
    plain = {"MLFLOW_TRACKING_URI": "https://curves.example:5000"}
    assert open_settings(plain) == plain


def test_what_is_not_passed_on_is_named():
    assert withheld(GIVEN, ["wandb"]) == {
        "WANDB_API_KEY": True,
        "WANDB_OF_ANOTHER_YEAR": False,
        "WANDB_X_EXTRA_HTTP_HEADERS": True,
    }
    assert withheld(GIVEN, ["mlflow"]) == {
        "MLFLOW_TRACKING_PASSWORD": True,
        "MLFLOW_TRACKING_URI": True,
    }
    assert withheld(GIVEN, []) == {}


@pytest.mark.fault("a tracker's address holds a password", "messages leave it out")
def test_a_message_shows_no_password():
    text = f"mlflow at https://me:{SECRET}@curves.example does not answer, see http://a.example/@x"
    shown = without_passwords(text)
    assert shown == "mlflow at https://curves.example does not answer, see http://a.example/@x"


@pytest.mark.fault(
    "a machine of the cluster lacks a tracker's key", "named before training, with what to do"
)
def test_a_machine_without_the_secrets_is_named_with_what_to_do(monkeypatch):
    for name in [name for name in os.environ if name.startswith(("WANDB_", "MLFLOW_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: importlib.machinery.ModuleSpec(name, None, origin="x")
    )  # fmt: skip
    texts = problems_of_node(["mlflow"], ["MLFLOW_TRACKING_PASSWORD"])
    assert texts == ["its environment has no MLFLOW_TRACKING_PASSWORD"]
    (problem,) = joined_problems(["mlflow"], {"10.0.0.7": texts, "10.0.0.8": []})
    for part in ("on 10.0.0.7", "MLFLOW_TRACKING_PASSWORD", "`ray start`", "leave mlflow out"):
        assert part in problem
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "there")
    assert problems_of_node(["mlflow"], ["MLFLOW_TRACKING_PASSWORD"]) == []


def folder_of(address: str) -> Path:
    """Where the Ray whose head listens at HOST:PORT has its logs."""
    port = int(address.rpartition(":")[2])
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or [""]
        if "gcs_server" in words[0] and port in {c.laddr.port for c in process.net_connections()}:
            (folder,) = [w.partition("=")[2] for w in words if w.startswith("--log_dir=")]
            return Path(folder).parent
    raise AssertionError(f"no head at {address}")


# in a process of its own: Ray looks for the token's mode when it is imported
JOINS = """\
import json
import os
import sys
from orchestrator.cluster.connect import connect, on_each_node

def names_there():
    return sorted(name for name in os.environ if name.startswith(("WANDB_", "MLFLOW_")))

with connect(sys.argv[1]):
    print(json.dumps(on_each_node(names_there)))
"""


@pytest.mark.fault(
    "trackers' keys are set where a cluster is joined",
    "they are in no log and no record of that Ray",
)
@pytest.mark.ray
@pytest.mark.slow
def test_a_joined_ray_never_sees_a_secret(tmp_path):
    mine = {
        k: v for k, v in environment(tmp_path).items() if not k.startswith(("WANDB_", "MLFLOW_"))
    }
    with another_ray() as address:
        done = subprocess.run(
            [sys.executable, "-c", JOINS, address],
            env=mine | GIVEN, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        there = json.loads(done.stdout.splitlines()[-1])
        assert list(there.values()) == [["MLFLOW_EXPERIMENT_NAME", "WANDB_MODE", "WANDB_PROJECT"]]
        logs = [f for f in folder_of(address).rglob("*") if f.is_file()]
        assert any(b"MLFLOW_EXPERIMENT_NAME" in f.read_bytes() for f in logs)
        assert [f for f in logs if SECRET.encode() in f.read_bytes()] == []
