"""Units whose test photographs others label: they begin after those, fold by fold, or not at all."""

from __future__ import annotations

import heapq
import io
import itertools

import numpy as np
import pytest
from rich.console import Console

from orchestrator.progress.board import Board
from orchestrator.running.queue import Queue
from orchestrator.running.schedule import Schedule
from orchestrator.running.watch import Watch
from orchestrator.runs.store import Store
from orchestrator.screens.progress import Progress
from orchestrator.spec.spec import Member
from orchestrator.spec.students.blocks import Pseudo
from orchestrator.units.unit import Unit

FOLDS = 3
TEACHER = Member(name="teacher", recipe={"model": "t"}, seeds=(1, 2))
STUDENT = Member(
    name="student", recipe={"model": "s"}, pseudo=Pseudo(of=("teacher",)), teachers=(TEACHER,)
)
OTHER = Member(name="other", recipe={"model": "o"})


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
        self.schedule = Schedule(units, {}, left, cost, slots, progress, watch)
        self.names = map(str, itertools.count())
        self.of: dict[str, str] = {}  # title of a unit -> its process

    def begin(self) -> str | None:
        """The title of the unit that another process begins with; None: none does."""
        process = next(self.names)
        begun = self.schedule.start(process)
        if begun is None:
            return None
        self.of[begun.unit.title] = process
        return begun.unit.title

    def end(self, title: str, event: str = "done") -> None:
        """The unit has ended, and its process with it."""
        process = self.of.pop(title)
        path = self.schedule.runs[process].unit.path
        self.schedule.report(process, {"event": event, "unit": path, "message": "no memory"})
        self.schedule.end(process)


def test_a_student_begins_when_all_seeds_of_its_fold_are_there():
    runs = Runs([*students(), *teachers()], slots=3)
    first, second, third, *_ = (unit.title for unit in teachers())
    assert [runs.begin() for _ in range(3)] == [first, second, third]
    assert runs.begin() is None
    assert runs.schedule.wanted() == len(teachers()), "no machine is asked for that would wait"
    runs.end(first)
    assert "student" not in runs.begin(), "one seed is not enough"
    runs.end(second)
    runs.schedule.slots = 99
    began = []
    while title := runs.begin():
        began.append(title)
    assert [title for title in began if "student" in title] == ["student fold 0"]
    assert not runs.schedule.is_over()


def test_what_waits_for_nothing_is_not_held_up():
    other = Unit(OTHER, "o", 0, None)
    runs = Runs([*students(), *teachers([0]), other], slots=9)
    # the teachers of folds 1 and 2 were there before: they are not in the queue
    began = [runs.begin() for _ in range(6)]
    assert sorted(filter(None, began)) == [
        "other fold 0", "student fold 1", "student fold 2", "teacher fold 0 seed 1",
        "teacher fold 0 seed 2",
    ]  # fmt: skip


def test_a_failed_teacher_fails_its_fold_s_student_by_name_and_no_other():
    runs = Runs([*students(), *teachers()], slots=1)
    order = []
    while title := runs.begin():
        order.append(title)
        runs.end(title, "failed" if title == "teacher fold 1 seed 2" else "done")
    assert {"student fold 0", "student fold 2"} < {*order}
    assert "student fold 1" not in order
    failures = runs.schedule.failures
    assert failures["teacher fold 1 seed 2"] == "no memory"
    assert failures["student fold 1"].startswith("teacher fold 1 seed 2 failed, which was to label")
    assert set(failures) == {"teacher fold 1 seed 2", "student fold 1"}
    assert "student fold 1 failed: teacher fold 1 seed 2 failed" in runs.screen.getvalue()
    assert runs.schedule.is_over()


def test_what_waits_for_one_that_failed_in_vain_fails_with_it():
    """A student whose own teacher is a student."""
    pupil = Unit(STUDENT, "p", 0, None, ((students()[0].path,),))
    runs = Runs([pupil, *students()[:1], *teachers([0])], slots=1)
    runs.end(runs.begin(), "failed")
    assert set(runs.schedule.failures) == {"teacher fold 0 seed 1", "student fold 0"}
    runs.end(runs.begin())
    assert runs.begin() is None
    assert runs.schedule.is_over()


