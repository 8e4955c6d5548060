"""A run folder, read: its spec, which of its members can vote, and their tables.

Nothing here imports torch or Ray: the commands that use it start in a blink.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import ensembles
from ensembles.files import places
from ensembles.files.digests import is_there
from ensembles.files.reading.table import Seen
from ensembles.voting.matching import optimistic_notes
from orchestrator.errors import BAD_INPUT, WrongRequest
from orchestrator.program import command, settings
from orchestrator.runs import folders
from orchestrator.runs.ballot import Ballot
from orchestrator.runs.contents import groups_of, recorded_spec
from orchestrator.runs.damage import PARTIAL
from orchestrator.runs.partial import FinishedFolds, finished_folds, folder_of
from orchestrator.runs.store import Store
from orchestrator.search.record import read_search
from orchestrator.spec import load
from orchestrator.spec.folds.choice import optimism
from orchestrator.spec.search import STOPPED
from orchestrator.spec.spec import Member, Spec
from orchestrator.units.selection import chosen_by_all_folds

KEPT_UNITS = "kept_units.json"  # member -> which of its units are of other photographs, in words


@dataclass
class Run:
    """A run folder and the members to vote over, in the order of its spec.

    words: how it was given to this command, a spec with its options; none: by its folder, or as the last.
    """

    spec: Spec
    store: Store
    words: tuple[str, ...] = ()

    def command(self, name: str, *more: str) -> str:
        """Another command on this run, to paste."""
        words = self.words or ("--run", self.store.root)
        if name == "train-members" and not self.words:
            # what a search chose stands in the recorded spec; one of an earlier version is not known by it
            exact = self.store.local and self.spec.search is None
            words = (self.store.uri("spec.yaml") if exact else "SPEC", *words)
        return command(name, *words, *more)


def find_run(spec_file: Path | None, small: bool, sets: Sequence[str], folder: str | None) -> Run:
    """The run of a spec, of a folder, or, with neither, the one trained last."""
    if spec_file:
        spec = load(spec_file, small=small, sets=sets)
        words = (str(spec_file), *settings(small, sets, folder))
        return Run(spec, folders.to_read(spec.name, folder), words)
    if small or sets:
        raise WrongRequest("--small and --set change a spec: give its file too")
    store = Store(folder) if folder else folders.latest()
    return Run(recorded_spec(store), store)


def members_of(
    run: Run, rows_may_lack: bool = False, weighed: Collection[str] = ()
) -> tuple[list[str], list[str]]:
    """The members, joins and stacks of a run that can vote, and notes on those that cannot.

    rows_may_lack: members with finished folds only are among them. Those that by the spec train some folds
    are in any case. weighed: members that were given a
    weight, which lets students in. Raises `WrongRequest` where there is none.
    """
    trained = run.store.list("tables")
    lost = left_out(run)
    partial = _partial(run, [*trained, *lost], rows_may_lack)
    some_folds = {name: own for name, own in partial.items() if own.complete}
    partial = {name: own for name, own in partial.items() if not own.complete}
    taken = partial if rows_may_lack else {}
    trained = [*trained, *some_folds]
    names = [m.name for m in run.spec.members if m.name in trained]
    if not names and not taken:
        raise WrongRequest(
            f"{run.store.root} has no tables yet. {_ways(partial) + '. ' if partial else ''}"
            f"Train its members {'to their end' if partial else 'first'}: {run.command('train-members')}"
        )
    taught = [name for name in run.spec.students() if name in trained]
    let_in = [name for name in taught if name in weighed]
    voting = [name for name in run.spec.voters() if name in trained or name in taken]
    voting += let_in
    notes = []
    if lost:
        notes.append(f"{STOPPED}, so left out: {', '.join(lost)}.")
    missing = [m.name for m in run.spec.members if m.name not in [*trained, *lost, *taken]]
    if missing:
        notes.append(f"not trained to their end, so left out: {', '.join(missing)}.")
    if some_folds:
        notes.append(f"of some folds only, as the spec says: {_listed(some_folds)}.")
    if taken:
        notes.append(
            f"not trained to their end, so with the rows that they have: {_listed(taken)}."
        )
        notes += _by_all_folds(run, missing)
    elif partial:
        notes.append(f"{_ways(partial)}.")
    for own in (own for own in run.spec.stacks if own.name not in trained):
        lacking = [name for name in own.stack.of if name not in trained]
        why = f", since there are no tables of {', '.join(lacking)}" if lacking else ""
        notes.append(f"the stack {own.name} is not made{why}, so left out.")
    kept = run.store.read_json(KEPT_UNITS) if run.store.exists(KEPT_UNITS) else {}
    notes += [f"{name}: {text}." for name, text in kept.items() if name in [*trained, *taken]]
    notes += [
        f"{own.name} learnt photos to predict, labelled by {' and '.join(own.pseudo.of)}: that the vote is "
        "surer of those than of OOF rows may come of it."
        for own in run.spec.members
        if own.pseudo and own.name in [*trained, *taken]
    ]
    notes += optimistic_notes(
        {
            m.name: optimism(m.init_from)
            for m in run.spec.members
            if m.init_from and m.name in [*trained, *taken]
        }
    )
    notes += [_of_student(run, run.spec.member(name), name in let_in) for name in taught]
    joined = {name for join in run.spec.join if join.name in trained for name in join.of}
    apart = {*voting, *joined, *taught}
    narrow = [name for name in names if name not in apart]
    if narrow:
        notes.append(
            f"predict only some targets and are in no join, so left out: {', '.join(narrow)}."
        )
    return voting, notes


def _partial(run: Run, others: Collection[str], needed: bool) -> dict[str, FinishedFolds]:
    """Members that have the rows of some folds, because of their spec or because others are not done yet;
    others: not these.

    Where they are not needed, those that are damaged are left out.
    """
    there = run.store.list(PARTIAL)
    found = {}
    for member in run.spec.members:
        name, by_spec = member.name, member.folds is not None
        if name not in there or name in others or not (by_spec or name in run.spec.voters()):
            continue
        with nullcontext() if needed or by_spec else suppress(*BAD_INPUT):
            if folds := finished_folds(name, run.store):
                found[name] = folds
    return found


def _listed(partial: Mapping[str, FinishedFolds]) -> str:
    return "; ".join(f"{name}, {folds.line()}" for name, folds in partial.items())


def _ways(partial: Mapping[str, FinishedFolds]) -> str:
    """What the options would do that take members with a part of the rows."""
    return (
        "--common-rows votes over the rows that all members have, and --missing-rows fits log-loss "
        f"weights to all rows, with: {_listed(partial)}"
    )


def _by_all_folds(run: Run, missing: Sequence[str]) -> list[str]:
    """Why members that have finished folds, perhaps, have no tables of them."""
    of_all = [
        name
        for name in missing
        if chosen_by_all_folds(run.spec.member(name).recipe) and run.store.list(f"units/{name}")
    ]
    if not of_all:
        return []
    return [
        f"all folds together choose their epoch or their views, so finished ones alone have no tables: "
        f"{', '.join(of_all)}."
    ]


def _of_student(run: Run, member: Member, votes: bool) -> str:
    """What its OOF score cannot claim, and what becomes of it in a vote."""
    of = " and ".join(teacher.name for teacher in member.teachers)
    text = (
        f"{member.name} learnt to answer as a vote of {of}, whose networks had the labels of the folds that "
        "it is scored on, so its OOF rows look far better than they are"
    )
    if votes:
        return f"{text}, and with them the scores of this vote. Judge it on photographs of other groups."
    return (
        f"{text}: left out. Its own answers stand in {folder_of(member.name, run.store)}/; a hard or soft "
        f"vote lets it in by --weights {member.name}=1."
    )


def ballot_of(run: Run, members: Sequence[str]) -> Ballot:
    """Their tables, of finished folds where a member has no others."""
    oof, test = (read_tables(run.store, members, kind) for kind in ("oof", "test"))
    return Ballot(oof, test, groups_of(run.store))


def left_out(run: Run) -> list[str]:
    """Members without tables because other members' candidates were better in the search."""
    names = run.spec.searched() if run.spec.search and run.spec.search.scope == "ensemble" else ()
    records = {name: read_search(name, run.store) for name in names}
    return [
        name
        for name, record in records.items()
        if record and record.left_out and not run.store.exists(f"tables/{name}")
    ]


def read_tables(store: Store, names: Sequence[str], kind: str) -> dict[str, ensembles.Table]:
    """Those of a kind, "oof" or "test", that are there, of finished folds where a member has no others."""
    found, seen = {}, Seen()
    for name in names:
        folder = store.uri(folder_of(name, store))
        if is_there(places.join(folder, f"{kind}.parquet")):
            found[name] = ensembles.read_table(places.join(folder, f"{kind}.parquet"), seen)
    return found
