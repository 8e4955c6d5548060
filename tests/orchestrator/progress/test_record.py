"""`progress.json`: what it says while a process lives, after its end, and after its death."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from orchestrator.errors import RunFailed, WrongRequest
from orchestrator.progress.record import driver_of, keeping, read_progress
from orchestrator.runs.store import Store


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path)


def test_it_says_what_is_read_and_how_it_ended(store):
    with keeping(store, "cats") as kept:
        kept.reading("reading photographs", 3, 10)
        kept.put(now=True, phase="training")
        found = read_progress(store)
        assert (found["name"], found["phase"]) == ("cats", "training")
        assert found["reading"] == {"reading photographs": [3, 10]}
        assert driver_of(found, time.time()) == "alive"
    found = read_progress(store)
    assert (found["phase"], found["outcome"]) == ("ended", "done")
    assert 0 < found["memory"]["used"] < found["memory"]["of"]
    assert store.list() == ["progress.json"]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (WrongRequest("no"), "refused"),
        (RunFailed("no"), "failed"),
        (KeyboardInterrupt, "interrupted"),
    ],
)
def test_an_error_is_how_it_ended(store, error, outcome):
    def fail() -> None:
        with keeping(store, "cats") as kept:
            kept.put(now=True, phase="training")
            raise error

    with pytest.raises((WrongRequest, RunFailed, KeyboardInterrupt)):
        fail()
    assert read_progress(store)["outcome"] == outcome


def test_a_call_that_ends_before_it_has_done_anything_leaves_what_was_there(store):
    with pytest.raises(WrongRequest, match="no photographs"), keeping(store, "cats"):
        raise WrongRequest("no photographs")
    assert store.list() == []
    with keeping(store, "cats") as kept:
        kept.put(phase="training")
    before = store.read("progress.json")
    with pytest.raises(KeyboardInterrupt), keeping(store, "cats"):
        raise KeyboardInterrupt
    assert store.read("progress.json") == before


def test_failures_are_how_it_ended(store):
    with keeping(store, "cats") as kept:
        kept.put(failures={"net fold 0": "no memory"})
    assert read_progress(store)["outcome"] == "failed"


def test_it_is_not_written_at_every_event(store):
    times = iter([0.0, *[0.1 * i for i in range(1, 100)]])
    with keeping(store, "cats") as kept:
        kept._clock = lambda: next(times)
        kept.put(now=True, phase="training")
        kept.put(slots=1)
        assert "slots" not in read_progress(store)
    assert read_progress(store)["slots"] == 1


def test_a_process_that_was_killed_is_told_apart_from_one_that_lives(store):
    program = (
        "import sys, time\n"
        "from orchestrator.progress.record import keeping\n"
        "from orchestrator.runs.store import Store\n"
        "with keeping(Store(sys.argv[1]), 'cats'):\n"
        "    print('there', flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, store.root]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = read_progress(store)
        assert driver_of(found, time.time() + 3600) == "alive"
        process.send_signal(signal.SIGKILL)
    assert driver_of(found, time.time()) == "gone"
    # the number of the process may be another's by now
    other = {**found, "process": {**found["process"], "pid": os.getpid()}}
    assert driver_of(other, time.time()) == "gone"


def test_of_another_machine_silence_is_all_that_is_known(store):
    with keeping(store, "cats"):
        found = read_progress(store)
    far = {**found, "process": {**found["process"], "host": "elsewhere"}}
    assert driver_of(far, far["updated"] + 5) == "alive"
    assert driver_of(far, far["updated"] + 3600) == "silent"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": "a"}', "\x00\xff"])
def test_what_is_no_record_is_said(store, content):
    store.write("progress.json", content)
    with pytest.raises(WrongRequest, match=r"progress\.json: damaged, or of something else"):
        read_progress(store)


def test_none_and_a_newer_one_are_said(store):
    with pytest.raises(WrongRequest, match="there is no such file"):
        read_progress(store)
    store.write("progress.json", json.dumps({"format": 2}))
    with pytest.raises(WrongRequest, match="of format 2, and this version reads 1"):
        read_progress(store)
