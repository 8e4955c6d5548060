"""Hours of a run: what would not be done in time is not begun, and what is not done then is stopped."""

from __future__ import annotations

import io
import math

import pytest
from rich.console import Console

from orchestrator.progress.board import Board
from orchestrator.running.budget import Budget
from orchestrator.running.schedule import Schedule
from orchestrator.running.watch import Watch
from orchestrator.runs.store import Store
from orchestrator.screens.progress import Progress
from orchestrator.spec.spec import Member
from orchestrator.units.unit import Unit


def test_a_budget_keeps_some_for_what_follows_the_training():
    now = [100.0]
    clock = lambda: now[0]  # noqa: E731
    assert Budget(None, clock=clock).left() == math.inf
    ten = Budget(10, clock=clock)
    assert ten.left() == pytest.approx(36000 * 0.98)
    now[0] += 1000
    assert ten.left() == pytest.approx(36000 * 0.98 - 1000)
    assert Budget(10, spent=30000, clock=clock).left() == pytest.approx(36000 * 0.98 - 30000)
    assert Budget(0.1, clock=clock).left() == 330  # half a minute
    assert Budget(0.01, clock=clock).left() == 18  # half of all


class Played:
    """Members whose units take 10 epochs of some seconds each, on a clock; all slots are busy until
    nothing is left."""

    def __init__(self, members: dict[str, tuple[int, float]], slots: int, hours: float | None):
        """members: name -> folds, seconds of a unit."""
        self.now, self.seconds = 0.0, {name: own for name, (_, own) in members.items()}
        self.units = []
        for name, (folds, _) in members.items():
            member = Member(name=name, recipe={"model": name, "epochs": 10})
            self.units += [Unit(member, name, fold, None) for fold in range(folds)]
        cost = lambda member: self.seconds[member.name]  # noqa: E731
        clock = lambda: self.now  # noqa: E731
        board = Board(cost, slots=slots, clock=clock)
        board.expect(self.units)
        progress = Progress(Console(file=io.StringIO()), board)
        watch = Watch(Store("nowhere"), hang_minutes=1e6)
        budget = Budget(hours, clock=clock)
        self.schedule = Schedule(
            self.units, {}, lambda m: self.units, cost, slots, progress, watch, budget=budget
        )
        self.begun: list[str] = []
        self.at: dict[str, int] = {}  # process -> epochs of its unit

    def report(self, process: str, event: str, **values) -> None:
        path = self.schedule.runs[process].unit.path
        values = {"epoch": 0, "score": 0.5, "value": 0.5, "message": "", **values}
        self.schedule.report(process, {"event": event, "unit": path, **values})

    def begin(self, process: str) -> None:
        self.begun.append(self.schedule.runs[process].unit.title)
        self.at[process] = 0
        self.report(process, "started")

    def step(self) -> None:
        """A second passes."""
        for n in range(100):
            if self.schedule.start(f"{n}-{self.now}"):
                self.begin(f"{n}-{self.now}")
        self.now += 1.0
        for process in [*self.at]:
            unit = self.schedule.runs[process].unit
            of_epoch = self.seconds[unit.member.name] / 10
            if self.now % of_epoch:
                continue
            self.at[process] += 1
            self.report(process, "epoch", epoch=self.at[process], seconds=of_epoch)
            if self.at[process] == 10:
                self.report(process, "done")
                del self.at[process]
                self.schedule.idle(process)
                for name, job in self.schedule.answers():
                    if job:
                        self.begin(name)
                    else:
                        self.schedule.end(name)
        for process in self.schedule.overdue():
            del self.at[process]
            self.schedule.end(process)

    def play(self) -> None:
        while not self.schedule.is_over():
            self.step()
            assert self.now < 1e5


def test_without_hours_all_is_trained():
    played = Played({"large": (3, 100.0), "small": (2, 20.0)}, slots=1, hours=None)
    played.play()
    assert len(played.begun) == 5
    assert played.schedule.late == {}


def test_a_member_that_would_not_be_done_is_not_begun_and_others_are():
    # 432 s: three large ones take 300, of the middle two 160 more, of the small two 40
    hours = 432 / 3600 / 0.93
    played = Played(
        {"large": (3, 100.0), "middle": (2, 80.0), "small": (2, 20.0)}, slots=1, hours=hours
    )
    played.play()
    assert [title.split()[0] for title in played.begun] == ["large"] * 3 + ["small"] * 2
    assert set(played.schedule.late) == {"middle fold 0", "middle fold 1"}
    assert set(played.schedule.late.values()) == {"not begun"}
    assert played.schedule.failures == {}
    assert played.schedule.trained == 5


def test_slots_count_for_whether_a_member_is_done_in_time():
    for slots, expected in ((1, 1), (2, 3)):
        # 150 s: the two of the second member are done side by side only
        played = Played({"first": (1, 80.0), "second": (2, 60.0)}, slots=slots, hours=180 / 3600)
        played.play()
        assert played.schedule.trained == expected, slots


def test_what_is_not_done_then_is_stopped_and_the_next_call_is_told_how_far_it_is():
    played = Played({"large": (2, 1000.0)}, slots=2, hours=(350 + 30) / 3600)
    played.play()
    assert played.now == 350
    assert played.schedule.late == {
        "large fold 0": "stopped after epoch 3", "large fold 1": "stopped after epoch 3"
    }  # fmt: skip
    assert played.schedule.failures == {}
    assert played.schedule.trained == 0


def test_what_waits_for_what_is_not_begun_is_not_begun_either():
    played = Played({"first": (1, 100.0), "teacher": (1, 50.0)}, slots=1, hours=160 / 3600)
    student = Member(name="student", recipe={"model": "s", "epochs": 10})
    pupil = Unit(student, "s", 0, None, ((played.units[1].path,),))
    played.seconds["student"] = 1.0
    played.schedule.queue.add([pupil])
    played.play()
    assert played.begun == ["first fold 0"]
    assert played.schedule.late == dict.fromkeys(["teacher fold 0", "student fold 0"], "not begun")
