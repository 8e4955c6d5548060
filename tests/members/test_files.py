"""Locks, leftovers and threads."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from members import files
from members.errors import BadInput


def test_a_lock_refuses_until_its_holder_is_gone_however_it_went(tmp_path):
    code = (
        "import time\nfrom pathlib import Path\nfrom members import files\n"
        f"with files.locked(Path({str(tmp_path / 'lock')!r})):\n"
        "    print('held', flush=True)\n    time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    holder.stdout.readline()
    with (
        pytest.raises(BadInput, match="wait for it"),
        files.locked(tmp_path / "lock", "wait for it"),
    ):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    with files.locked(tmp_path / "lock", "wait for it"):
        pass


def test_threads_keep_the_order_and_begin_nothing_after_the_caller_stops():
    assert list(files.in_threads(lambda n: n * n, range(100), jobs=8)) == [
        n * n for n in range(100)
    ]
    begun, go_on = [], threading.Event()

    def work(n: int) -> int:
        begun.append(n)
        if n:
            go_on.wait(10)
        return n

    results = files.in_threads(work, range(100), jobs=2)
    next(results)
    threading.Timer(0.2, go_on.set).start()
    results.close()
    assert len(begun) <= 3


def test_a_new_folder_does_not_replace_one_that_holds_files(tmp_path):
    (tmp_path / "folder").mkdir()
    with files.new_folder(tmp_path / "folder") as aside:
        (aside / "mine").write_bytes(b"")
    assert (tmp_path / "folder" / "mine").exists()
    with pytest.raises(OSError, match="not empty"), files.new_folder(tmp_path / "folder"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
