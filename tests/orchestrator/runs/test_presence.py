"""A run folder that goes away while it is trained into, as a shared disk that is unmounted does."""

from __future__ import annotations

import errno
import threading
import time

import pytest

from orchestrator.errors import RunFailed
from orchestrator.runs import presence
from orchestrator.runs.store import Store


def other(store: Store) -> Store:
    """The store of a training process of the command that holds `store`."""
    return Store(store.root, store.session)


def test_a_folder_that_is_away_is_waited_for_and_nothing_is_written_in_its_place(tmp_path, capfd):
    folder, away = tmp_path / "run", tmp_path / "away"
    store = Store(folder)
    with store.lock():
        process = other(store)
        folder.rename(away)
        folder.mkdir()  # the mount point
        written = threading.Thread(target=process.write, args=("units/a", b"content"))
        written.start()
        time.sleep(1.5)
        assert written.is_alive()
        assert not list(folder.iterdir())
        folder.rmdir()
        away.rename(folder)
        written.join(timeout=30)
        assert (folder / "units/a").read_bytes() == b"content"
    assert f"{folder} is away; waiting" in capfd.readouterr().err


@pytest.mark.fault(
    "shared storage does not come back",
    "given up after ten minutes, with the folder and the machine",
)
def test_it_is_waited_for_no_longer_than_it_may_take(tmp_path, monkeypatch):
    monkeypatch.setattr(presence, "_AWAY_SECONDS", 0.5)
    store = Store(tmp_path / "run")
    with store.lock():
        process = other(store)
        (tmp_path / "run").rename(tmp_path / "away")
        with pytest.raises(RunFailed, match=r"run was not there .* Is the shared disk mounted"):
            process.exists("unit.json")


@pytest.mark.fault(
    "a process outlives its command, and another command trains in the folder",
    "it leaves the folder alone",
)
def test_a_process_of_an_earlier_command_leaves_the_folder_to_the_next(tmp_path):
    store = Store(tmp_path)
    with store.lock():
        left_behind = other(store)
    with Store(tmp_path).lock(), pytest.raises(RunFailed, match="another train-members works in"):
        left_behind.write("state.pt", b"")
    assert not (tmp_path / "state.pt").exists()


def test_errors_of_a_disk_that_is_away_are_told_from_others(tmp_path):
    store = Store(tmp_path / "run")
    with store.lock():
        here = store.root, store.session
        assert presence.is_away(OSError(errno.ESTALE, "stale file handle"), *here)
        assert not presence.is_away(FileNotFoundError(errno.ENOENT, "no such file"), *here)
        assert not presence.is_away(OSError(errno.ENOSPC, "no space"), *here)
        (tmp_path / "run").rename(tmp_path / "away")
        assert presence.is_away(FileNotFoundError(errno.ENOENT, "no such file"), *here)
    assert not presence.is_away(OSError(errno.ESTALE, "stale"), str(tmp_path), session="")