def test_a_teacher_whose_process_died_is_waited_for_until_it_is_done():
    left = teachers([0])
    runs = Runs([students()[0], *left], slots=1, left=lambda member: left)
    title = runs.begin()
    process = runs.of[title]
    runs.schedule.report(process, {"event": "started", "unit": left[0].path, "message": ""})
    runs.schedule.lost(process, "it was killed")
    runs.schedule.end(process)
    for _ in left:
        title = runs.begin()
        assert title.startswith("teacher")
        runs.end(title)
    assert runs.begin() == "student fold 0"
    assert runs.schedule.failures == {}


def test_giving_up_ends_those_that_wait_too():
    runs = Runs([*students(), *teachers()], slots=1)
    title = runs.begin()
    runs.schedule.give_up("no machine")
    runs.end(title)
    assert runs.begin() is None
    assert runs.schedule.is_over()
    assert all(runs.schedule.failures[unit.title] == "no machine" for unit in students())


@pytest.mark.parametrize("slots", [1, 2, 4, 9])
def test_teachers_of_costly_students_go_first_and_every_unit_is_trained_once(slots):
    costs = {"teacher": 1.0, "student": 5.0, "other": 3.0}
    others = [Unit(OTHER, "o", fold, None) for fold in range(FOLDS)]
    runs = Runs([*others, *students(), *teachers()], slots, lambda member: costs[member.name])
    schedule, running, now, ended, order = runs.schedule, [], 0.0, {}, []
    while not schedule.is_over():
        while title := runs.begin():
            unit = schedule.runs[runs.of[title]].unit
            assert all(ended.get(f, 1e9) <= now for of in unit.teachers for f in of)
            heapq.heappush(running, (now + costs[unit.member.name], title, unit.path))
            order.append(unit)
        now, title, path = heapq.heappop(running)
        runs.end(title)
        ended[path] = now
    assert len(order) == len({unit.path for unit in order}) == 4 * FOLDS
    assert order[0].member is TEACHER
    assert schedule.failures == {}


def costliest_of(waiting: list[Unit], trained: set[str], cost) -> Unit | None:
    """What a queue gives next, as its rule is written: of those without a teacher that waits or is
    trained, the one on which most hangs."""
    there = {unit.path for unit in waiting} | trained

    def hangs_on(unit: Unit) -> float:
        after = [cost(o.member) for o in waiting if any(unit.path in of for of in o.teachers)]
        return cost(unit.member) + max(after, default=0.0)

    ready = [u for u in waiting if not any(f in there for of in u.teachers for f in of)]
    return max(ready, key=hangs_on, default=None)


@pytest.mark.parametrize("seed", range(20))
def test_a_queue_gives_what_a_plain_list_gives(seed):
    """Random graphs, deaths and ends; of costs that all differ, so that there is one answer."""
    rng = np.random.default_rng(seed)
    costs, units = {}, []
    for i in range(30):
        name = f"m{i}"
        costs[name] = float(rng.uniform(1, 9))
        few = min(len(units), int(rng.integers(0, 3)))
        of = [units[j].path for j in rng.permutation(len(units))[:few]]
        member = STUDENT if of else TEACHER
        member = member.model_copy(update={"name": name})
        units.append(Unit(member, "u", 0, None, ((*of,),) if of else ()))
    cost = lambda member: costs[member.name]  # noqa: E731
    queue = Queue(cost)
    queue.add([units[i] for i in rng.permutation(30)])
    waiting, trained = list(units), {}
    while waiting or trained:
        expected = costliest_of(waiting, {*trained}, cost)
        if expected and (not trained or rng.random() < 0.6):
            assert queue.pop() == expected
            waiting.remove(expected)
            trained[expected.path] = expected
        else:
            assert expected is not None or queue.pop() is None
            path = [*trained][int(rng.integers(len(trained)))]
            unit = trained.pop(path)
            if rng.random() < 0.3:  # its process died
                queue.add([unit], behind=bool(rng.random() < 0.5))
                waiting.append(unit)
            else:
                queue.end(unit)
        assert len(queue) == len(waiting)
    assert queue.pop() is None
