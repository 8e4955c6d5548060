"""The command `leaderboard`: members and votes of a run side by side."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import PositiveInt

import ensembles
from ensembles.errors import BadInput
from ensembles.files.digests import is_there, require_right
from ensembles.files.table import OofTable
from ensembles.judging.estimate import estimate, group_array
from ensembles.judging.evaluate import Known
from ensembles.scores import metrics
from ensembles.voting.record import VoteRecord
from orchestrator.commands.run import Run, ballot_of, left_out
from orchestrator.errors import WrongRequest
from orchestrator.runs.damage import MADE_FROM, PARTIAL
from orchestrator.runs.labels import known_labels
from orchestrator.runs.partial import FinishedFolds, finished_folds, folder_of, is_partial
from orchestrator.runs.recorded import Recorded, read_recorded
from orchestrator.runs.standing import StandingTables
from orchestrator.runs.store import Store
from orchestrator.spec.search import STOPPED
from orchestrator.units.record import UnitRecord, read_record, record_path


def standings(run: Run, truth: Path | None, every_member: bool = False) -> list[dict[str, Any]]:
    """Members, then votes: OOF figures, the nested estimate, and the score on the test part.

    A vote's `oof` is of the rows its weights were fitted to; its `estimate` is not. A member's own
    OOF score is a little flattered where its best epoch was chosen on the same rows. A member that
    lost to others in the search, or has some folds only and was in no vote, has a `note` in place of
    figures. `pseudo`: of a member that learnt photographs to predict, how many of them each unit did,
    `of` how many, and labelled `by` whom. `teacher`: of a student, `by` whose `vote` it was taught, and
    how many photographs to predict it learnt. `finished`: of a member with some folds only, which,
    how many rows they have, and which the spec `asked` for, where not all. `rows`: where the figures are of a
    part of the OOF rows, those that all members of a vote have or one that is in none, how many `of` how
    many. `optimistic`: why they are too good, where they are. `truth`: the scores on the test part;
    `right`: by which answers, those of the file `truth` or, without one, the labels that the run knows.
    `other_tables` is true where the figures are of other tables than the run has now, null where the
    vote's record does not say. every_member: those that are in no vote, too, and a run without votes is no
    mistake.
    """
    votes = [v for v in run.store.list("votes") if run.store.exists(f"votes/{v}/vote.json")]
    if not votes and not every_member:
        raise WrongRequest(
            f"{run.store.root} has no votes yet: {run.command('vote', '--mode', 'weighted')}"
        )
    records = {name: _record(run.store, f"votes/{name}/vote.json") for name in votes}
    standing = StandingTables(run.store.root)
    others = {name: standing.differ_from(record) for name, record in records.items()}
    rows_of = {name: _rows(record, run.store) for name, record in records.items()}
    figures: dict[str, dict[str, Any]] = {}
    solo: dict[str, str | None] = {}  # member -> the vote whose record has its figures

    def right(name: str) -> tuple[bool, bool, bool]:
        return others[name] is False, others[name] is None, rows_of[name] is None

    # figures of the tables that the run has now come last, and of these the ones of all rows
    for name in sorted(records, key=right):
        solo |= dict.fromkeys(records[name].solo, name)
        figures |= records[name].solo
    in_none = [name for name in run.spec.voters() if every_member and name not in solo]
    # students are in no vote, or beside members that are
    for name in (*in_none, *run.spec.students()):
        if own := _own_figures(run, name):
            solo[name], figures[name] = None, own
    known = known_labels(run.store)
    rows = []
    for member in (name for name in (*run.spec.voters(), *run.spec.students()) if name in solo):
        vote, folder = solo[member], folder_of(member, run.store)
        of_units = unit_records(run.store, member, folder)
        finished = finished_folds(member, run.store)
        rows.append(
            {
                "kind": "member",
                "name": member,
                "oof": figures[member],
                "estimate": None,
                "seconds": None if of_units is None else _training_seconds(of_units),
                "pseudo": _learnt_of_test(of_units or {}),
                "teacher": _taught(of_units or {}),
                "optimistic": _optimistic(of_units or {}),
                **_epochs(run.store, folder),
                "other_tables": others[vote] if vote else False,
                "rows": rows_of[vote] if vote else _rows_of(finished),
                "finished": finished.model_dump() if finished else None,
                "table": f"{folder}/test.parquet",
            }
        )
    for name, record in records.items():
        rows.append(
            {
                "kind": "vote",
                "name": name,
                "oof": record.oof,
                "estimate": record.estimate,
                "seconds": record.seconds,
                "other_tables": others[name],
                "rows": rows_of[name],
                "optimistic": "; ".join((record.optimistic or {}).values()) or None,
                "table": f"votes/{name}/probabilities.parquet",
            }
        )
    without = dict.fromkeys(left_out(run), STOPPED)
    for name in (own for own in run.store.list(PARTIAL) if own in run.spec.voters()):
        if name not in solo and (folds := finished_folds(name, run.store)):
            without[name] = f"in no vote: {folds.line()}"
    for name, note in without.items():
        rows.append(
            {
                "kind": "member",
                "name": name,
                "oof": None,
                "estimate": None,
                "seconds": None,
                "other_tables": False,
                "table": f"{folder_of(name, run.store)}/test.parquet",
                "note": note,
            }
        )
    for row in rows:
        row.setdefault("note", None)
        for key in ("pseudo", "teacher", "rows", "finished", "optimistic"):
            row.setdefault(key, None)
        table = row.pop("table")
        row |= _on_test(run.store, table, truth, known, row)
    return rows


def _on_test(
    store: Store, table: str, truth: Path | None, known: Known | None, row: dict[str, Any]
) -> dict[str, Any]:
    """`truth`, the scores of a table on the test part, and `right`: by which answers, of how many rows, and
    where those contradict the labels that are known. All null where the truth is not known.

    A vote of other tables may be of other photographs: by labels of its own it is not scored.
    """
    of_now = row["kind"] == "member" or row["other_tables"] is False
    nothing = {"truth": None, "right": None}
    if not store.exists(table) or (truth is None and not of_now):
        return nothing
    try:
        report = ensembles.evaluate(store.uri(table), truth, known=known)
    except BadInput:
        if of_now and truth is not None:
            raise
        return nothing
    right = {**report["truth"], "rows": report["rows"], "contradictions": report["contradictions"]}
    return {"truth": {name: report[name] for name in metrics.REPORTED}, "right": right}


def _record(store: Store, path: str) -> VoteRecord:
    return VoteRecord.from_json(store.read(path), store.uri(path))


def _rows(record: VoteRecord, store: Store) -> dict[str, int] | None:
    """How many OOF rows the figures are of, where that are not all there are."""
    found = record.missing_rows or (record.common_rows or {}).get("oof")
    if not found:  # of members that have the same rows
        return _rows_of(finished_folds(next(iter(record.weights), ""), store))
    if found["rows"] == found["of"]:
        return None
    return {"rows": found["rows"], "of": found["of"]}


def _rows_of(finished: FinishedFolds | None) -> dict[str, int] | None:
    return {"rows": finished.rows, "of": finished.n_rows} if finished else None


def unit_records(store: Store, member: str, tables: str) -> dict[str, UnitRecord] | None:
    """Unit -> its record, of those that the member's tables were made from; None where it has none."""
    path = f"{tables}/{MADE_FROM}"
    if not is_there(store.uri(path)):
        return None
    require_right(store.uri(path))
    made_from = store.read_text(path).split()
    if not made_from or not re.fullmatch(r"[0-9a-f]{16}", made_from[0]):
        raise WrongRequest(
            f"{store.uri(path)} is damaged: it names no units. Delete the folder that it stands in: "
            "train-members makes the tables again."
        )
    folder = f"units/{member}/{made_from[0]}"
    trained = [u for u in store.list(folder) if store.exists(record_path(f"{folder}/{u}"))]
    if is_partial(member, store):
        used = _epochs(store, tables)["epochs"] or {}
        trained = [unit for unit in trained if unit in used]
    return {unit: read_record(f"{folder}/{unit}", store) for unit in trained}


