"""How units are given to processes, and what becomes of those whose process dies."""

from __future__ import annotations

import heapq
import io
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from orchestrator.progress.board import Board
from orchestrator.running import causes, schedule
from orchestrator.running.schedule import Schedule
from orchestrator.running.watch import Watch
from orchestrator.runs.store import Store
from orchestrator.screens.progress import Progress
from orchestrator.spec.spec import Member
from orchestrator.units.unit import Unit

START = 0.6  # of the cost of a unit


def watch() -> Watch:
    return Watch(Store("nowhere"), hang_minutes=5)


def members(*specification: tuple[str, int, float]) -> tuple[list[Unit], dict[str, float]]:
    """Units of (name, folds, cost of one) and the costs by name."""
    units, costs = [], {}
    for name, folds, cost in specification:
        member = Member(name=name, recipe={"model": name})
        units += [Unit(member, name, fold, None) for fold in range(folds)]
        costs[name] = cost
    return units, costs


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


def of_teacher_and_student(slots: int) -> Schedule:
    teacher = Member(name="teacher", recipe={"model": "t"})
    student = Member(name="student", recipe={"model": "s"})
    first = Unit(teacher, "t", 0, None)
    units = [first, Unit(student, "s", 0, None, ((first.path,),)), Unit(teacher, "t", 1, None)]
    return scheduled(units, {"teacher": 1.0, "student": 2.0}, slots)


def test_a_process_waits_a_little_for_what_waits_for_others(clock):
    given = of_teacher_and_student(slots=2)
    assert given.start("one").unit.title == "teacher fold 0"
    assert given.start("two").unit.title == "teacher fold 1"
    given.report("two", {"event": "done", "unit": given.runs["two"].unit.path})
    given.idle("two")
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
    given = of_teacher_and_student(slots=2)
    given.start("one")
    given.start("two")
    given.report("two", {"event": "done", "unit": given.runs["two"].unit.path})
    given.idle("two")
    clock[0] = 31.0
    assert given.answers() == [("two", None)]
    given.end("two")
    assert given.start("three") is None
    given.report("one", {"event": "done", "unit": given.runs["one"].unit.path})
    given.idle("one")
    assert given.start("three") is not None


def test_a_process_that_dies_while_it_waits_costs_nothing(clock):
    given = of_teacher_and_student(slots=2)
    given.start("one")
    given.start("two")
    given.report("two", {"event": "done", "unit": given.runs["two"].unit.path})
    given.idle("two")
    assert given.answers() == []
    given.lost("two", "its machine was lost")
    given.end("two")
    assert given.failures == {}
    assert not given.is_over()


class Left:
    """A schedule of one member's units on one slot, where `done` is what their folders hold."""

    def __init__(self, folds: int):
        self.units, costs = members(("a", folds, 1.0))
        self.done: set[str] = set()
        self.screen = io.StringIO()
        progress = Progress(Console(file=self.screen, width=200), Board(lambda m: 1.0))
        self.schedule = Schedule(
            self.units, {}, self.left, lambda m: costs[m.name], 1, progress, watch()
        )
        self.processes = 0

    def left(self, member: Member) -> list[Unit]:
        return [unit for unit in self.units if unit.path not in self.done]

    def start(self) -> int:
        """The fold that a new process begins with."""
        self.processes += 1
        job = self.schedule.start(str(self.processes))
        assert job is not None
        return job.unit.fold

    def go_on(self) -> int | None:
        """The fold that the process trains next; None: it ends."""
        self.schedule.idle(str(self.processes))
        ((_, job),) = self.schedule.answers()
        return None if job is None else job.unit.fold

    def report(self, event: str, fold: int, **values) -> None:
        values = {"epoch": 0, "score": 0.5, "value": 0.5, "message": "", **values}
        path = self.units[fold].path
        self.schedule.report(str(self.processes), {"event": event, "unit": path, **values})

    def die(self, cause: str = "killed") -> None:
        self.schedule.lost(str(self.processes), cause)
        self.schedule.end(str(self.processes))


