"""The units and searches of a plan on Ray, with what is shown and kept of them meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from rich.console import Console

from orchestrator.cluster import machine
from orchestrator.cluster.known_recipes import known_recipes
from orchestrator.cluster.preflight import (
    cost_of,
    device_problems,
    lacks_weights,
    memory_of_unit,
    room_on,
)
from orchestrator.commands.outcome import Clock, Outcome
from orchestrator.commands.training.checks import Checks
from orchestrator.errors import WrongRequest, counted
from orchestrator.photographs.decoded import Decoding
from orchestrator.photographs.streaming import copying_of
from orchestrator.photographs.table import in_fold
from orchestrator.planning.plan import Plan
from orchestrator.progress.board import Board
from orchestrator.progress.record import Kept
from orchestrator.running.budget import Budget
from orchestrator.runs.store import Store
from orchestrator.screens.reading import both, reading
from orchestrator.search.candidates import MemberSearch
from orchestrator.spec.spec import Member, Spec
from orchestrator.tracking.follow import (
    create_experiment,
    joined_problems,
    lost_curves,
    problems_of_node,
)
from orchestrator.tracking.settings import withheld
from orchestrator.units import unit as units
from orchestrator.units.record import find_record
from orchestrator.units.unit import Unit


def train_on_ray(
    spec: Spec,
    plan: Plan,
    store: Store,
    console: Console,
    outcome: Outcome,
    kept: Kept,
    budget: Budget,
    *,
    searching: Mapping[str, MemberSearch],
    address: str | None,
    first: Collection[str] = (),
    complete: Callable[[Member], None] = lambda member: None,
    decoding: Decoding | None = None,
    whole: bool = False,
    beside: Sequence[Unit] = (),
    largest: int = 0,
) -> dict[str, dict[str, Any]]:
    """Run units and searches; the winners' settings, by member. Fills `outcome`.

    first: members that come before all others. complete: is told of each member whose last unit is done,
    with the settings that it has by then. decoding: copies of photographs that are made before. whole:
    units on all rows are among those of `plan`, or follow them. beside: as of `standing`. largest: pixels of
    the largest photograph.
    """
    clock = Clock(outcome.timing)
    photographs, todo = plan.now.photographs, plan.todo
    checks = Checks(spec, photographs, store, whole)
    if lacks_weights(spec):
        checks.require()  # and all else that is wrong, for which no Ray need start
    from orchestrator.cluster.connect import connect
    from orchestrator.cluster.ray_internals.trials import asks_the_dashboard
    from orchestrator.running.capacity import Capacity

    cost = cost_of(photographs)
    here = address in (None, "local")
    held = decoding.held if decoding else 0
    copying = copying_of(spec, photographs, largest=largest, here=here, held=held)
    for line in copying.lines():
        console.print(f"note: {line}")
    if decoding:
        with reading(console) as shown:
            needed = {unit.member.name for unit in todo} | {*searching}
            told = both(shown, kept.reading, lambda *_: checks.require_so_far())
            decoding.finish(photographs, needed, copying, told)
    checks.require_so_far()
    clock.lap("check")
    with (
        connect(address, dashboard=asks_the_dashboard()) as cluster,
        Capacity(cluster, spec.resources, console.print) as capacity,
    ):
        checks.require()
        create_experiment(spec.tracking, store, spec.name)
        if spec.tracking and not cluster.started_here:
            _require_trackers(spec.tracking, console)
        capacity.await_slots(len(todo) + sum(s.may_begin() for s in searching.values()))
        slots, gpus = capacity.slots(), capacity.processes.gpus
        to_train = {*searching, *(unit.member.name for unit in todo)}
        problems = device_problems(spec, [m for m in spec.members if m.name in to_train])
        if problems and not gpus:
            raise WrongRequest(problems)
        if cluster.started_here and not gpus:
            with known_recipes():
                sizes = {
                    m: memory_of_unit(spec, spec.member(m), photographs)
                    + copying.memory_of(spec.member(m))
                    for m in to_train
                }
            room = room_on(machine.memory(), slots, sizes)
            if problem := room.refusal():
                raise WrongRequest(problem)
            if room.slots < slots or room.taken > room.memory:
                console.print(f"note: {room.line()}")
            capacity.hold_at_most(room.slots)
            slots = capacity.slots()
        clock.lap("ray_start")
        where = "a local Ray" if cluster.started_here else f"the Ray at {cluster.address}"
        each = f", {n} processes each" if (n := spec.resources.workers) > 1 else ""
        n_again = len(plan.predicted_again)
        again = f"{counted(n_again, 'unit')} to predict again, " if n_again else ""
        console.print(
            f"{counted(len(todo) - n_again, 'unit')} to train, {again}"
            f"{counted(len(searching), 'member')} to search, {slots} at a time{each} on {where}",
        )
        board = standing(
            plan,
            store,
            beside,
            cost=cost,
            photos=lambda unit: len(in_fold(photographs.train, unit.fold)[0]),
            slots=slots,
            searches=searching,
        )
        from orchestrator.running import tune
        from orchestrator.running.schedule import Schedule
        from orchestrator.running.watch import Watch
        from orchestrator.screens.progress import Progress
        from orchestrator.worker.job import setup_of

        with Progress(console, board, kept) as progress:
            progress.expect(todo)
            schedule = Schedule(
                units=todo,
                searches=searching,
                units_left=lambda member: plan.left_of(member, store),
                cost=cost,
                slots=slots,
                progress=progress,
                watch=Watch(store, spec.resources.hang_minutes),
                first=first,
                complete=complete,
                budget=budget,
                begun={unit.member.name for unit in plan.units if unit not in todo},
            )
            setup = setup_of(spec, store, gpus, copying.ways, not cluster.started_here)
            tune.run_all(schedule, store, setup, capacity)
        clock.lap("runs")
    clock.lap("ray_stop")
    tracked = [
        *todo,
        *(
            unit
            for name, settings in schedule.searches.winners.items()
            for unit in units.chosen(spec.member(name).with_settings(settings), photographs, store)
        ),
    ]
    for line in lost_curves(tracked, store):
        console.print(f"note: {line}")
    outcome.timing |= {"slots": slots, **schedule.seconds}
    outcome.failures = schedule.failures
    outcome.late = schedule.late
    outcome.left_out += schedule.searches.left_out
    undone = {*schedule.failures, *schedule.late}
    outcome.predicted = sum(u.title not in undone for u in plan.predicted_again)
    outcome.trained = schedule.trained - outcome.predicted
    return schedule.searches.winners


def _require_trackers(trackers: Sequence[str], console: Console) -> None:
    """Raise `WrongRequest` where a machine of the joined Ray lacks a tracker, or its key."""
    from orchestrator.cluster.connect import on_each_node

    kept = withheld(os.environ, trackers)
    if others := [name for name, secret in kept.items() if not secret]:
        console.print(f"note: not known to be no secrets, so not passed on: {', '.join(others)}")
    secrets = [name for name, secret in kept.items() if secret]
    found = on_each_node(problems_of_node, list(trackers), secrets)
    if problems := joined_problems(trackers, found):
        raise WrongRequest(problems)


def standing(plan: Plan, store: Store, beside: Sequence[Unit] = (), **how: Any) -> Board:
    """The units as they stand before anything is trained. beside: those of an earlier plan, all of
    them done; how: of `Board`."""
    todo = {unit.path for unit in plan.todo}
    done = [*beside, *(unit for unit in plan.units if unit.path not in todo)]
    records = {unit.path: find_record(unit.path, store) for unit in done} if store.local else {}
    scores = {unit.path: None for unit in done} | {
        path: record.metrics.get(record.member.get("recipe", {}).get("metric"))
        for path, record in records.items()
        if record
    }
    names = [member.name for member in plan.now.spec.members]
    board = Board(**{"cost": lambda member: 1.0, "members": names, **how})
    board.stand([*beside, *plan.units], scores)
    return board
