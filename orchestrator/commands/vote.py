"""The command `vote`: which tables, cast how, written where, and what of it is shown.

Nothing here imports torch; Ray only where an address was given. A vote over tables or submissions needs
neither specs nor pages, which functions here import themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import ensembles
from ensembles.files.parquet import file_digests
from ensembles.voting.request import VoteRequest
from orchestrator.commands.vote_options import (
    Command,
    checked,
    over_some_rows,
    requested,
    require_useful,
)
from orchestrator.errors import WrongRequest
from orchestrator.runs import folders
from orchestrator.runs.ballot import Ballot
from orchestrator.runs.damage import PARTIAL
from orchestrator.runs.standing import BESIDE, other_tables, remarks
from orchestrator.runs.votes import vote_name
from orchestrator.screens.fits import fits_shown

_ALL_FOLDS = "Leave `folds` of these members out of the spec, or take the members out of it"

if TYPE_CHECKING:
    from rich.console import Console

    from orchestrator.commands.run import Run


@dataclass
class _Source:
    """Where the members' tables are. members: None for all there; partial: those of a run that have
    the rows of some folds, which are not in the folder; rows_differ: whether not all have the same.
    """

    folder: str
    members: list[str] | None
    notes: list[str]
    run: Run | None
    partial: list[str] = field(default_factory=list)
    rows_differ: bool = False

    def ballot(self) -> Ballot:
        if self.run:
            from orchestrator.commands.run import ballot_of

            return ballot_of(self.run, self.members or ())
        oof = ensembles.read_members(self.folder, "oof")
        return Ballot(oof, ensembles.read_members(self.folder, "test"), None)

    def digests(self, ballot: Ballot) -> dict[str, str]:
        """Of the files that the ballot was read from, by their paths relative to the folder."""
        kinds = {"oof": ballot.oof, "test": ballot.test}
        whole = {k: [n for n in own if n not in self.partial] for k, own in kinds.items()}
        digests = file_digests(self.folder, whole)
        if self.run and self.partial:
            part = {k: [n for n in own if n in self.partial] for k, own in kinds.items()}
            beside = file_digests(self.run.store.uri(PARTIAL), part)
            digests |= {f"{BESIDE}{name}": digest for name, digest in beside.items()}
        return digests

    @property
    def whole(self) -> list[str] | None:
        """The members in the folder."""
        return self.members and [name for name in self.members if name not in self.partial]


def cast(command: Command, console: Console) -> dict[str, Any] | list[dict[str, Any]]:
    """Carry the command out; returns what --json holds. Raises WrongRequest."""
    require_useful(command)
    if command.submissions:
        return _over_submissions(command, console)
    run = _run(command)
    request, notes = requested(run.spec.vote if run else VoteRequest(), command.options)
    source = _source(command, run, request)
    source.notes += notes
    asked = request
    if source.rows_differ and not (request.common_rows or request.missing_rows):
        request, notes = over_some_rows(request, front=command.pareto)
        source.notes += notes
    if command.pareto:
        return _pareto(source, request, console)
    if not command.why and (command.address or _too_large(source)):
        _require_all_rows(source, asked)
        return _in_ranges(command, source, request, console)
    ballot = source.ballot()
    if command.why:
        from orchestrator.commands.pages.why import why

        with fits_shown(console) as progress:
            result = ensembles.cast(
                ballot.oof, ballot.test, request, groups=ballot.groups, progress=progress
            )
        return why(command, result, ballot, run, console)
    with fits_shown(console) as progress:
        result = ensembles.cast(
            ballot.oof,
            ballot.test,
            request,
            groups=ballot.groups,
            digests=source.digests(ballot),
            progress=progress,
        )
    result.notes += [note for note in source.notes if note not in result.notes]
    if source.run and result.estimate:
        from orchestrator.units.fold_tables import averaging_gains

        gains = averaging_gains(result, ballot.oof, ballot.test, source.run.store)
        result.averaging, notes = gains
        result.notes += notes
    _write(result, asked, command, source.run, console, ballot)
    return result.record()


def vote_folder(request: VoteRequest) -> str:
    """The folder of a vote in its run."""
    return f"votes/{vote_name(request)}"


def _write(
    result: ensembles.Vote,
    request: VoteRequest,
    command: Command,
    run: Run | None,
    console: Console,
    ballot: Ballot | None = None,
) -> None:
    from orchestrator.screens.vote import show_vote

    store = run.store if run else None
    targets = folders.for_vote(command.out, store, vote_folder(request))
    if store:
        result.notes += _same_as_earlier(result, targets[0], f"{store.root}/")
    for folder in targets:
        paths = result.write(folder, named=command.answers == "names")
    show_vote(result, console, paths)
    if run and not command.out:
        from orchestrator.commands.pages.report import report_beside

        report_beside(lambda: run, run.store, console, vote_name(request), ballot)


def _run(command: Command) -> Run | None:
    if command.tables:
        return None
    from orchestrator.commands.run import find_run

    return find_run(command.spec, command.small, command.overrides or (), command.run)


def _source(command: Command, run: Run | None, request: VoteRequest) -> _Source:
    if run is None:
        return _Source(str(command.tables), None, [], None)
    from orchestrator.commands.run import members_of
    from orchestrator.runs.partial import finished_folds, is_partial

    members, notes = members_of(
        run, request.common_rows or request.missing_rows, request.weights or ()
    )
    found = {own: finished_folds(own, run.store) for own in members}
    partial = [own for own in members if is_partial(own, run.store)]
    rows_differ = len({tuple(own.folds) if own else None for own in found.values()}) > 1
    return _Source(run.store.uri("tables"), members, notes, run, partial, rows_differ)


def _over_submissions(command: Command, console: Console) -> dict[str, Any] | list[dict[str, Any]]:
    files = list(map(str, command.submissions or ()))
    request = checked(VoteRequest(**{"mode": "hard", **command.options}), ())
    result = ensembles.cast_submissions(files, request=request, columns=command.columns)
    result.notes += remarks(other_tables(files))
    if command.why:
        from ensembles.voting.submissions import submissions_as_tables
        from orchestrator.commands.pages.why import why

        tables = submissions_as_tables(files, request, command.columns)
        return why(command, result, Ballot({}, tables, None), None, console)
    _write(result, request, command, None, console)
    return result.record()


def _pareto(source: _Source, request: VoteRequest, console: Console) -> dict[str, Any]:
    from orchestrator.screens.why import show_pareto

    ballot = source.ballot()
    # a spec may have options for test rows, which the front has none of
    asked = replace(request, prior=None, sets=None, unknown=None)
    with fits_shown(console) as progress:
        front = ensembles.pareto(ballot.oof, asked, groups=ballot.groups, progress=progress)
    show_pareto(front, console)
    front["notes"] += source.notes
    for note in front["notes"]:
        console.print(f"note: {note}")
    if source.run:
        from orchestrator.runs.fronts import write_front

        name, tables = vote_name(request), source.digests(ballot)
        place = write_front(source.run.store, name, front, tables)
        console.print(f"written: {place}; the next report of the run shows it")
    return front


def _too_large(source: _Source) -> bool:
    from ensembles.large.footers import too_large

    return too_large(source.folder, source.whole)


def _require_all_rows(source: _Source, request: VoteRequest) -> None:
    """Raise WrongRequest where a vote in ranges of rows would lose members with a part of them."""
    if source.partial and not (request.common_rows or request.missing_rows):
        raise WrongRequest(
            f"{' and '.join(source.partial)} {'has' if len(source.partial) == 1 else 'have'} the rows of "
            "some folds only, and tables of this size, or by --address, are read in ranges of rows that all "
            f"members have. {_ALL_FOLDS}"
        )


def _in_ranges(
    command: Command, source: _Source, request: VoteRequest, console: Console
) -> dict[str, Any]:
    """The vote over tables too large for memory, here or by the tasks of a Ray cluster."""
    from orchestrator.screens.vote import show_large

    store = source.run.store if source.run else None
    folder = folders.for_vote(command.out, store, vote_folder(request))[0]
    with _runner(command.address) as run, fits_shown(console) as progress:
        record = ensembles.cast_large(
            source.folder,
            folder,
            request,
            members=source.whole,
            run=run,
            notes=source.notes,
            named=command.answers == "names",
            progress=progress,
        )
    show_large(record, folder, console)
    if (of := source.run) and not command.out:
        from orchestrator.commands.pages.report import report_beside

        report_beside(lambda: of, of.store, console, vote_name(request))
    return record.record()


def _runner(address: str | None) -> AbstractContextManager[Callable[..., Iterator[Any]]]:
    """What maps a function over ranges of rows: here, or on the Ray at `address`."""
    if address is None:
        return nullcontext(map)
    from orchestrator.cluster.connect import mapped
    from orchestrator.cluster.joining import reach

    reach(address)
    return mapped(address)


def _same_as_earlier(vote: ensembles.Vote, folder: str, run: str) -> list[str]:
    """A note for each earlier submission of the run with the same class on every row."""
    if vote.rows != "test" or not run:
        return []
    from ensembles.files.compare import same_submissions

    same = same_submissions(vote.ids, vote.answers, f"{run}votes", folder)
    of_others = {True: ", a vote of other tables", None: ", perhaps of other tables"}
    told = {other: of_others[differ] for other, differ in other_tables(same).items()}
    return [
        f"the same answers as {other}{told.get(other, '')}: do not hand in both." for other in same
    ]
