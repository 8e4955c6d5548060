"""`train-members`: search, then every unit that is missing, then the tables."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console

from ensembles.store_errors import store_problem
from members.errors import BadInput
from orchestrator import stopping
from orchestrator.cluster import machine
from orchestrator.cluster.joining import reach
from orchestrator.cluster.preflight import (
    batch_problems,
    cost_of,
    device_problems,
    memory_of_unit,
    room_on,
    training_problems,
)
from orchestrator.cluster.private import show_token
from orchestrator.commands.damage import every_damage
from orchestrator.commands.outcome import Clock, Outcome
from orchestrator.commands.tables import make_tables
from orchestrator.errors import BAD_INPUT, RunFailed, WrongRequest, counted, unknown
from orchestrator.photographs.cache import cache_folder
from orchestrator.photographs.decoded import Decoding
from orchestrator.photographs.earlier import keep_earlier
from orchestrator.photographs.files import write_photographs
from orchestrator.photographs.prepare import prepare_photographs, report_lines
from orchestrator.photographs.table import Photographs, in_fold
from orchestrator.planning.plan import Plan, make_plan
from orchestrator.planning.refit import damaged_refits, epochs_line, make_refit_plan, require_refits
from orchestrator.progress.board import Board
from orchestrator.progress.record import Kept, keeping
from orchestrator.runs import folders
from orchestrator.runs.damage import set_aside, write_recorded
from orchestrator.runs.store import Store
from orchestrator.screens.reading import both, reading
from orchestrator.search.candidates import with_winners
from orchestrator.spec.spec import Spec
from orchestrator.tracking.follow import (
    create_experiment,
    joined_problems,
    lost_curves,
    problems_of_node,
    tracking_problems,
)
from orchestrator.tracking.settings import withheld
from orchestrator.units import unit as units
from orchestrator.units.record import find_record
from orchestrator.units.stacks import stack_problems
from orchestrator.units.unit import Unit


def train(
    spec: Spec,
    store: Store,
    console: Console,
    *,
    only: Sequence[str] = (),
    address: str | None = None,
    keep_units: bool = False,
    refit: bool = False,
    agreed: Callable[[], bool] = lambda: True,
) -> Outcome:
    """Do what is missing of `spec` in the run folder `store`; a second call finds nothing to do.

    keep_units: finished units are used where photographs are gone since. agreed: called before
    finished units are trained again for what does not stand in the spec. refit: afterwards each
    complete member is trained on all rows, too. Raises `WrongRequest` or
    `BadInput` before anything is trained, and `RunFailed` where that is not agreed to: the run
    folder is then as it was.
    """
    started = time.monotonic()
    if address not in (None, "local"):
        show_token()
        reach(address)
    chosen = _chosen(spec, only)
    of_all_runs = Store(folders.runs())  # where this is now: a disk may be away in between
    store.require_writable()
    here = address in (None, "local")  # another machine has a cache of its own
    with (
        store.lock(),
        _refusals_end_it(),
        keeping(store, spec.name) as kept,
        Decoding(spec, chosen if here else ()) as decoding,
    ):
        store.delete("ray")  # signs of life of an earlier call's processes
        damaged = every_damage(store)
        for line in set_aside(damaged, store):
            console.print(f"note: {line}")
        with reading(console) as shown:
            prepared = prepare_photographs(spec, both(shown, kept.reading), decoding=decoding)
        for text in report_lines(prepared):
            console.print(text)
        if problems := stack_problems(spec, prepared.photographs):
            raise WrongRequest(problems)
        if refit:
            require_refits(spec, chosen, prepared.photographs)
        plan = make_plan(spec, prepared, store, chosen, keep_units)
        for text in plan.lines():
            console.print(f"note: {text}")
        for own in plan.waiting():
            if own.units:
                console.print(own.line())
        if plan.is_surprising() and not agreed():
            raise RunFailed(
                "Nothing was trained, and the run folder is as it was. Put back what changed, or "
                "use the finished units with --keep-units where that is offered above."
            )
        for line in set_aside(plan.damage(), store):
            console.print(f"note: {line}")
        photographs = plan.now.photographs
        keep_earlier(photographs, store)
        write_photographs(photographs, store)
        resolved, left_out, todo = plan.now.spec, plan.now.left_out, plan.todo
        write_recorded("spec.yaml", resolved.to_yaml(), store)
        outcome = Outcome(
            already=len(plan.units) - len(todo), mended=len(damaged), left_out=list(left_out)
        )
        outcome.timing["data"] = time.monotonic() - started
        searching = {name: s for name, s in plan.now.searching.items() if name in chosen}
        undecided = {*plan.now.searching}
        kept.put(now=True, phase="starting", **_standing(plan, store).document())
        if todo or searching:
            try:
                winners = _train(
                    resolved,
                    plan,
                    store,
                    console,
                    searching,
                    address,
                    outcome,
                    kept,
                    decoding,
                    refit,
                )
            except BaseException as error:
                # after a signal, which Ray may have made another error of: what is finished can vote
                if isinstance(error, KeyboardInterrupt) or stopping.exit_code():
                    with suppress(*BAD_INPUT, OSError):
                        make_tables(resolved, undecided, left_out, photographs, store, None)
                raise
            resolved, undecided = with_winners(resolved, winners), undecided - {*winners}
            write_recorded("spec.yaml", resolved.to_yaml(), store)
        kept.put(now=True, phase="tables")
        made = make_tables(resolved, undecided, outcome.left_out, photographs, store, console)
        outcome.tables, outcome.partial = made.tables, made.partial
        outcome.failures |= made.failures
        if refit:
            names = [name for name in chosen if name in made.tables]
            outcome.add_refits(_refit(resolved, names, photographs, store, console, address, kept))
        kept.put(failures=outcome.failures)
        folders.remember(store, of_all_runs)
        outcome.seconds = time.monotonic() - started
        if outcome.timing.get("slots"):
            timing = {name: round(seconds, 3) for name, seconds in outcome.timing.items()}
            store.write_json("timing.json", {"wall": round(outcome.seconds, 3), **timing})
    return outcome


@contextmanager
def _refusals_end_it() -> Iterator[None]:
    """Of a run's object store: no mistake of the request, which was answered when it began."""
    try:
        yield
    except OSError as error:
        if problem := store_problem(error):
            raise RunFailed(f"{problem}. {stopping.how_to_go_on()}") from None
        raise