def test_a_note_that_several_processes_report_is_printed_once_and_every_other_too():
    of = Left(2)
    of.start()
    lines = [f"cache/{name}.npy: 1 of 24 photos in it is damaged; made again" for name in "ab"]
    for line in (lines[0], lines[0], lines[1], lines[0]):
        of.report("note", 0, message=line)
    assert [of.screen.getvalue().count(line) for line in lines] == [1, 1]


def test_a_unit_whose_process_died_goes_on_in_another():
    work = Left(4)
    assert work.start() == 0
    work.report("started", 0)
    work.report("done", 0)
    assert work.go_on() == 1
    work.report("started", 1)
    work.report("failed", 1, message="the loss became nan")
    assert work.go_on() == 2
    work.report("started", 2)
    work.report("epoch", 2, epoch=3)
    work.die("its machine was lost")
    assert (
        "a fold 2: its training process died (its machine was lost); it goes on after epoch 3"
        in (work.screen.getvalue())
    )
    assert not work.schedule.is_over()
    assert work.start() == 2
    work.report("started", 2)
    work.report("done", 2)
    assert work.go_on() == 3
    work.report("started", 3)
    work.report("done", 3)
    assert work.go_on() is None
    assert work.schedule.is_over()
    assert work.schedule.failures == {"a fold 1": "the loss became nan"}
    assert work.schedule.trained == 3


@pytest.mark.parametrize(
    ("epoch", "most", "where"), [(0, 4, "before its first epoch"), (1, 8, "after epoch 1")]
)
def test_a_unit_is_given_up_when_it_never_gets_anywhere_and_the_others_are_not(epoch, most, where):
    work = Left(2)
    for n in range(most):
        assert work.schedule.failures == {}
        if work.start() == 1:  # its turn, after a death before an epoch
            work.report("done", 1)
            assert work.go_on() == 0
        work.report("started", 0)
        if epoch:  # that it was trained once is no progress the second time
            work.report("epoch", 0, epoch=epoch)
        work.die(f"cause {n % 2}")
    why = f"its training process died {most} times in a row {where} (cause 0; cause 1)"
    assert work.schedule.failures == {"a fold 0": why}


def test_what_dies_with_its_leader_or_machine_is_given_up_later():
    work = Left(1)
    for cause in ["its machine was lost", causes.LEADER] * 3 + ["its machine was lost"]:
        work.start()
        work.report("started", 0)
        work.die(cause)
    assert work.schedule.failures == {}
    work.start()
    work.report("started", 0)
    work.die(causes.LEADER)
    (why,) = work.schedule.failures.values()
    assert "8 times in a row before its first epoch (its machine was lost; the process" in why


def test_a_unit_that_died_before_its_first_epoch_lets_its_equals_go_first():
    work = Left(3)
    assert work.start() == 0
    work.report("started", 0)
    work.die()
    assert work.start() == 1
    work.report("started", 1)
    work.report("epoch", 1, epoch=1)
    work.die()
    order = [work.start()]
    for _ in range(2):
        work.report("done", order[-1])
        order.append(work.go_on())
    assert order == [1, 2, 0]


def test_an_epoch_between_two_deaths_resets_the_count():
    work = Left(1)
    for epoch in range(1, 20):
        work.start()
        work.report("started", 0)
        for known in range(1, epoch + 1):
            work.report("epoch", 0, epoch=known)
        work.die()
    work.start()
    work.report("started", 0)
    work.report("done", 0)
    work.schedule.end(str(work.processes))
    assert work.schedule.is_over()
    assert work.schedule.failures == {}


def test_where_no_process_ever_starts_the_units_are_given_up():
    work = Left(2)
    for _ in range(50):
        if work.schedule.is_over():
            break
        work.start()
        work.die("there is no room")
    assert set(work.schedule.failures) == {"a fold 0", "a fold 1"}
    for why in work.schedule.failures.values():
        assert "while it started (there is no room)" in why


@pytest.mark.fault(
    "a process dies between finishing a unit and reporting it",
    "`unit.json` counts; the unit is not trained again",
)
def test_a_unit_whose_record_is_there_is_done_although_nothing_reported_it():
    work = Left(3)
    work.start()
    work.report("started", 0)
    work.done.add(work.units[0].path)
    work.die()
    assert work.start() == 1
    assert work.schedule.trained == 1
    assert work.schedule.failures == {}


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
