"""How units are given to processes, and what is shown of it."""

from __future__ import annotations

import heapq
import io
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from orchestrator.progress.board import Board
from orchestrator.running import schedule
from orchestrator.running.schedule import Schedule
from orchestrator.screens.progress import Progress
from orchestrator.spec.spec import Member
from orchestrator.units.unit import Unit
from tests.orchestrator.running.given import members, watch

START = 0.6  # of the cost of a unit


def scheduled(units: list[Unit], costs: dict[str, float], slots: int) -> Schedule:
    def cost(member: Member) -> float:
        return costs[member.name]

    progress = Progress(Console(file=io.StringIO()), Board(cost))
    return Schedule(units, {}, lambda m: [], cost, slots, progress, watch())


def simulate(units: list[Unit], costs: dict[str, float], slots: int) -> tuple[float, int]:
    """Wall time and number of processes when `Schedule` gives `units` to `slots`."""
    given = scheduled(units, costs, slots)
    running: list[tuple[float, str]] = []
    now, processes, seen = 0.0, 0, []

    def begin(process: str, unit: Unit, after: float) -> None:
        seen.append(unit.path)
        heapq.heappush(running, (now + after + costs[unit.member.name], process))

    while not given.is_over():
        while job := given.start(name := f"{processes:03d}"):
            begin(name, job.unit, START)
            processes += 1
        assert len(running) <= slots
        now, process = heapq.heappop(running)
        given.report(process, {"event": "done", "unit": given.runs[process].unit.path})
        given.idle(process)
        for name, job in given.answers():
            if job is None:
                given.end(name)
            else:
                begin(name, job.unit, 0.0)
    assert sorted(seen) == sorted(u.path for u in units)
    assert given.failures == {}
    assert given.trained == len(units)
    return now, processes


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 8, 40])
def test_wall_time_is_near_the_best_possible(slots):
    rng = np.random.default_rng(slots)
    for _ in range(30):
        units, costs = members(*((f"m{i}", int(rng.integers(1, 6)), float(rng.uniform(0.5, 5)))
                                 for i in range(int(rng.integers(1, 9)))))  # fmt: skip
        total = sum(costs[u.member.name] for u in units)
        longest = max(costs.values())
        wall, processes = simulate(units, costs, slots)
        # Graham, Bounds for certain multiprocessing anomalies (1966): with no slot idle while
        # something waits, the last unit begins before the mean load of the slots is over
        assert max(total / slots, longest) + START - 1e-9 <= wall
        assert wall <= total / slots + longest * (1 - 1 / slots) + START + 1e-9
        assert processes == min(slots, len(units))


def test_the_costliest_member_goes_first():
    given = scheduled(*members(("small", 2, 1.0), ("large", 2, 9.0)), slots=1)
    assert given.start("first").unit.member.name == "large"
    assert given.start("second") is None  # one slot


def test_a_process_goes_on_with_other_members_and_ends_when_there_are_none():
    given = scheduled(*members(("small", 1, 1.0), ("large", 1, 9.0)), slots=1)
    given.start("one")
    given.idle("one")
    ((name, job),) = given.answers()
    assert (name, job.unit.member.name) == ("one", "small")
    assert given.answers() == []
    given.idle("one")
    assert given.answers() == [("one", None)]
    assert given.start("two") is None
    given.end("one")


def test_where_slots_are_lost_an_idle_process_ends_and_no_other_begins():
    given = scheduled(*members(("a", 5, 1.0)), slots=2)
    given.start("one")
    given.start("two")
    given.slots = 1
    given.idle("one")
    assert given.answers() == [("one", None)]
    given.idle("two")
    ((name, job),) = given.answers()  # the other is on its way out
    assert name == "two"
    assert job is not None
    given.end("one")
    assert given.start("three") is None


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """Seconds that a schedule sees, in one cell."""
    now = [0.0]
    monkeypatch.setattr(schedule, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def one_waits() -> Schedule:
    """Two slots: one trains fold 0 of a teacher, two is through with fold 1; a student waits for fold 0."""
    teacher = Member(name="teacher", recipe={"model": "t"})
    student = Member(name="student", recipe={"model": "s"})
    first = Unit(teacher, "t", 0, None)
    units = [first, Unit(student, "s", 0, None, ((first.path,),)), Unit(teacher, "t", 1, None)]
    given = scheduled(units, {"teacher": 1.0, "student": 2.0}, slots=2)
    assert given.start("one").unit.title == "teacher fold 0"
    assert given.start("two").unit.title == "teacher fold 1"
    given.report("two", {"event": "done", "unit": given.runs["two"].unit.path})
    given.idle("two")
    return given


def test_a_process_waits_a_little_for_what_waits_for_others(clock):
    given = one_waits()
    assert given.answers() == []  # the student waits for fold 0
    clock[0] = 29.0
    assert given.answers() == []
    assert given.start("three") is None  # the slot is not free
    given.report("one", {"event": "done", "unit": given.runs["one"].unit.path})
    given.idle("one")
    (name, job), other = given.answers()
    assert (name, job.unit.title) == ("two", "student fold 0")
    assert other == ("one", None)


def test_a_process_that_waited_in_vain_ends_and_another_begins_later(clock):
    given = one_waits()
    clock[0] = 31.0
    assert given.answers() == [("two", None)]
    given.end("two")
    assert given.start("three") is None
    given.report("one", {"event": "done", "unit": given.runs["one"].unit.path})
    given.idle("one")
    assert given.start("three") is not None


def test_a_process_that_dies_while_it_waits_costs_nothing(clock):
    given = one_waits()
    assert given.answers() == []
    given.lost("two", "its machine was lost")
    given.end("two")
    assert given.failures == {}
    assert not given.is_over()


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_shows_member_fold_epoch_score_and_time_left(terminal):
    units, costs = members(("resnet", 2, 1.0))
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=100)
    with Progress(console, Board(lambda m: costs[m.name])) as progress:
        progress.expect(units)
        progress.started(units[1], units[1].title, fresh=True)
        for epoch in (1, 2):
            progress.reported(
                {"event": "epoch", "unit": units[1].path, "epoch": epoch, "score": 0.625}
            )
        progress.note("resnet: a note")
        progress.reported({"event": "done", "unit": units[1].path})
        progress.ended(units[1].path, "done")
    shown = screen.getvalue()
    for part in ("resnet", "fold", "2/10" if terminal else "1/10", "0.6250", "left", "a note"):
        assert part in shown
    assert ("\x1b[" in shown) == terminal
