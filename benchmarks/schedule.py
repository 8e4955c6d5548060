"""How near the schedule comes to the shortest time there is, and what giving out units costs.

    PYTHONPATH=. python benchmarks/schedule.py

The real Schedule, with the board that `status` reads, and units that only take time on a clock of
their own. No schedule takes less than the longest unit, nor less than work / slots: the ratio is the
wall time over the greater of the two. `as estimated`: a unit takes what the schedule expects of it;
`x 1.3`: times a factor that is drawn, log-normal with that standard deviation.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable

import numpy as np

from orchestrator.progress.board import Board
from orchestrator.running.schedule import Schedule
from orchestrator.running.watch import Watch
from orchestrator.runs.store import Store
from orchestrator.spec.spec import Member
from orchestrator.units.unit import Unit

START = 10.0  # seconds until a process is there


class Told(Board):
    """The board as what a schedule tells its progress to: nothing is printed."""

    def tick(self, slots: int) -> None: ...


def ensemble(costs: np.ndarray, folds: int) -> tuple[list[Unit], dict[str, float]]:
    """Units of members whose units take `costs` seconds each."""
    units, by_name = [], {}
    for number, cost in enumerate(costs):
        member = Member(name=f"m{number}", recipe={"model": "test_resnet"})
        by_name[member.name] = float(cost)
        units += [Unit(member, f"{number:016x}", fold, None) for fold in range(folds)]
    return units, by_name


def play(
    units: list[Unit],
    costs: dict[str, float],
    seconds: dict[str, float],
    slots: int,
    outcome: Callable[[Unit], str] = lambda unit: "done",
) -> tuple[float, Schedule]:
    """Wall time on the clock until all units have ended, and their schedule. seconds: by path.

    outcome: `done`, `failed`, or `died` where the unit's process did; called when its time is over.
    """

    def cost(member: Member) -> float:
        return costs[member.name]

    board = Told(cost, slots=slots)
    board.expect(units)
    watch = Watch(Store("nowhere"), hang_minutes=1e9)
    schedule = Schedule(units, {}, lambda member: units, cost, slots, board, watch)
    running: list[tuple[float, str]] = []
    now, processes = 0.0, 0
    while not schedule.is_over():
        while job := schedule.start(str(processes)):
            heapq.heappush(running, (now + START + seconds[job.unit.path], str(processes)))
            processes += 1
        now, process = heapq.heappop(running)
        unit = schedule.runs[process].unit
        how = outcome(unit)
        for event in ("started", "predicting", *(() if how == "died" else (how,))):
            schedule.report(process, {"event": event, "unit": unit.path, "message": "by chance"})
        if how == "died":
            schedule.lost(process, "by chance")
            schedule.end(process)
            continue
        schedule.idle(process)
        for name, job in schedule.answers():
            if job is None:
                schedule.end(name)
            else:
                heapq.heappush(running, (now + seconds[job.unit.path], name))
    return now, schedule


def ratios(members: int, folds: int, slots: int, spread: float, draws: int = 20) -> np.ndarray:
    """Wall time over the least there is, of members of 60 seconds to an hour."""
    found, rng = [], np.random.default_rng(0)
    for _ in range(draws):
        units, costs = ensemble(np.exp(rng.uniform(np.log(60), np.log(3600), members)), folds)
        seconds = {
            unit.path: costs[unit.member.name] * float(np.exp(spread * rng.standard_normal()))
            for unit in units
        }
        wall, _ = play(units, costs, seconds, slots)
        least = START + max(max(seconds.values()), sum(seconds.values()) / slots)
        found.append(wall / least)
    return np.array(found)


def main() -> None:
    print(
        "units of mixed length, 60:1, wall time over the least there is: median and greatest of 20"
    )
    print(f"{'members':>8}{'folds':>6}{'slots':>6}{'as estimated':>16}{'x 1.3':>16}")
    for members, folds, slots in ((25, 5, 8), (25, 5, 64), (25, 5, 16), (100, 5, 64), (6, 5, 2)):
        shown = ""
        for spread in (0.0, 0.3):
            own = ratios(members, folds, slots, spread)
            shown += f"{np.median(own):>10.3f} {own.max():.3f}"
        print(f"{members:>8}{folds:>6}{slots:>6}{shown}", flush=True)
    print("\nall that the schedule does for so many units, CPU seconds: median of 3")
    for members, slots in ((1000, 64), (2000, 64), (2000, 2000)):
        units, costs = ensemble(np.linspace(1, 60, members), 5)
        seconds = {unit.path: costs[unit.member.name] for unit in units}
        took = []
        for _ in range(3):
            began = time.process_time()
            _, schedule = play(units, costs, seconds, slots)
            took.append(time.process_time() - began)
            assert schedule.trained == len(units)
        print(f"{5 * members:>8} units on {slots:>5} slots {np.median(took):>8.2f} s")


if __name__ == "__main__":
    main()
