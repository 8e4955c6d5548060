"""The command `vote`: which tables, cast how, written where, and what of it is shown.

Nothing here imports torch; Ray only where an address was given.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

import ensembles

from . import explain, run_folders, voting
from .errors import WrongRequest


@dataclass(frozen=True)
class Asked:
    """The command's options, by their names."""

    spec: Path | None
    mode: str | None
    objective: str | None
    small: bool
    sets: Sequence[str] | None
    run: str | None
    tables: str | None
    submissions: Sequence[Path] | None
    out: str | None
    pool: str | None
    offsets: bool
    temperature: bool
    ridge: float | None
    negative: bool
    top: int | None
    weights: Sequence[str] | None
    why: str | None
    pareto: bool
    address: str | None

    def how(self) -> dict[str, Any]:
        """What `ensembles.cast` takes beside mode and objective."""
        names = ("pool", "offsets", "temperature", "ridge", "negative", "top")
        return {name: getattr(self, name) for name in names} | {"weights": self._weights()}

    def _weights(self) -> dict[str, float] | None:
        """`a=2 b=1` -> numbers by member."""
        found = {}
        for text in self.weights or ():
            name, equals, value = text.partition("=")
            try:
                found[name] = float(value)
            except ValueError:
                equals = ""
            if not equals:
                raise WrongRequest(
                    f"--weights {text!r}: write MEMBER=NUMBER, as in --weights swin=2"
                )
        return found or None


@dataclass
class _Source:
    """Where the members' tables are. members: None for all there."""

    folder: str
    members: list[str] | None
    mode: str
    objective: str | None
    notes: list[str]
    run: voting.Run | None
    top: int | None = None

    def ballot(self) -> voting.Ballot:
        if self.run:
            return voting.ballot_of(self.run, self.members)
        oof, test = (ensembles.read_members(self.folder, kind) for kind in ("oof", "test"))
        return voting.Ballot(oof, test, None)


def vote(asked: Asked, console: Console) -> dict[str, Any]:
    """Carry the command out; returns what --json holds."""
    given = {
        "SPEC": asked.spec,
        "--run": asked.run,
        "--tables": asked.tables,
        "--submissions": asked.submissions,
    }
    given = [name for name, value in given.items() if value]
    if len(given) > 1 and given != ["SPEC", "--run"]:
        raise WrongRequest(f"give one of SPEC, --run, --tables and --submissions, not {given}")
    if asked.submissions:
        return _over_submissions(asked, console)
    source, how = _source(asked), asked.how()
    how["top"] = asked.top or source.top
    if asked.pareto:
        ballot = source.ballot()
        front = ensembles.pareto(ballot.oof, source.objective or "macro_f1", ballot.groups)
        explain.show_pareto(front, console)
        return front
    if not asked.why and (asked.address or _too_large(source)):
        return _in_ranges(asked, source, how, console)
    ballot = source.ballot()
    result = ensembles.cast(
        ballot.oof, ballot.test, source.mode, source.objective, ballot.groups, **how
    )
    if asked.why:
        reason = explain.why(result, ballot, asked.why)
        explain.show_why(reason, console)
        return reason
    result.notes += source.notes
    _write(result, asked.out, source.run, console)
    return result.record()


def _write(result: ensembles.Vote, out: str | None, run: voting.Run | None, console: Console):
    store = run.store if run else None
    folders = run_folders.for_vote(out, store, vote_folder(result.mode, result.objective))
    if store:
        result.notes += explain.same_as_earlier(result, folders[0], f"{store.root}/")
    for folder in folders:
        paths = result.write(folder)
    voting.show_vote(result, console, paths)


def vote_folder(mode: str, objective: str | None) -> str:
    # a colon is no part of a file name everywhere
    return f"votes/{mode}-{objective.replace(':', '-')}" if objective else f"votes/{mode}"


def _source(asked: Asked) -> _Source:
    if asked.tables:
        mode = asked.mode or "weighted"
        return _Source(asked.tables, None, mode, asked.objective, [], None)
    run = voting.find_run(asked.spec, asked.small, asked.sets or (), asked.run)
    members, notes = voting.members_of(run)
    mode = asked.mode or run.spec.vote.mode
    objective = asked.objective or run.spec.vote.objective
    top = run.spec.vote.top if mode == run.spec.vote.mode else None  # it was meant for that one
    return _Source(run.store.uri("tables"), members, mode, objective, notes, run, top)


def _over_submissions(asked: Asked, console: Console) -> dict[str, Any]:
    if asked.mode == "weighted":
        raise WrongRequest("submissions have no OOF rows to fit weights to: --mode hard or soft")
    files = list(map(str, asked.submissions))
    if asked.mode == "soft":
        result = ensembles.cast(None, ensembles.read_soft_submissions(files), "soft")
    else:
        result = ensembles.cast_submissions(files)
    _write(result, asked.out, None, console)
    return result.record()


def _too_large(source: _Source) -> bool:
    from ensembles.large import too_large

    return too_large(source.folder, source.members)


def _in_ranges(
    asked: Asked, source: _Source, how: dict[str, Any], console: Console
) -> dict[str, Any]:
    """The vote over tables too large for memory, here or by the tasks of a Ray cluster."""
    from ensembles.request import Request

    fitted_for = Request(source.mode, source.objective, **how).fitted_for
    store = source.run.store if source.run else None
    folder = run_folders.for_vote(asked.out, store, vote_folder(source.mode, fitted_for))[0]
    runner = nullcontext(map)
    if asked.address:
        from .cluster import mapped

        runner = mapped(asked.address)
    with runner as run:
        record = ensembles.cast_large(
            source.folder, folder, source.mode, source.objective, source.members, run, **how
        )
    record["notes"] += source.notes
    explain.show_large(record, folder, console)
    return record
