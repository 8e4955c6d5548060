"""When silence counts as hanging: after many times what is usual, and never while nothing runs."""

from __future__ import annotations

import pytest

from orchestrator.running.watch import Silence, Watch
from orchestrator.runs.store import Store
from orchestrator.worker.pulse import Pulse, pulse_of


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path)


@pytest.fixture
def watch(store, clock) -> Watch:
    """Of a run `r` that has begun."""
    watch = Watch(store, hang_minutes=1, clock=clock)
    watch.begin("r", "net")
    return watch


def after(watch: Watch, clock: Clock, seconds: float, pulse=lambda: None) -> list[Silence]:
    """Those that were found in so many seconds of looking every second."""
    found = []
    for _ in range(round(seconds)):
        clock.now += 1
        pulse()
        found += watch.silent()
    return found


def trained(watch: Watch, clock: Clock, epochs: int, seconds: float) -> None:
    watch.reported("r", "started")
    for _ in range(epochs):
        clock.now += seconds
        watch.reported("r", "epoch")


def test_short_epochs_may_be_silent_for_the_minutes_that_are_given(watch, clock):
    trained(watch, clock, 3, seconds=2)
    assert after(watch, clock, 59) == []
    (found,) = after(watch, clock, 5)
    assert found == Silence("r", 61.0, 2.0)
    assert after(watch, clock, 1000) == []  # once


def test_long_epochs_may_be_silent_for_many_times_as_long(watch, clock):
    trained(watch, clock, 3, seconds=5)
    assert after(watch, clock, 99) == []
    assert len(after(watch, clock, 5)) == 1


def test_starting_and_the_first_epoch_may_take_longer(watch, clock):
    assert after(watch, clock, 899) == []
    watch.reported("r", "started")
    assert after(watch, clock, 299) == []
    assert len(after(watch, clock, 5)) == 1


def test_a_first_epoch_is_known_from_the_member_s_other_units(watch, clock):
    trained(watch, clock, 1, seconds=2)
    watch.reported("r", "done")
    watch.reported("r", "started")
    (found,) = after(watch, clock, 65)
    assert found.longest == 2.0


def test_steps_within_a_long_epoch_are_signs_of_life(watch, clock, store, monkeypatch):
    monkeypatch.setattr("orchestrator.worker.pulse.time.monotonic", clock)
    pulse = Pulse(store, pulse_of("r"))
    trained(watch, clock, 2, seconds=2)
    assert after(watch, clock, 300, lambda: pulse(1, 10)) == []
    assert len(after(watch, clock, 100)) == 1


def test_seconds_in_which_the_watch_itself_did_not_run_do_not_count(watch, clock):
    trained(watch, clock, 3, seconds=2)
    for _ in range(5):
        clock.now += 8 * 3600  # asleep
        assert watch.silent() == []
    assert after(watch, clock, 20) == []


def test_after_a_false_alarm_the_next_comes_later(watch, clock):
    trained(watch, clock, 3, seconds=2)
    assert len(after(watch, clock, 62)) == 1
    watch.begin("r", "net", patience=2)
    trained(watch, clock, 1, seconds=2)
    assert after(watch, clock, 119) == []
    assert len(after(watch, clock, 5)) == 1


def test_what_has_ended_is_not_watched(watch, clock):
    watch.end("r")
    assert after(watch, clock, 1000) == []


def test_a_sign_of_life_that_cannot_be_written_does_not_stop_the_training(store, tmp_path):
    (tmp_path / "ray").write_text("no folder")
    Pulse(store, pulse_of("r"))(1, 2)
    Pulse(store, "")(1, 2)
    assert (tmp_path / "ray").read_text() == "no folder"


def test_they_are_written_every_now_and_then_only(store, clock, monkeypatch):
    monkeypatch.setattr("orchestrator.worker.pulse.time.monotonic", clock)
    pulse = Pulse(store, "ray/pulses/r")
    seen = []
    for step in range(100):
        clock.now += 0.1
        pulse(step, 100)
        seen.append(store.read("ray/pulses/r"))
    assert len(set(seen)) == 5
    assert seen[0] == b"1: step 0 of 100\n"
