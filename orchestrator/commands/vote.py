"""The command `vote`: which tables, cast how, written where, and what of it is shown.

Nothing here imports torch; Ray only where an address was given.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from rich.console import Console

import ensembles
from ensembles.errors import nearest
from ensembles.files.compare import same_submissions
from ensembles.files.digests import file_digests
from ensembles.files.ids import like_id
from ensembles.files.submissions.columns import Columns
from ensembles.voting.request import VoteRequest
from ensembles.voting.submissions import submissions_as_tables
from orchestrator.commands.run import Ballot, Run, ballot_of, find_run, members_of
from orchestrator.errors import WrongRequest
from orchestrator.runs import folders
from orchestrator.runs.standing import other_tables, remarks
from orchestrator.screens.fits import fits_shown
from orchestrator.screens.vote import show_large, show_vote
from orchestrator.screens.why import show_pareto, show_why


@dataclass(frozen=True)
class Command:
    """The command's options by their names. options: those of a `VoteRequest`, where given."""

    spec: Path | None = None
    small: bool = False
    sets: Sequence[str] | None = None
    run: str | None = None
    tables: str | None = None
    submissions: Sequence[Path] | None = None
    id_column: Sequence[str] | None = None
    answer_column: Sequence[str] | None = None
    answers: str | None = None
    out: str | None = None
    why: str | None = None
    pareto: bool = False
    address: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Command:
        """From the command line's values by name, None where one was not given."""
        names = {own.name for own in fields(cls)} - {"options"}
        options = {own.name: given[own.name] for own in fields(VoteRequest)}
        options["weights"] = _weights(given["weights"] or ())
        options = {name: value for name, value in options.items() if value is not None}
        return cls(**{name: given[name] for name in names}, options=options)

    def flags(self, *names: str) -> list[str]:
        """Those of these options that were given, as they are written."""
        given = [name for name in names if name in self.options or getattr(self, name, None)]
        return ["--set" if name == "sets" else f"--{name.replace('_', '-')}" for name in given]

    @property
    def columns(self) -> Columns:
        return Columns(tuple(self.id_column or ()), tuple(self.answer_column or ()))


@dataclass
class _Source:
    """Where the members' tables are. members: None for all there."""

    folder: str
    members: list[str] | None
    notes: list[str]
    run: Run | None

    def ballot(self) -> Ballot:
        if self.run:
            return ballot_of(self.run, self.members or ())
        oof = ensembles.read_members(self.folder, "oof")
        return Ballot(oof, ensembles.read_members(self.folder, "test"), None)


def cast(command: Command, console: Console) -> dict[str, Any]:
    """Carry the command out; returns what --json holds. Raises WrongRequest."""
    _check(command)
    if command.submissions:
        return _over_submissions(command, console)
    source = _source(command)
    block = source.run.spec.vote if source.run else VoteRequest()
    if command.pareto:
        ballot = source.ballot()
        metric = command.options.get("objective", block.objective) or "macro_f1"
        front = ensembles.pareto(ballot.oof, metric, ballot.groups)
        show_pareto(front, console)
        return front
    request, notes = requested(block, command.options)
    source.notes += notes
    if not command.why and (command.address or _too_large(source)):
        return _in_ranges(command, source, request, console)
    ballot = source.ballot()
    if command.why:
        with fits_shown(console) as progress:
            result = ensembles.cast(
                ballot.oof, ballot.test, request, groups=ballot.groups, progress=progress
            )
        return _why(command.why, result, ballot, console)
    digests = file_digests(source.folder, {"oof": ballot.oof, "test": ballot.test})
    with fits_shown(console) as progress:
        result = ensembles.cast(
            ballot.oof,
            ballot.test,
            request,
            groups=ballot.groups,
            digests=digests,
            progress=progress,
        )
    result.notes += source.notes
    _write(result, command, source.run, console)
    return result.record()


