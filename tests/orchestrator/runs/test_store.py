"""Files of a run are whole or not there, and one process at a time trains into it."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time

import pytest

from orchestrator.errors import WrongRequest
from orchestrator.runs.store import Store


@pytest.fixture(params=["a local disk", "a bucket"])
def place(request, tmp_path) -> str:
    return str(tmp_path) if request.param == "a local disk" else request.getfixturevalue("bucket")


def test_what_was_written_is_read_back_and_listed(place):
    store = Store(f"{place}/run")
    assert not store.exists()
    assert store.list("units") == []
    store.write("units/a/unit.json", '{"x": 1}')
    store.write("units/b/model", b"\x00\x01")
    assert store.read_json("units/a/unit.json") == {"x": 1}
    assert store.read("units/b/model") == b"\x00\x01"
    assert store.list("units") == ["a", "b"]
    store.delete("units/a")
    store.delete("units/nowhere")
    assert store.list("units") == ["b"]
    with pytest.raises(FileNotFoundError):
        store.read("units/a/unit.json")


def test_a_file_address_is_a_local_folder(tmp_path):
    store = Store(f"file://{tmp_path}/run")
    store.write("units/x", "y")
    assert store.local
    assert [path.name for path in (tmp_path / "run" / "units").iterdir()] == ["x"]
    with store.lock():
        assert (tmp_path / "run" / ".lock").exists()


def test_what_a_store_writes_is_synced(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda opened: synced.append(os.fstat(opened).st_ino))
    Store(tmp_path).write("unit.json", "{}")
    assert synced == [(tmp_path / "unit.json").stat().st_ino, tmp_path.stat().st_ino]


def test_a_store_travels_to_another_process(tmp_path):
    store = pickle.loads(pickle.dumps(Store(tmp_path)))
    store.write("x", "y")
    assert (tmp_path / "x").read_text() == "y"


@pytest.mark.fault(
    "a process is killed while it replaces a file",
    "the old content is there or the new, never a part",
)
def test_a_writer_killed_at_any_moment_leaves_the_old_or_the_new_content(tmp_path):
    store = Store(tmp_path)
    store.write("file", "old" * 1_000_000)
    code = (
        "from orchestrator.runs.store import Store\n"
        f"store = Store({str(tmp_path)!r})\n"
        "print('go', flush=True)\n"
        "while True:\n"
        "    store.write('file', 'new' * 1_000_000)\n"
        "    store.write('file', 'old' * 1_000_000)\n"
    )
    for delay in (0.0, 0.01, 0.03, 0.05):
        writer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        writer.stdout.readline()
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        assert store.read("file") in (b"old" * 1_000_000, b"new" * 1_000_000)


def test_what_a_killed_trainer_left_half_written_is_gone_when_the_next_begins(tmp_path):
    code = (
        "import os\nfrom ensembles.files import places\n"
        f"with places.writing({str(tmp_path / 'units/a/state.pt')!r}) as stream:\n"
        "    stream.write(bytes(1000))\n    stream.flush()\n    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    folder = tmp_path / "units" / "a"
    (left,) = folder.iterdir()
    assert left.name.startswith(".state.pt.")
    Store(tmp_path).write("units/a/history.csv", "epoch\n")
    with Store(tmp_path).lock():
        assert [path.name for path in folder.iterdir()] == ["history.csv"]


@pytest.mark.fault(
    "train-members is called twice at once for one run folder",
    "the second is refused, with the process id of the first",
)
def test_a_second_trainer_is_refused_until_the_first_is_gone_however_it_went(tmp_path):
    code = (
        "import time\nfrom orchestrator.runs.store import Store\n"
        f"with Store({str(tmp_path)!r}).lock():\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    holder.stdout.readline()
    with pytest.raises(WrongRequest, match=str(holder.pid)), Store(tmp_path).lock():
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    with Store(tmp_path).lock():
        assert (tmp_path / ".lock").read_text().split()[0] == str(os.getpid())
