"""What becomes of units whose process dies: they go on in another, or are given up with the cause."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from orchestrator.progress.board import Board
from orchestrator.running import causes
from orchestrator.running.schedule import Schedule
from orchestrator.screens.progress import Progress
from orchestrator.spec.spec import Member
from orchestrator.units.unit import Unit
from tests.orchestrator.running.given import members, watch


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