def requested(block: VoteRequest, options: Mapping[str, Any]) -> tuple[VoteRequest, list[str]]:
    """The vote of a spec's block and the command line's options, and notes on what was left out.

    Each option of the command line replaces the block's. The block's others hold for its own mode
    only: a vote of another mode takes none of them. Raises WrongRequest for what does not fit,
    naming the options that are the spec's.
    """
    notes = []
    if options.get("mode", block.mode) != block.mode:
        request = VoteRequest(**options)
        if block.options:
            notes.append(
                f"the spec's vote is {block.mode}: its {', '.join(block.options)} not taken for a "
                f"{request.mode} one."
            )
        return _checked(request, ()), notes
    if block.useless_objective:  # in specs of runs from before that was refused
        notes.append(
            f"the spec's objective {block.objective} chooses nothing in a {block.mode} vote: left "
            "out."
        )
        block = replace(block, objective=None)
    return _checked(replace(block, **options), set(block.options) - set(options)), notes


def vote_folder(mode: str, objective: str | None) -> str:
    # a colon is no part of a file name everywhere
    return f"votes/{mode}-{objective.replace(':', '-')}" if objective else f"votes/{mode}"


def _checked(request: VoteRequest, of_spec: Collection[str]) -> VoteRequest:
    """of_spec: the options that stand in the spec only. Members and targets come with the tables."""
    mistakes = request.mistakes(None, targets=None)
    problems = []
    for path, text in mistakes:
        name = path[0]
        if name in of_spec:
            text += (
                f" It is the spec's: replace it with --{name}, or leave it out with a SPEC and "
                f"--set vote.{name}=null."
            )
        elif of_spec:
            text += f" (The spec's vote has {', '.join(sorted(of_spec))} as well.)"
        problems.append(f"{name}: {text}")
    if problems:
        raise WrongRequest(problems)
    return request


def _check(command: Command) -> None:
    """Refuse options that would do nothing beside the others. Raises WrongRequest."""
    sources = {
        "SPEC": command.spec,
        "--run": command.run,
        "--tables": command.tables,
        "--submissions": command.submissions,
    }
    named = (*sources.items(), ("--out", command.out), ("--why", command.why))
    named = (*named, ("--address", command.address))
    if empty := [name for name, value in named if value is not None and str(value) == ""]:
        raise WrongRequest(f"{', '.join(empty)}: an empty text. Give a value, or leave it out.")
    given = [name for name, value in sources.items() if value]
    if len(given) > 1 and given != ["SPEC", "--run"]:
        raise WrongRequest(f"give one of SPEC, --run, --tables and --submissions, not {given}")
    problems = []

    def useless(flags: list[str], beside: str, why: str) -> None:
        if flags:
            problems.append(f"{', '.join(flags)} beside {beside}: {why}")

    if command.tables or command.submissions:
        useless(command.flags("small", "sets"), given[0], "they change a spec, and none is read.")
    if not command.submissions:
        useless(
            command.flags("id_column", "answer_column"),
            given[0] if given else "the run trained last",
            "they are of submission files (--submissions).",
        )
    if command.submissions:
        useless(
            command.flags("answers"),
            "--submissions",
            "a submission shows the answers as the files have them. Leave it out.",
        )
        fitted = [own.name for own in fields(VoteRequest) if own.name not in _OF_SUBMISSIONS]
        useless(
            command.flags(*fitted, "pareto"),
            "--submissions",
            "submissions have no OOF rows to fit to or to choose by. Leave these out, or vote over "
            "the members' tables: --tables DIR.",
        )
        useless(command.flags("address"), "--submissions", "they are read here. Leave it out.")
        if command.options.get("mode") == "weighted":
            problems.append("submissions have no OOF rows to fit weights to: --mode hard or soft")
    if command.pareto:
        options = [own.name for own in fields(VoteRequest) if own.name != "objective"]
        useless(
            command.flags(*options, "why"),
            "--pareto",
            "the front is of log-loss weights, scored by --objective. Leave these out.",
        )
    for shown in ("pareto", "why"):
        if getattr(command, shown):
            useless(
                command.flags("out", "address", "answers"),
                f"--{shown}",
                "it writes no vote and reads the tables here (--json FILE keeps what it shows). "
                "Leave these out.",
            )
    if problems:
        raise WrongRequest(problems)


_OF_SUBMISSIONS = ("mode", "pool", "weights", "top")


