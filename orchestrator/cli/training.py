"""The commands that look at what would be trained, and train it: check and train-members."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from orchestrator import stopping
from orchestrator.cli.options import Json, RunDir, Sets, Small, SpecFile
from orchestrator.cli.output import folder_place, spec_file, spec_or_run
from orchestrator.errors import THE_DISK, RunFailed, WrongRequest, counted
from orchestrator.printing import screen as new_screen
from orchestrator.printing import write_json
from orchestrator.program import command, same_command, settings

KeepUnits = Annotated[
    bool,
    typer.Option(
        "--keep-units", help="use finished units where photos are gone since; the record says so"
    ),
]

_LISTED = 5  # units that there was no time for


def check(
    spec: SpecFile,
    small: Small = False,
    sets: Sets = None,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep",
            help="read every photo, and all decoded photos of the cache, whatever was read before",
        ),
    ] = False,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="have the machines of this Ray read the photos, where they are many",
        ),
    ] = None,
    run: RunDir = None,
    json: Json = None,
    keep_units: KeepUnits = False,
) -> None:
    """Validate spec and data and train nothing; exit code 0 only where training would start."""
    from orchestrator.commands.check import show_plan
    from orchestrator.runs import folders
    from orchestrator.spec import load, located

    folder_place(run, "--run")
    loaded = load(spec_file(spec, json), small=small, sets=sets or ())
    store = folders.to_train(loaded.name, run)
    with located(loaded, spec, small=small, sets=sets or ()):
        plan = show_plan(
            loaded,
            store,
            new_screen(json),
            deep=deep,
            keep_units=keep_units,
            address=address,
        )
    write_json(json, plan)


def train_members(
    spec: SpecFile,
    small: Small = False,
    sets: Sets = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="MEMBER ...", help="these members alone")
    ] = None,
    first: Annotated[
        list[str] | None,
        typer.Option(metavar="MEMBER ...", help="these members before all others"),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", envvar="RAY_ADDRESS", help="join this Ray; else a local one"
        ),
    ] = None,
    run: RunDir = None,
    new_run: Annotated[
        bool,
        typer.Option("--new-run", help="from nothing, into runs/<name>-2, runs/<name>-3, ..."),
    ] = False,
    keep_units: KeepUnits = False,
    refit: Annotated[
        bool,
        typer.Option(
            "--refit",
            help="then train each member on all rows, too: one network a seed, for export --folds refit",
        ),
    ] = False,
    yes: Annotated[
        bool,
        typer.Option("--yes", help="on a terminal: train finished units again without a question"),
    ] = False,
) -> None:
    """Search, train every fold of every member, write the tables; again: do what is missing."""
    from orchestrator.commands.pages.report import report_of
    from orchestrator.commands.train_members import train
    from orchestrator.runs import folders
    from orchestrator.spec import load, located
    from orchestrator.spec.search import STOPPED

    if run and new_run:
        raise WrongRequest("--run names the run folder and --new-run finds a new one: give one")
    if keep_units and new_run:
        raise WrongRequest(
            "--new-run trains from nothing, and --keep-units what is there: give one"
        )
    folder_place(run, "--run")
    screen = new_screen()
    loaded = load(spec_file(spec), small=small, sets=sets or ())
    again = f"run the same command again.\n{same_command()}"
    if new_run:
        run = folders.new_run(loaded.name)
        again = f"go on with: {same_command(['--new-run'], ['--run', run])}"
        stopping.goes_on_with(again)
        screen.print(f"A new run: {run}. If it stops before its end, {again}")
    store = folders.to_train(loaded.name, run)
    with located(loaded, spec, small=small, sets=sets or ()):
        outcome = train(
            loaded,
            store,
            screen,
            only=only or (),
            first=first or (),
            address=address,
            keep_units=keep_units,
            refit=refit,
            agreed=lambda: yes or _agreed(),
        )
    report_of(store, screen)
    if not (outcome.trained or outcome.predicted or outcome.failures or outcome.late):
        done = "Nothing to do"
        if outcome.mended:
            done = f"{counted(outcome.mended, 'damaged file')} set aside, nothing to train"
        screen.print(
            f"{done}: all {outcome.already} units are trained. Tables: {store.uri('tables')}"
        )
    else:
        predicted = f"{outcome.predicted} predicted again, " if outcome.predicted else ""
        whole = f" ({outcome.refitted} of them on all rows)" if outcome.refitted else ""
        screen.print(
            f"{outcome.trained} units trained{whole}, {predicted}{outcome.already} were done before, "
            f"{outcome.seconds:.0f} s. "
            f"Tables of {len(outcome.tables)} members: {store.uri('tables')}"
        )
    for name, folds in outcome.some_folds.items():
        screen.print(f"{name} has {folds}, as the spec says: vote weighs it by these rows")
    for name, folds in outcome.partial.items():
        screen.print(
            f"{name} is trained in {folds}: vote --common-rows or --missing-rows takes these rows"
        )
    for name in outcome.left_out:
        screen.print(f"{name} is left out of the vote: {STOPPED}")
    if outcome.late:
        some = [f"{what} ({how})" for what, how in outcome.late.items()]
        more = f" and {len(some) - _LISTED} more" if len(some) > _LISTED else ""
        screen.print(
            f"hours: {loaded.hours:g} do not suffice for {', '.join(some[:_LISTED])}{more}. "
            f"Raise `hours` to train that too, and {again}"
        )
    next_one = command("vote", str(spec), *settings(small, sets or (), run))
    rows = " --common-rows" if outcome.partial else ""
    if outcome.failures:
        listing = "\n".join(f"- {what}: {why}" for what, why in outcome.failures.items())
        of_disks = all(why.startswith(THE_DISK) for why in outcome.failures.values())
        fix = "Mend the disk" if of_disks else "Change the settings"
        can_vote = f"\nWhat is done can vote:\n{next_one}{rows}" if outcome.tables or rows else ""
        raise RunFailed(
            f"{len(outcome.failures)} failed:\n{listing}\n"
            f"The rest is done and kept. {fix} and {again}{can_vote}"
        )
    if outcome.tables or not outcome.late:
        screen.print(f"Next: {next_one}")
    elif outcome.partial:
        screen.print(f"Next: {next_one}{rows}")


def status(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN|SPEC]",
            help="a run folder, s3://, or a spec; default: the one written last",
        ),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="until the training has ended")] = False,
    json: Json = None,
) -> None:
    """How far a training is, member by member and fold by fold; while it goes on, or after it.

    From another terminal or machine than the one that trains; it starts no Ray. Ctrl-C ends --watch.
    """
    from contextlib import suppress

    from orchestrator.commands import status as command
    from orchestrator.runs import folders
    from orchestrator.runs.store import Store

    spec, folder = spec_or_run(run, None, json)
    if spec is not None:
        from orchestrator.spec import load

        store = folders.to_read(load(spec).name, None)
    else:
        store = Store(folder) if folder is not None else command.written_last()
    if not watch:
        write_json(json, command.status(store, new_screen(json)))
        return
    with suppress(KeyboardInterrupt):
        write_json(json, command.watch(store, new_screen(json)))


def _agreed() -> bool:
    """The answer of a terminal; what has none, a script or a job of a cluster, goes on."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return True
    try:
        answer = input("Train them again? [y/N] ")
    except EOFError:
        print()
        return False
    return answer.strip().lower() in ("y", "yes")
