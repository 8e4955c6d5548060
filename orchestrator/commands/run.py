"""A run folder, read: its spec, which of its members can vote, and their tables.

Nothing here imports torch or Ray: the commands that use it start in a blink.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyarrow import types

import ensembles
from ensembles.errors import reads
from ensembles.files import places
from ensembles.files.digests import is_there, require_right
from orchestrator.errors import WrongRequest
from orchestrator.program import called
from orchestrator.runs import folders
from orchestrator.runs.damage import read_recorded
from orchestrator.runs.store import Store
from orchestrator.search.record import read_search
from orchestrator.spec import load
from orchestrator.spec.load import load_recorded
from orchestrator.spec.search import STOPPED
from orchestrator.spec.spec import Member, Spec

KEPT_UNITS = "kept_units.json"  # member -> which of its units are of other photographs, in words


@dataclass
class Run:
    """A run folder and the members to vote over, in the order of its spec."""

    spec: Spec
    store: Store


def find_run(spec_file: Path | None, small: bool, sets: Sequence[str], folder: str | None) -> Run:
    """The run of a spec, of a folder, or, with neither, the one trained last."""
    if spec_file:
        spec = load(spec_file, small=small, sets=sets)
        return Run(spec, folders.to_read(spec.name, folder))
    if small or sets:
        raise WrongRequest("--small and --set change a spec: give its file too")
    store = Store(folder) if folder else folders.latest()
    try:
        text = read_recorded("spec.yaml", store).decode()
    except FileNotFoundError:
        raise WrongRequest(f"{store.root} is no run folder: it has no spec.yaml") from None
    except UnicodeDecodeError as error:
        raise WrongRequest(
            f"{store.uri('spec.yaml')}: damaged, no text ({error}). train-members makes it again."
        ) from None
    return Run(load_recorded(text, store.uri("spec.yaml")), store)


@dataclass
class Ballot:
    """The tables of the members that vote. groups: image id -> group, where a run has them."""

    oof: Mapping[str, ensembles.Table]
    test: Mapping[str, ensembles.Table]
    groups: dict[str, str] | None


def members_of(run: Run, weighed: Collection[str] = ()) -> tuple[list[str], list[str]]:
    """The members and joins of a run that can vote, and notes on those that cannot.

    weighed: members that were given a weight, which lets students in.
    """
    trained = run.store.list("tables")
    names = [m.name for m in run.spec.members if m.name in trained]
    if not names:
        raise WrongRequest(
            f"{run.store.root} has no tables yet. Train its members first: "
            f"{called()} train-members SPEC"
        )
    taught = [name for name in run.spec.students() if name in trained]
    let_in = [name for name in taught if name in weighed]
    voting = [name for name in (*run.spec.voters(), *let_in) if name in trained]
    notes = []
    lost = left_out(run)
    if lost:
        notes.append(f"{STOPPED}, so left out: {', '.join(lost)}.")
    missing = [m.name for m in run.spec.members if m.name not in [*trained, *lost]]
    if missing:
        notes.append(f"not trained to their end, so left out: {', '.join(missing)}.")
    for own in (own for own in run.spec.stacks if own.name not in trained):
        lacking = [name for name in own.stack.of if name not in trained]
        why = f", since there are no tables of {', '.join(lacking)}" if lacking else ""
        notes.append(f"the stack {own.name} is not made{why}, so left out.")
    kept = run.store.read_json(KEPT_UNITS) if run.store.exists(KEPT_UNITS) else {}
    notes += [f"{name}: {text}." for name, text in kept.items() if name in trained]
    notes += [
        f"{own.name} learnt photos to predict, labelled by {' and '.join(own.pseudo.of)}: that the vote is "
        "surer of those than of OOF rows may come of it."
        for own in run.spec.members
        if own.pseudo and own.name in trained
    ]
    notes += [_of_student(run.spec.member(name), name in let_in) for name in taught]
    joined = {name for join in run.spec.join if join.name in trained for name in join.of}
    apart = {*voting, *joined, *taught}
    partial = [name for name in names if name not in apart]
    if partial:
        notes.append(
            f"predict only some targets and are in no join, so left out: {', '.join(partial)}."
        )
    return voting, notes


def _of_student(member: Member, votes: bool) -> str:
    """What its OOF score cannot claim, and what becomes of it in a vote."""
    of = " and ".join(teacher.name for teacher in member.teachers)
    text = (
        f"{member.name} learnt to answer as a vote of {of}, whose networks had the labels of the folds that "
        "it is scored on, so its OOF rows look far better than they are"
    )
    if votes:
        return f"{text}, and with them the scores of this vote. Judge it on photographs of other groups."
    return (
        f"{text}: left out. Its own answers stand in tables/{member.name}/; a hard or soft vote lets it in "
        f"by --weights {member.name}=1."
    )


def ballot_of(run: Run, members: Sequence[str]) -> Ballot:
    oof, test = (_read(run.store, members, kind) for kind in ("oof", "test"))
    return Ballot(oof, test, _groups(run.store))


def left_out(run: Run) -> list[str]:
    """Members without tables because other members' candidates were better in the search."""
    names = run.spec.searched() if run.spec.search and run.spec.search.scope == "ensemble" else ()
    records = {name: read_search(name, run.store) for name in names}
    return [
        name
        for name, record in records.items()
        if record and record.left_out and not run.store.exists(f"tables/{name}")
    ]


def _read(store: Store, names: Sequence[str], kind: str) -> dict[str, ensembles.Table]:
    found = {}
    for name in names:
        folder = store.uri(f"tables/{name}")
        if is_there(places.join(folder, f"{kind}.parquet")):
            found[name] = ensembles.read_table(places.join(folder, f"{kind}.parquet"))
    return found


def _groups(store: Store) -> dict[str, str] | None:
    """image id -> group, where the run has them: rows of a person err together."""
    if not store.exists("images.parquet"):
        return None
    return _read_groups(store.uri("images.parquet"))


@reads("the images.parquet of a run, which train-members makes again")
def _read_groups(place: str) -> dict[str, str]:
    require_right(place)
    table = places.read_parquet(place)
    problems = [
        f"{place}: `{name}` must stand there once and be text, without nulls. train-members makes this "
        "file again."
        for name in ("image_id", "group")
        if table.column_names.count(name) != 1
        or not (types.is_string(table[name].type) or types.is_large_string(table[name].type))
        or table[name].null_count
    ]
    if problems:
        raise WrongRequest(problems)
    return dict(zip(table["image_id"].to_pylist(), table["group"].to_pylist(), strict=True))
