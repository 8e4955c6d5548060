"""A local Ray, looked at from outside: who can reach it, read its files, or read a secret in them."""

from __future__ import annotations

import os
import signal
import stat
import tempfile
from pathlib import Path

import psutil
import pytest

from members.errors import BadInput
from orchestrator.cluster.private import private_folder, private_token
from tests.faults.started_command import all_gone, started

SECRET = "planted-0f3c9a"

# a task as they are in training, in a process of its own, and what the State API shows of it
PROGRAM = """\
import os, time
os.umask(0o022)
from orchestrator import stopping
from orchestrator.cluster.connect import connect

def work(address):
    import ray
    from ray.util import state

    @ray.remote
    class Worker:
        def key(self):
            return os.environ.get("WANDB_API_KEY")

    worker = Worker.remote()
    os.environ["RAY_ADDRESS"] = address
    print("the key of a worker:", ray.get(worker.key.remote()) is not None)
    shown = [state.list_actors(detail=True), state.list_jobs(detail=True),
             state.list_runtime_envs(detail=True), state.list_tasks(detail=True),
             state.list_workers(detail=True)]
    print("shown by the State API:", shown)
    print("ready", flush=True)
    time.sleep(600)

with stopping.stops():
    try:
        with connect(dashboard=True) as cluster:
            work(cluster.address)
    except stopping.Stopped:
        stopping.end(stopping.exit_code())
"""


@pytest.mark.fault(
    "others on the machine or its network reach for a local Ray",
    "it listens on loopback only; folder 700, token 600; no secret in its logs or its State API",
)
@pytest.mark.ray
def test_nobody_else_gets_in(tmp_path):
    home, place = tmp_path / "home", Path(tempfile.gettempdir())
    home.mkdir()
    with started(
        tmp_path, "-c", PROGRAM,
        env={"HOME": str(home), "WANDB_API_KEY": SECRET, "MLFLOW_TRACKING_PASSWORD": SECRET},
    ) as command:  # fmt: skip
        command.wait_for_text("ready")
        family = [psutil.Process(command.driver.pid), *command.family()]

        listening = {
            connection.laddr.ip
            for process in family
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
        assert listening

        token = home / ".ray/auth_token"
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
        assert stat.S_IMODE(token.parent.stat().st_mode) == 0o700

        folders = [f for f in place.glob("ens-ray-*") if holds_lock(f, command.driver.pid)]
        (folder,) = folders
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        logs = [f for f in folder.rglob("*") if f.is_file()]
        assert any(f.name == "runtime_env_agent.log" for f in logs)
        assert [f for f in logs if SECRET.encode() in f.read_bytes()] == []

        # it is where it is used all the same: processes of this machine inherit it
        assert "the key of a worker: True" in command.printed
        assert SECRET not in command.printed

        os.killpg(command.driver.pid, signal.SIGHUP)  # a terminal that goes away
        assert command.end() == 129
        assert all_gone(family)
        assert not folder.exists()


def holds_lock(folder: Path, pid: int) -> bool:
    return any(Path(opened.path) == folder / "lock" for opened in psutil.Process(pid).open_files())


@pytest.mark.fault("a token that others may read", "closed to them, and a note says so")
def test_the_token_is_closed_to_others_whatever_made_it(tmp_path, monkeypatch):
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    token = tmp_path / ".ray/auth_token"
    assert private_token() is None
    made = token.read_text()
    assert len(made) == 64
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert private_token() is None
    assert token.read_text() == made
    token.chmod(0o644)  # as Ray makes it
    assert str(token) in private_token()
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert [f.name for f in token.parent.iterdir()] == ["auth_token"]


def test_where_ray_is_to_do_without_a_token_none_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert private_token() is None
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def short_folder():
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="") as folder:
        yield Path(folder)


@pytest.mark.fault(
    "a killed command leaves its Ray's files behind", "the next command removes them"
)
def test_folders_of_processes_that_were_killed_are_removed(short_folder, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(short_folder))
    left = short_folder / "ens-ray-abandoned"
    left.mkdir()
    (left / "lock").touch()
    with private_folder() as first:
        assert left.exists()  # it may have been made just now
        for old in (left, first.parent):
            os.utime(old / "lock", (0, 0))
        with private_folder() as second:
            assert not left.exists()
            assert first.exists()  # its process is at work
            assert second.exists()
    assert list(short_folder.iterdir()) == []


def test_a_place_whose_sockets_would_have_too_long_names(tmp_path, monkeypatch):
    deep = tmp_path / ("d" * 60)
    deep.mkdir()
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with private_folder() as folder:  # the system's: another is taken
        assert folder.parent.parent == Path("/tmp")
    monkeypatch.setenv("RAY_TMPDIR", str(deep))
    with pytest.raises(BadInput, match=r"RAY_TMPDIR=.*at most \d+ characters"), private_folder():
        pass
