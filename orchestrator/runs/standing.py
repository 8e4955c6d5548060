"""Whether a vote is of the tables that its run has now, by the digests in its `vote.json`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ensembles.errors import BadInput
from ensembles.files import places
from ensembles.files.digests import is_there, require_right
from ensembles.files.parquet import KINDS
from ensembles.files.table import RECORD
from ensembles.voting.record import VoteRecord
from orchestrator.runs.damage import PARTIAL

# Partial tables as a vote's record names them, whose paths are relative to `tables/`.
BESIDE = f"../{PARTIAL}/"


class StandingTables:
    """The tables that stand in a run; each file is digested once."""

    def __init__(self, run: str):
        self.run, self.folder = run, places.join(run, "tables")
        self._digests: dict[str, str | None] = {}

    def differ_from(self, record: VoteRecord) -> bool | None:
        """Whether the vote is of other tables than these; None where its record does not say."""
        return self.differ(record.tables)

    def differ(self, tables: Mapping[str, str]) -> bool | None:
        """As `differ_from`, of digests by file as a vote's record has them."""
        names = [name.rpartition("/") for name in tables]
        if not names or any(member == "" for member, _, _ in names):
            return None
        members = {member for member, _, _ in names}
        if any(self._digest(name) != digest for name, digest in tables.items()):
            return True
        # a run that got its test photographs after the vote
        now = {f"{member}/{kind}.parquet" for member in members for kind in KINDS}
        return any(self._digest(name) for name in now - tables.keys())

    def _digest(self, name: str) -> str | None:
        if name not in self._digests:
            beside = name.startswith(BESIDE)  # an object store has no `..`
            path = places.join(self.run, name[3:]) if beside else places.join(self.folder, name)
            self._digests[name] = _digest_of(path)
        return self._digests[name]


def _digest_of(path: str) -> str | None:
    """None where there is no such file. Raises BadInput where it is damaged, or lost."""
    return (require_right(path) or places.file_digest(path)) if is_there(path) else None


def other_tables(predictions: Iterable[str]) -> dict[str, bool | None]:
    """Of files in `<run>/votes/<vote>/`, whether they are of other tables than the run has now.

    None where the vote's record does not say. Files elsewhere, and those of today's tables, are left
    out.
    """
    standing: dict[str, StandingTables] = {}
    found: dict[str, bool | None] = {}
    for given in map(str, predictions):
        folder, _, _ = (given if "://" in given else os.path.realpath(given)).rpartition("/")
        votes, _, _ = folder.rpartition("/")
        run, _, name = votes.rpartition("/")
        path = places.join(folder, RECORD)
        if name != "votes" or not all(map(places.exists, (path, places.join(run, "spec.yaml")))):
            continue
        try:
            record = VoteRecord.from_json(places.read_bytes(path), path)
        except BadInput:
            found[given] = None
            continue
        differ = standing.setdefault(run, StandingTables(run)).differ_from(record)
        if differ is not False:
            found[given] = differ
    return found


def with_standing(files: Sequence[str], report: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The report on these files with `other_tables` (file -> true, or null where it is unknown) and
    its `notes`, where there is any such file. What BadInput says then ends with the notes, too.
    """
    others = other_tables(files)
    notes = remarks(others)
    try:
        found = report()
    except BadInput as error:
        raise BadInput([*error.problems, *notes]) from error
    if not others:
        return found
    return {**found, "other_tables": others, "notes": [*found.get("notes", ()), *notes]}


def remarks(others: Mapping[str, bool | None]) -> list[str]:
    """A sentence on the votes that are of other tables, and one on those that may be."""
    notes = []
    if names := [name for name, differ in others.items() if differ]:
        notes.append(
            f"of other tables than the run has now, so of other photographs or other members: "
            f"{', '.join(names)}. Cast the vote again before you compare it."
        )
    if names := [name for name, differ in others.items() if differ is None]:
        notes.append(
            f"unknown of which tables, their vote.json has no digests of them: {', '.join(names)}. "
            "Cast the vote again."
        )
    return notes
