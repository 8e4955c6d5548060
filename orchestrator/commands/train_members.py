"""`train-members`: search, then every unit that is missing, then the tables."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console

from members.errors import BadInput
from orchestrator.cluster.joining import reach
from orchestrator.cluster.preflight import (
    batch_problems,
    cost_of,
    device_problems,
    training_problems,
)
from orchestrator.cluster.private import show_token
from orchestrator.errors import WrongRequest, counted, unknown
from orchestrator.photographs.files import write_photographs
from orchestrator.photographs.prepare import cache_folder, prepare_photographs, report_lines
from orchestrator.photographs.table import Photographs
from orchestrator.runs import folders
from orchestrator.runs.store import Store
from orchestrator.screens.reading import reading
from orchestrator.search.candidates import resolve, with_winners
from orchestrator.spec.spec import Member, Spec
from orchestrator.tracking.follow import (
    create_experiment,
    joined_problems,
    lost_curves,
    problems_of_node,
    tracking_problems,
)
from orchestrator.tracking.settings import withheld
from orchestrator.units import unit as units
from orchestrator.units.assemble import assemble
from orchestrator.units.joins import assemble_join
from orchestrator.units.unit import Unit


@dataclass
class Outcome:
    """What one call did. `failures`: what failed -> why; `tables`: complete members.

    left_out: members that lost to others in the search, and so were not trained.
    """

    trained: int = 0
    already: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    tables: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    seconds: float = 0.0
    timing: dict[str, float] = field(default_factory=dict)


def train(
    spec: Spec,
    store: Store,
    console: Console,
    *,
    only: Sequence[str] = (),
    address: str | None = None,
) -> Outcome:
    """Do what is missing of `spec` in the run folder `store`; a second call finds nothing to do.

    Raises `WrongRequest` or `BadInput` before anything is trained.
    """
    started = time.monotonic()
    if address not in (None, "local"):
        show_token()
        reach(address)
    chosen = _chosen(spec, only)
    with store.lock():
        with reading(console) as progress:
            prepared = prepare_photographs(spec, progress)
        for text in report_lines(prepared):
            console.print(text)
        photographs = prepared.photographs
        write_photographs(photographs, store)
        resolved, searching, left_out = resolve(spec, photographs, store)
        store.write("spec.yaml", resolved.to_yaml())
        waiting = {*searching, *left_out}
        members = [m for m in resolved.members if m.name in chosen and m.name not in waiting]
        todo = [u for m in members for u in _left(m, photographs, store)]
        already = sum(len(units.of_member(m, photographs)) for m in members) - len(todo)
        outcome = Outcome(already=already, left_out=left_out)
        outcome.timing["data"] = time.monotonic() - started
        searching = {name: search for name, search in searching.items() if name in chosen}
        if todo or searching:
            winners = _train(
                resolved, photographs, store, console, todo, searching, address, outcome
            )
            resolved = with_winners(resolved, winners)
            store.write("spec.yaml", resolved.to_yaml())
        for member in resolved.members:
            if member.name in outcome.left_out:  # it may have been trained before it had to compete
                store.delete(f"tables/{member.name}")
            elif member.name not in outcome.failures and assemble(member, photographs, store):
                outcome.tables.append(member.name)
        for join in resolved.join:
            if assemble_join(join, resolved, photographs, store):
                outcome.tables.append(join.name)
        folders.remember(store)
        outcome.seconds = time.monotonic() - started
        if outcome.timing.get("slots"):
            timing = {name: round(seconds, 3) for name, seconds in outcome.timing.items()}
            store.write_json("timing.json", {"wall": round(outcome.seconds, 3), **timing})
    return outcome


def _train(spec, photographs, store, console, todo, searching, address, outcome: Outcome):
    """Run units and searches on Ray; the winners' settings. Fills `outcome`."""
    clock = _Clock(outcome.timing)
    problems = training_problems(spec) or batch_problems(spec, photographs)
    problems += tracking_problems(spec.tracking, store)
    if problems:
        raise BadInput(problems)
    create_experiment(spec.tracking, store, spec.name)
    from orchestrator.cluster import tune
    from orchestrator.cluster.capacity import Capacity
    from orchestrator.cluster.connect import connect
    from orchestrator.cluster.schedule import Schedule
    from orchestrator.cluster.watch import Watch
    from orchestrator.screens.progress import Progress
    from orchestrator.worker.job import job_of

    cost = cost_of(photographs)
    clock.lap("check")
    with (
        connect(address) as cluster,
        Capacity(cluster, spec.resources, console.print) as capacity,
    ):
        if spec.tracking and not cluster.started_here:
            _require_trackers(spec.tracking, console)
        capacity.await_slots(len(todo) + sum(s.may_begin() for s in searching.values()))
        slots, gpus = capacity.slots(), capacity.processes.gpus
        to_train = {*searching, *(unit.member.name for unit in todo)}
        problems = device_problems(spec, [m for m in spec.members if m.name in to_train])
        if problems and not gpus:
            raise WrongRequest(problems)
        clock.lap("ray_start")
        where = "a local Ray" if cluster.started_here else f"the Ray at {cluster.address}"
        each = f", {n} processes each" if (n := spec.resources.workers) > 1 else ""
        console.print(
            f"{counted(len(todo), 'unit')} to train, {counted(len(searching), 'member')} to search, "
            f"{slots} at a time{each} on {where}",
        )
        with Progress(console, cost) as progress:
            progress.expect(todo)
            schedule = Schedule(
                units=todo,
                searches=searching,
                units_left=lambda member: _left(member, photographs, store),
                cost=cost,
                slots=slots,
                job=job_of(spec, store, gpus, cache_folder()),
                progress=progress,
                watch=Watch(store, spec.resources.hang_minutes),
            )
            tune.run_all(schedule, store, capacity)
        clock.lap("runs")
    clock.lap("ray_stop")
    tracked = [
        *todo,
        *(
            unit
            for name, settings in schedule.winners.items()
            for unit in units.of_member(spec.member(name).with_settings(settings), photographs)
        ),
    ]
    for line in lost_curves(tracked, store):
        console.print(f"note: {line}")
    outcome.timing |= {"slots": slots, **schedule.seconds}
    outcome.failures = schedule.failures
    outcome.left_out += schedule.left_out
    outcome.trained = schedule.trained
    return schedule.winners


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


class _Clock:
    """Seconds since the last lap, by name; `timing.json` keeps them for the benchmark."""

    def __init__(self, laps: dict[str, float]):
        self._laps, self._last = laps, time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self._laps[name], self._last = now - self._last, now


def _left(member: Member, photographs: Photographs, store: Store) -> list[Unit]:
    of_member = units.of_member(member, photographs)
    return units.left(of_member, store, photographs.test_hash_of(member.photos))


def _chosen(spec: Spec, only: Sequence[str]) -> set[str]:
    names = [member.name for member in spec.members]
    wrong = [f"--only: {unknown('member', name, names)}" for name in only if name not in names]
    if wrong:
        raise WrongRequest(wrong)
    return set(only or names)