def _training_seconds(records: dict[str, UnitRecord]) -> float:
    """Of all units; epochs only, validation included."""
    return sum(record.seconds.train for record in records.values())


def _learnt_of_test(records: dict[str, UnitRecord]) -> dict[str, Any] | None:
    learnt = {unit: record.pseudo for unit, record in records.items() if record.pseudo}
    if not learnt:
        return None
    first = next(iter(learnt.values()))
    taken = {unit: pseudo.taken for unit, pseudo in learnt.items()}
    return {"by": [*first.teachers], "of": first.of, "taken": taken}


def _own_figures(run: Run, name: str) -> dict[str, Any] | None:
    """As a vote's `solo`, of a member's OOF table; None where it has none."""
    ballot = ballot_of(run, [name])
    if name not in ballot.oof:
        return None
    table = OofTable.of(ballot.oof[name], name)
    return estimate(table.label, table.probabilities, group_array({name: table}, ballot.groups))


def _taught(records: dict[str, UnitRecord]) -> dict[str, Any] | None:
    own = next((record.teacher for record in records.values() if record.teacher), None)
    if own is None:
        return None
    return {"by": [*own.teachers], "vote": own.vote, "unlabelled": own.unlabelled}


def _optimistic(records: dict[str, UnitRecord]) -> str | None:
    return next((own.init_from.optimistic for own in records.values() if own.init_from), None)


def _epochs(store: Store, tables: str) -> dict[str, Any]:
    """How the epochs of a member's units were chosen, and which; nothing is known of a join."""
    path = f"{tables}/epochs.json"
    if not is_there(store.uri(path)):
        return {"select": None, "epochs": None}
    require_right(store.uri(path))
    way_on = f"Delete {store.uri(tables)}: train-members makes its tables again."
    chosen = read_recorded(_Chosen, store, path, way_on)
    return {"select": chosen.select, "epochs": chosen.epochs}


class _Chosen(Recorded):
    """`epochs.json`: unit -> the epoch its weights are of, and how it was chosen."""

    select: Literal["best", "last", "common_epoch"]
    epochs: dict[str, PositiveInt]