def _standing(plan: Plan, store: Store, beside: Sequence[Unit] = (), **how: Any) -> Board:
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


def _refit(
    spec: Spec,
    names: Sequence[str],
    photographs: Photographs,
    store: Store,
    console: Console,
    address: str | None,
    kept: Kept,
) -> Outcome:
    """Train the members `names`, whose tables are made, on all rows."""
    for line in set_aside(damaged_refits(names, store), store):
        console.print(f"note: {line}")
    plan, failures = make_refit_plan(spec, names, photographs, store)
    outcome = Outcome(already=len(plan.units) - len(plan.todo))
    if plan.todo:
        console.print(f"on all rows, {epochs_line(plan.units)}")
        folds = [u for n in names for u in units.chosen(spec.member(n), photographs, store)]
        _train(spec, plan, store, console, {}, address, outcome, kept, None, True, folds)
    outcome.failures |= failures
    return outcome


def _train(
    spec, plan: Plan, store, console, searching, address, outcome: Outcome, kept: Kept,
    decoding: Decoding | None, whole=False, beside=(),
):  # fmt: skip
    """Run units and searches on Ray; the winners' settings. Fills `outcome`.

    decoding: copies of photographs that are made before. whole: units on all rows are among those of
    `plan`, or follow them. beside: as of `_standing`.
    """
    clock = Clock(outcome.timing)
    photographs, todo = plan.now.photographs, plan.todo
    problems = training_problems(spec) or batch_problems(spec, photographs, whole)
    problems += tracking_problems(spec.tracking, store)
    if problems:
        raise BadInput(problems)
    create_experiment(spec.tracking, store, spec.name)
    from orchestrator.cluster.connect import connect
    from orchestrator.running import tune
    from orchestrator.running.capacity import Capacity
    from orchestrator.running.schedule import Schedule
    from orchestrator.running.watch import Watch
    from orchestrator.screens.progress import Progress
    from orchestrator.worker.job import job_of

    cost = cost_of(photographs)
    if decoding:
        with reading(console) as shown:
            needed = {unit.member.name for unit in todo} | {*searching}
            decoding.finish(photographs, needed, both(shown, kept.reading))
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
        if cluster.started_here and not gpus:
            sizes = {m: memory_of_unit(spec, spec.member(m), photographs) for m in to_train}
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
        board = _standing(
            plan,
            store,
            beside,
            cost=cost,
            photos=lambda unit: len(in_fold(photographs.train, unit.fold)[0]),
            slots=slots,
            searches=searching,
        )
        with Progress(console, board, kept) as progress:
            progress.expect(todo)
            schedule = Schedule(
                units=todo,
                searches=searching,
                units_left=lambda member: plan.left_of(member, store),
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
            for unit in units.chosen(spec.member(name).with_settings(settings), photographs, store)
        ),
    ]
    for line in lost_curves(tracked, store):
        console.print(f"note: {line}")
    outcome.timing |= {"slots": slots, **schedule.seconds}
    outcome.failures = schedule.failures
    outcome.left_out += schedule.left_out
    outcome.predicted = sum(u.title not in schedule.failures for u in plan.predicted_again)
    outcome.trained = schedule.trained - outcome.predicted
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


def _chosen(spec: Spec, only: Sequence[str]) -> list[str]:
    names = [member.name for member in spec.members]
    wrong = [
        f"--only: {name} is made of other members' tables, at the end of every call: nothing of it "
        "is trained"
        if name in spec.made()
        else f"--only: {unknown('member', name, names)}"
        for name in only
        if name not in names
    ]
    if wrong:
        raise WrongRequest(wrong)
    return [name for name in names if not only or name in only]
