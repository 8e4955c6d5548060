"""Units whose test photographs others label: they begin after those, fold by fold, or not at all."""

from __future__ import annotations

import heapq
import io
import itertools

import pytest
from rich.console import Console

from orchestrator.progress.board import Board
from orchestrator.running.schedule import Schedule
from orchestrator.running.watch import Watch
from orchestrator.runs.store import Store
from orchestrator.screens.progress import Progress
from orchestrator.spec.spec import Member
from orchestrator.spec.students.blocks import Pseudo
from orchestrator.units.unit import Unit
from tests.orchestrator.in_process import job

FOLDS = 3
TEACHER = Member(name="teacher", recipe={"model": "t"}, seeds=(1, 2))
STUDENT = Member(
    name="student", recipe={"model": "s"}, pseudo=Pseudo(of=("teacher",)), teachers=(TEACHER,)
)
OTHER = Member(name="other", recipe={"model": "o"})
NOTHING = job(Store("nowhere"), (), "nowhere")


def teachers(folds=range(FOLDS)) -> list[Unit]:
    return [Unit(TEACHER, "t", fold, seed) for fold in folds for seed in (1, 2)]


def students() -> list[Unit]:
    def folders(fold: int) -> tuple[tuple[str, ...], ...]:
        return (tuple(unit.path for unit in teachers([fold])),)

    return [Unit(STUDENT, "s", fold, None, folders(fold)) for fold in range(FOLDS)]


class Runs:
    """A schedule, and what its screen shows."""

    def __init__(
        self, units: list[Unit], slots: int = 2, cost=lambda member: 1.0, left=lambda m: []
    ):
        self.screen = io.StringIO()
        progress = Progress(Console(file=self.screen, width=300), Board(cost))
        watch = Watch(Store("nowhere"), hang_minutes=5)
        self.schedule = Schedule(units, {}, left, cost, slots, NOTHING, progress, watch)
        self.names = map(str, itertools.count())

    def begin(self) -> tuple[str, list[str]] | None:
        name = next(self.names)
        begun = self.schedule.start(name)
        return None if begun is None else (name, [unit.title for unit in begun.units])

    def report(self, run: str, unit: Unit, event: str = "done") -> None:
        self.schedule.report(run, {"event": event, "unit": unit.path, "message": "no memory"})


def test_a_student_begins_when_all_seeds_of_its_fold_are_there_though_their_run_goes_on():
    runs = Runs([*students(), *teachers()], slots=2)
    runs.schedule.expected = 1  # so that one run takes all
    run, titles = runs.begin()
    assert titles == [unit.title for unit in teachers()]
    assert runs.begin() is None
    assert runs.schedule.wanted() == 1, "nobody is asked for a machine that would wait"
    first, second, *_ = teachers()
    runs.report(run, first)
    assert runs.begin() is None, "one seed is not enough"
    runs.report(run, second)
    assert runs.schedule.wanted() == 2
    assert runs.begin()[1] == ["student fold 0"]
    assert not runs.schedule.is_over()


def test_what_waits_for_nothing_is_not_held_up():
    other = Unit(OTHER, "o", 0, None)
    runs = Runs([*students(), *teachers([0]), other], slots=9)
    # the teachers of folds 1 and 2 were there before: they are not in the queue
    began = [runs.begin() for _ in range(6)]
    titles = [title for run in began if run for title in run[1]]
    assert sorted(titles) == [
        "other fold 0", "student fold 1", "student fold 2", "teacher fold 0 seed 1",
        "teacher fold 0 seed 2",
    ]  # fmt: skip


def test_a_failed_teacher_fails_its_fold_s_student_by_name_and_no_other():
    runs = Runs([*students(), *teachers()], slots=1)
    run, _ = runs.begin()
    for unit in teachers():
        failed = unit.fold == 1 and unit.seed == 2
        runs.report(run, unit, "failed" if failed else "done")
        if failed:
            runs.schedule.slots = 2
            assert runs.begin()[1] == ["student fold 0"]
    runs.schedule.end(run)
    assert runs.begin()[1] == ["student fold 2"]
    failures = runs.schedule.failures
    assert failures["teacher fold 1 seed 2"] == "no memory"
    assert failures["student fold 1"].startswith("teacher fold 1 seed 2 failed, which was to label")
    assert set(failures) == {"teacher fold 1 seed 2", "student fold 1"}
    assert "student fold 1 failed: teacher fold 1 seed 2 failed" in runs.screen.getvalue()


def test_while_a_failed_teacher_s_run_goes_on_its_student_neither_begins_nor_is_lost():
    runs = Runs([*students(), *teachers([0])], slots=1)
    runs.schedule.queue = [unit for unit in runs.schedule.queue if unit.fold == 0]
    run, titles = runs.begin()
    assert len(titles) == 2
    runs.report(run, teachers([0])[0], "failed")
    runs.report(run, teachers([0])[1])
    runs.schedule.slots = 2
    assert runs.begin() is None
    assert not runs.schedule.is_over()
    runs.schedule.end(run)
    assert runs.begin() is None
    assert runs.schedule.is_over()
    assert "student fold 0" in runs.schedule.failures


def test_a_teacher_whose_process_died_is_waited_for_until_it_is_done():
    left = teachers([0])
    runs = Runs([students()[0], *left], slots=1, left=lambda member: left)
    run, _ = runs.begin()
    runs.report(run, left[0], "started")
    runs.schedule.lost(run, "it was killed")
    runs.schedule.end(run)
    run, titles = runs.begin()
    assert sorted(titles) == ["teacher fold 0 seed 1", "teacher fold 0 seed 2"]
    for unit in left:
        runs.report(run, unit)
    runs.schedule.end(run)
    assert runs.begin()[1] == ["student fold 0"]
    assert runs.schedule.failures == {}


def test_giving_up_ends_those_that_wait_too():
    runs = Runs([*students(), *teachers()], slots=1)
    run, _ = runs.begin()
    runs.schedule.give_up("no machine")
    runs.schedule.end(run)
    assert runs.begin() is None
    assert runs.schedule.is_over()
    assert all(runs.schedule.failures[unit.title] == "no machine" for unit in students())


@pytest.mark.parametrize("slots", [1, 2, 4, 9])
def test_teachers_of_costly_students_go_first_and_every_unit_is_trained_once(slots):
    costs = {"teacher": 1.0, "student": 5.0, "other": 3.0}
    others = [Unit(OTHER, "o", fold, None) for fold in range(FOLDS)]
    runs = Runs([*others, *students(), *teachers()], slots, lambda member: costs[member.name])
    schedule, running, now, ended, order = runs.schedule, [], 0.0, {}, []
    while True:
        begun = runs.begin()
        if begun is not None:
            name, _ = begun
            at = now
            for number, unit in enumerate(schedule.runs[name].units):
                assert all(ended.get(f, 1e9) <= now for of in unit.teachers for f in of)
                at += costs[unit.member.name]
                heapq.heappush(running, (at, name, number, unit.path))
                order.append(unit)
            continue
        if schedule.is_over():
            break
        now, name, _, path = heapq.heappop(running)
        schedule.report(name, {"event": "done", "unit": path})
        ended[path] = now
        if not schedule.runs[name].left:
            schedule.end(name)
    assert len(order) == len({unit.path for unit in order}) == 4 * FOLDS
    assert order[0].member is TEACHER
    assert schedule.failures == {}
