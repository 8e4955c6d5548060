"""`train-members`: search, then every unit that is missing, then the tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from rich.console import Console

from ensembles.store_errors import store_problem
from orchestrator import stopping
from orchestrator.cluster.joining import reach
from orchestrator.cluster.private import show_token
from orchestrator.cluster.reading import reading_at
from orchestrator.commands.damage import every_damage
from orchestrator.commands.outcome import Outcome
from orchestrator.commands.tables import make_tables
from orchestrator.commands.training.early_tables import EarlyTables
from orchestrator.commands.training.on_ray import standing, train_on_ray
from orchestrator.errors import BAD_INPUT, RunFailed, WrongRequest, unknown
from orchestrator.photographs.decoded import Decoding
from orchestrator.photographs.earlier import keep_earlier
from orchestrator.photographs.files import write_photographs
from orchestrator.photographs.prepare import prepare_photographs, report_lines
from orchestrator.photographs.table import Photographs
from orchestrator.planning.plan import make_plan
from orchestrator.planning.refit import damaged_refits, epochs_line, make_refit_plan, require_refits
from orchestrator.progress.record import Kept, keeping
from orchestrator.running.budget import NOT_BEGUN, Budget
from orchestrator.runs import folders
from orchestrator.runs.damage import set_aside, write_recorded
from orchestrator.runs.store import Store
from orchestrator.screens.reading import both, reading
from orchestrator.search.candidates import with_winners
from orchestrator.spec.spec import Spec
from orchestrator.units import unit as units
from orchestrator.units.stacks import stack_problems


def train(
    spec: Spec,
    store: Store,
    console: Console,
    *,
    only: Sequence[str] = (),
    first: Sequence[str] = (),
    address: str | None = None,
    keep_units: bool = False,
    refit: bool = False,
    agreed: Callable[[], bool] = lambda: True,
) -> Outcome:
    """Do what is missing of `spec` in the run folder `store`; a second call finds nothing to do.

    first: members that come before all others. keep_units: finished units are used where photographs
    are gone since. agreed: called before finished units are trained again for what does not stand in
    the spec. refit: afterwards each complete member is trained on all rows, too.

    Raises `WrongRequest` or `BadInput` before anything is trained, and `RunFailed` where that is not
    agreed to: the run folder is then as it was.
    """
    started = time.monotonic()
    if address not in (None, "local"):
        show_token()
        reach(address)
    chosen = _chosen(spec, only, first)
    of_all_runs = Store(folders.runs())  # where this is now: a disk may be away in between
    store.require_writable()
    here = address in (None, "local")  # another machine has a cache of its own
    with (
        store.lock(),
        _refusals_end_it(),
        keeping(store, spec.name) as kept,
        Decoding(spec, chosen if here else ()) as decoding,
    ):
        budget = Budget(spec.hours, kept.spent_before)
        store.delete("ray")  # signs of life of an earlier call's processes
        damaged = every_damage(store)
        for line in set_aside(damaged, store):
            console.print(f"note: {line}")
        with reading(console) as shown:
            prepared = prepare_photographs(
                spec, both(shown, kept.reading), decoding=decoding, read_by=reading_at(address)
            )
        for text in report_lines(prepared):
            console.print(text)
        if problems := stack_problems(spec, prepared.photographs):
            raise WrongRequest(problems)
        if refit:
            require_refits(spec, chosen, prepared.photographs)
        plan = make_plan(spec, prepared, store, chosen, keep_units)
        for text in plan.lines():
            console.print(f"note: {text}")
        for text in plan.folds():
            console.print(text)
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
        kept.put(now=True, phase="starting", **standing(plan, store).document())
        if budget.left() <= 0:
            outcome.late = dict.fromkeys([*(u.title for u in todo), *searching], NOT_BEGUN)
        elif todo or searching:
            try:
                with EarlyTables(photographs, store) as early:
                    winners = train_on_ray(
                        resolved, plan, store, console, outcome, kept, budget,
                        searching=searching, address=address, first=first, whole=refit,
                        complete=early.make, decoding=decoding, largest=prepared.largest,
                    )  # fmt: skip
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
        outcome.some_folds = made.some_folds
        outcome.failures |= made.failures
        if refit:
            names = [name for name in chosen if name in made.tables]
            outcome.add_refits(
                _refit(
                    resolved,
                    names,
                    photographs,
                    store,
                    console,
                    address,
                    first,
                    kept,
                    budget,
                    prepared.largest,
                )
            )
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


def _refit(
    spec: Spec,
    names: Sequence[str],
    photographs: Photographs,
    store: Store,
    console: Console,
    address: str | None,
    first: Sequence[str],
    kept: Kept,
    budget: Budget,
    largest: int,
) -> Outcome:
    """Train the members `names`, whose tables are made, on all rows."""
    for line in set_aside(damaged_refits(names, store), store):
        console.print(f"note: {line}")
    plan, failures = make_refit_plan(spec, names, photographs, store)
    outcome = Outcome(already=len(plan.units) - len(plan.todo))
    if budget.left() <= 0:
        outcome.late = {unit.title: NOT_BEGUN for unit in plan.todo}
    elif plan.todo:
        console.print(f"on all rows, {epochs_line(plan.units)}")
        folds = [u for n in names for u in units.chosen(spec.member(n), photographs, store)]
        train_on_ray(
            spec, plan, store, console, outcome, kept, budget,
            searching={}, address=address, first=first, whole=True, beside=folds,
            largest=largest,
        )  # fmt: skip
    outcome.failures |= failures
    return outcome


def _chosen(spec: Spec, only: Sequence[str], first: Sequence[str]) -> list[str]:
    """The members that are trained. Raises `WrongRequest` where one of the names is of none."""
    names = [member.name for member in spec.members]
    wrong = [
        f"{option}: {name} is made of other members' tables, at the end of every call: nothing of it "
        "is trained"
        if name in spec.made()
        else f"{option}: {unknown('member', name, names)}"
        for option, given in (("--only", only), ("--first", first))
        for name in given
        if name not in names
    ]
    wrong += [
        f"--first: {name} is not among the members of --only, so it is not trained at all"
        for name in first
        if only and name in names and name not in only
    ]
    if wrong:
        raise WrongRequest(wrong)
    return [name for name in names if not only or name in only]