def _weights(texts: Sequence[str]) -> dict[str, float] | None:
    """`a=2 b=1` -> numbers by member."""
    found, problems = {}, []
    for text in texts:
        # a member's own name may have a `=`, a number has none
        name, _, value = text.rpartition("=")
        try:
            number = float(value)
        except ValueError:
            name = ""
        if not name:
            problems.append(f"--weights {text!r}: write MEMBER=NUMBER, as in --weights swin=2")
        elif name in found:
            problems.append(f"--weights: {name} stands there twice. Give it one weight.")
        else:
            found[name] = number
    if problems:
        raise WrongRequest(problems)
    return found or None


def _write(result: ensembles.Vote, command: Command, run: Run | None, console: Console) -> None:
    store = run.store if run else None
    targets = folders.for_vote(command.out, store, vote_folder(result.mode, result.objective))
    if store:
        result.notes += _same_as_earlier(result, targets[0], f"{store.root}/")
    for folder in targets:
        paths = result.write(folder, named=command.answers == "names")
    show_vote(result, console, paths)


def _source(command: Command) -> _Source:
    if command.tables:
        return _Source(command.tables, None, [], None)
    run = find_run(command.spec, command.small, command.sets or (), command.run)
    members, notes = members_of(run)
    return _Source(run.store.uri("tables"), members, notes, run)


def _over_submissions(command: Command, console: Console) -> dict[str, Any]:
    files = list(map(str, command.submissions or ()))
    request = _checked(VoteRequest(**{"mode": "hard", **command.options}), ())
    result = ensembles.cast_submissions(files, request=request, columns=command.columns)
    result.notes += remarks(other_tables(files))
    if command.why:
        tables = submissions_as_tables(files, request, command.columns)
        return _why(command.why, result, Ballot({}, tables, None), console)
    _write(result, command, None, console)
    return result.record()


def _why(image_id: str, result: ensembles.Vote, ballot: Ballot, console: Console) -> dict[str, Any]:
    reason = _decided(result, ballot, image_id)
    show_why(reason, console)
    return reason


def _too_large(source: _Source) -> bool:
    from ensembles.large.cast import too_large

    return too_large(source.folder, source.members)


def _in_ranges(
    command: Command, source: _Source, request: VoteRequest, console: Console
) -> dict[str, Any]:
    """The vote over tables too large for memory, here or by the tasks of a Ray cluster."""
    store = source.run.store if source.run else None
    name = vote_folder(request.mode, request.fitted_for)
    folder = folders.for_vote(command.out, store, name)[0]
    with _runner(command.address) as run:
        record = ensembles.cast_large(
            source.folder,
            folder,
            request,
            members=source.members,
            run=run,
            notes=source.notes,
            named=command.answers == "names",
        )
    show_large(record, folder, console)
    return record.record()


def _runner(address: str | None) -> AbstractContextManager[Callable[..., Iterator[Any]]]:
    """What maps a function over ranges of rows: here, or on the Ray at `address`."""
    if address is None:
        return nullcontext(map)
    from orchestrator.cluster.connect import mapped

    return mapped(address)


def _decided(vote: ensembles.Vote, ballot: Ballot, image_id: str) -> dict[str, Any]:
    """How the vote decided one photograph, of the test part or else of the OOF rows."""
    for tables in (ballot.test, ballot.oof):
        if not tables:
            continue
        ordered = {name: tables[name] for name in vote.weights}
        found = ensembles.explain(vote.rule, ordered, image_id)
        if found:
            return found
    known = [str(i) for t in (ballot.test, ballot.oof) if t for i in next(iter(t.values())).ids]
    hint = like_id(image_id, known) or nearest(image_id, known[:20_000])
    raise WrongRequest(f"--why {image_id!r}: no photograph of that id was voted on.{hint}")


def _same_as_earlier(vote: ensembles.Vote, folder: str, run: str) -> list[str]:
    """A note for each earlier submission of the run with the same class on every row."""
    if vote.rows != "test" or not run:
        return []
    same = same_submissions(vote.ids, vote.answers, f"{run}votes", folder)
    of_others = {True: ", a vote of other tables", None: ", perhaps of other tables"}
    told = {other: of_others[differ] for other, differ in other_tables(same).items()}
    return [
        f"the same answers as {other}{told.get(other, '')}: do not hand in both." for other in same
    ]
