"""How units are dealt out to runs: no slot waits long, and starting up is paid for rarely."""

from __future__ import annotations

import heapq
import io

import numpy as np
import pytest
from rich.console import Console

from orchestrator.progress.board import Board
from orchestrator.running import causes
from orchestrator.running.schedule import Schedule, units_per_run
from orchestrator.running.watch import Watch
from orchestrator.runs.store import Store
from orchestrator.screens.progress import Progress
from orchestrator.spec.spec import Member
from orchestrator.units.unit import Unit
from tests.orchestrator.in_process import job

START = 0.6  # of the cost of a unit
NOTHING = job(Store("nowhere"), (), "nowhere")


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


def simulate(units: list[Unit], costs: dict[str, float], slots: int) -> tuple[float, int]:
    """Wall time and number of runs when `Schedule` deals `units` out to `slots`."""

    def cost(member: Member) -> float:
        return costs[member.name]

    progress = Progress(Console(file=io.StringIO()), Board(cost))
    schedule = Schedule(units, {}, lambda m: [], cost, slots, NOTHING, progress, watch())
    running: list[tuple[float, int, str]] = []
    now, runs, seen = 0.0, 0, []
    while True:
        run = f"run-{runs}"
        begun = schedule.start(run)
        if begun is not None:
            mine = begun.units
            seen += [u.path for u in mine]
            assert len({u.member.name for u in mine}) == 1
            heapq.heappush(running, (now + START + sum(cost(u.member) for u in mine), runs, run))
            runs += 1
            assert len(running) <= slots
            continue
        if schedule.is_over():
            break
        now, _, run = heapq.heappop(running)
        for unit in schedule.runs[run].units:
            schedule.report(run, {"event": "done", "unit": unit.path})
        schedule.end(run)
    assert sorted(seen) == sorted(u.path for u in units)
    assert schedule.failures == {}
    assert schedule.trained == len(units)
    return now, runs


@pytest.mark.parametrize("slots", [1, 2, 3, 4, 8, 40])
def test_wall_time_is_near_the_best_possible(slots):
    rng = np.random.default_rng(slots)
    for _ in range(30):
        units, costs = members(*((f"m{i}", int(rng.integers(1, 6)), float(rng.uniform(0.5, 5)))
                                 for i in range(int(rng.integers(1, 9)))))  # fmt: skip
        total = sum(costs[u.member.name] for u in units)
        longest = max(costs.values())
        wall, _ = simulate(units, costs, slots)
        # a greedy order ends within one unit of the average load, plus what starting costs
        least = max(total / slots, longest) + START
        starts = START * (len(costs) / slots + 4)
        assert wall <= total / slots + longest + starts
        assert wall >= least - 1e-9


def test_folds_share_a_process_where_slots_are_few_and_not_where_there_are_many():
    units, costs = members(("a", 5, 1.0), ("b", 5, 1.0))
    assert simulate(units, costs, slots=1)[1] == 2
    assert simulate(units, costs, slots=2)[1] <= 4
    assert simulate(units, costs, slots=10) == (pytest.approx(1 + START), 10)


def test_the_costliest_member_goes_first():
    units, costs = members(("small", 2, 1.0), ("large", 2, 9.0))
    cost = lambda m: costs[m.name]  # noqa: E731
    progress = Progress(Console(file=io.StringIO()), Board(cost))
    schedule = Schedule(units, {}, lambda m: [], cost, 1, NOTHING, progress, watch())
    assert schedule.start("first").units[0].member.name == "large"
    assert schedule.start("second") is None  # one slot


def test_units_per_run_is_a_slots_share_of_what_is_outstanding():
    assert units_per_run(available=5, cost=1.0, outstanding=10.0, slots=2) == 5
    assert units_per_run(available=5, cost=1.0, outstanding=4.0, slots=2) == 2
    assert units_per_run(available=5, cost=1.0, outstanding=1.0, slots=2) == 1
    assert units_per_run(available=3, cost=2.0, outstanding=100.0, slots=1) == 3
    assert units_per_run(available=5, cost=4.0, outstanding=20.0, slots=8) == 1


