"""SIGTERM and SIGHUP end a command as Ctrl-C does; a second signal ends it at once."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import termios

import psutil
import pytest

from members.reading.memo import recall
from members.reading.scan import scan
from tests.faults.started_command import all_gone, photographs, started

SIGNALS = [(signal.SIGINT, 130, "Stopped."), (signal.SIGTERM, 143, "Stopped by SIGTERM."),
           (signal.SIGHUP, 129, "Stopped by SIGHUP.")]  # fmt: skip
GOES_ON = "Nothing is lost: the same command goes on from here."

# cleaning up takes for ever
STUCK = """\
import time
from orchestrator import stopping
with stopping.stops():
    try:
        print("ready", flush=True)
        time.sleep(600)
    except KeyboardInterrupt:
        print("cleaning up", flush=True)
        time.sleep(600)
"""


@pytest.mark.fault("a signal while a vote reads its tables", "one sentence, exit 130, 143 or 129")
@pytest.mark.parametrize(("which", "code", "sentence"), SIGNALS)
def test_a_command_that_reads_ends_in_order(which, code, sentence, tmp_path, measured):
    """It reads a pipe whose writer never gets on."""
    (tmp_path / "a.csv").write_text("ImageID,ans\n1,0\n")
    source, target = os.pipe()
    os.write(target, b"ImageID,ans\n1,0\n")
    words = ("-m", "orchestrator", "vote", "--mode", "hard")
    files = ("--submissions", f"/dev/fd/{source}", "a.csv")
    with started(tmp_path, *words, *files, pass_fds=[source]) as command:
        command.wait_for(lambda: fcntl.ioctl(source, termios.FIONREAD, b"....") == b"\0\0\0\0")
        with measured.clear_state():
            command.driver.send_signal(which)
            assert command.end() == code
        said, again = command.printed.splitlines()
        assert said == f"{sentence} {GOES_ON}"
        assert again == f"python -m orchestrator vote --mode hard {' '.join(files)}"
    os.close(source)
    os.close(target)


@pytest.mark.fault(
    "a signal while `check` reads photographs in several processes",
    "exit 130, no process is left, and the next call reads the rest alone",
)
def test_a_check_that_is_stopped_is_gone_on_with(tmp_path):
    photographs(tmp_path, number=4500)
    memo = tmp_path / "cache/scan.parquet"
    with started(tmp_path, "-m", "orchestrator", "check", "spec.yaml") as command:
        command.wait_for(memo.is_file)
        processes = command.family()
        command.driver.send_signal(signal.SIGINT)
        assert command.end() == 130
        assert "Traceback" not in command.printed
        assert GOES_ON in command.printed
    assert all_gone(processes)
    known = len(recall(memo))
    assert 500 <= known < 4500
    counted: list[tuple[int, int]] = []
    scan([tmp_path / f"{i}.png" for i in range(4500)], memo, lambda *done: counted.append(done))
    assert counted[-1] == (4500 - known, 4500 - known)


@pytest.mark.fault("a second signal while the first is carried out", "the process ends at once")
@pytest.mark.parametrize(("which", "code", "sentence"), SIGNALS)
def test_a_second_signal_ends_at_once(which, code, sentence, tmp_path):
    with started(tmp_path, "-c", STUCK) as command:
        command.wait_for_text("ready")
        command.driver.send_signal(which)
        command.wait_for_text("cleaning up")
        command.driver.send_signal(signal.SIGTERM)
        assert command.end(seconds=9) == code  # the first alone would end it after 10 s
        assert f"{sentence} {GOES_ON}" in command.printed


@pytest.mark.fault("cleaning up hangs after a signal", "the process ends after 10 s")
def test_cleaning_up_that_hangs_ends_all_the_same(tmp_path):
    with started(tmp_path, "-c", STUCK) as command:
        command.wait_for_text("ready")
        command.driver.send_signal(signal.SIGTERM)
        assert command.end(seconds=60) == 143


def test_what_was_ignored_from_the_start_stays_ignored(tmp_path):
    """`nohup` ignores SIGHUP, a shell SIGINT for what it runs in the background."""
    ignoring = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)}
    with started(tmp_path, "-c", STUCK, **ignoring) as command:
        command.wait_for_text("ready")
        command.driver.send_signal(signal.SIGHUP)
        command.driver.send_signal(signal.SIGTERM)
        assert command.end() == 143


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="orphans are found where they can be adopted")
@pytest.mark.fault(
    "SIGTERM to all processes of a training command, as schedulers and systemd send it",
    "one sentence, exit 143, no process is left",
)
def test_training_ends_in_order_where_all_its_processes_are_stopped(tmp_path, measured):
    photographs(tmp_path)
    with started(tmp_path, "-m", "orchestrator", "train-members", "spec.yaml") as command:
        command.wait_for_an_epoch()
        family = command.family()
        with measured.clear_state():
            for process in [*family, psutil.Process(command.driver.pid)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.terminate()
            assert command.end() == 143
        assert command.printed.splitlines()[-2:] == [
            f"Stopped by SIGTERM. {GOES_ON}",
            "python -m orchestrator train-members spec.yaml",
        ]
        for words in ("Traceback", "Error", "core_worker", "***"):
            assert words not in command.printed
        assert all_gone(family)