class Left:
    """A schedule of one member's units on one slot, where `done` is what their folders hold."""

    def __init__(self, folds: int):
        self.units, costs = members(("a", folds, 1.0))
        self.done: set[str] = set()
        self.screen = io.StringIO()
        progress = Progress(Console(file=self.screen, width=200), Board(lambda m: 1.0))
        self.schedule = Schedule(
            self.units, {}, self.left, lambda m: costs[m.name], 1, NOTHING, progress, watch()
        )
        self.runs = 0

    def left(self, member: Member) -> list[Unit]:
        return [unit for unit in self.units if unit.path not in self.done]

    def start(self) -> list[int]:
        """The folds of the next run."""
        self.runs += 1
        job = self.schedule.start(str(self.runs))
        assert job is not None
        return [unit.fold for unit in job.units]

    def report(self, event: str, fold: int, **values) -> None:
        values = {"epoch": 0, "score": 0.5, "value": 0.5, "message": "", **values}
        path = self.units[fold].path
        self.schedule.report(str(self.runs), {"event": event, "unit": path, **values})

    def die(self, cause: str = "killed") -> None:
        self.schedule.lost(str(self.runs), cause)
        self.schedule.end(str(self.runs))


def test_a_note_that_several_processes_report_is_printed_once_and_every_other_too():
    of = Left(2)
    of.start()
    lines = [f"cache/{name}.npy: 1 of 24 photos in it is damaged; made again" for name in "ab"]
    for line in (lines[0], lines[0], lines[1], lines[0]):
        of.report("note", 0, message=line)
    assert [of.screen.getvalue().count(line) for line in lines] == [1, 1]


def test_a_run_whose_process_died_goes_on_in_another_with_what_it_had_not_finished():
    work = Left(4)
    assert work.start() == [0, 1, 2, 3]
    work.report("started", 0)
    work.report("done", 0)
    work.report("started", 1)
    work.report("failed", 1, message="the loss became nan")
    work.report("started", 2)
    work.report("epoch", 2, epoch=3)
    work.die("its machine was lost")
    assert (
        "a fold 2: its training process died (its machine was lost); it goes on after epoch 3"
        in (work.screen.getvalue())
    )
    assert not work.schedule.is_over()
    assert work.start() == [2, 3]
    for fold in (2, 3):
        work.report("started", fold)
        work.report("done", fold)
    work.schedule.end("2")
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
        if work.start()[0] == 1:  # its turn, after a death before an epoch
            work.report("done", 1)
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
    assert work.start() == [0, 1, 2]
    work.report("started", 0)
    work.die()
    assert work.start() == [1, 2, 0]
    work.report("started", 1)
    work.report("epoch", 1, epoch=1)
    work.die()
    assert work.start() == [1, 2, 0]


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
    work.schedule.end(str(work.runs))
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
    assert work.start() == [1, 2]
    for fold in (1, 2):
        work.report("started", fold)
        work.report("done", fold)
    work.schedule.end("2")
    assert work.schedule.trained == 3
    assert work.schedule.failures == {}


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_shows_member_fold_epoch_score_and_time_left(terminal):
    units, costs = members(("resnet", 2, 1.0))
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=terminal, width=100)
    with Progress(console, Board(lambda m: costs[m.name])) as progress:
        progress.expect(units)
        progress.started({u.path: u.title for u in units}, units)
        for epoch in (1, 2):
            progress.reported(
                {"event": "epoch", "unit": units[1].path, "epoch": epoch, "score": 0.625}
            )
        progress.note("resnet: a note")
        progress.reported({"event": "done", "unit": units[1].path})
        progress.ended({u.path: "done" for u in units})
    shown = screen.getvalue()
    for part in ("resnet", "fold", "2/10" if terminal else "1/10", "0.6250", "left", "a note"):
        assert part in shown
    assert ("\x1b[" in shown) == terminal
