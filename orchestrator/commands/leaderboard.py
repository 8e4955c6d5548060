"""The command `leaderboard`: members and votes of a run side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ensembles
from ensembles.errors import BadInput
from ensembles.files.digests import is_there, require_right
from ensembles.scores import metrics
from ensembles.voting.record import VoteRecord
from orchestrator.commands.run import Run, left_out
from orchestrator.errors import WrongRequest
from orchestrator.program import called
from orchestrator.runs.damage import MADE_FROM
from orchestrator.runs.standing import StandingTables
from orchestrator.runs.store import Store
from orchestrator.spec.search import STOPPED
from orchestrator.units.record import read_record, record_path


def standings(run: Run, truth: Path | None) -> list[dict[str, Any]]:
    """Members, then votes: OOF figures, the nested estimate, and the score on the test part.

    A vote's `oof` is of the rows its weights were fitted to; its `estimate` is not. A member's own
    OOF score is a little flattered where its best epoch was chosen on the same rows. A member that
    lost to others in the search has a `note` in place of figures. `other_tables` is true where the
    figures are of other tables than the run has now, null where the vote's record does not say.
    """
    votes = [v for v in run.store.list("votes") if run.store.exists(f"votes/{v}/vote.json")]
    if not votes:
        raise WrongRequest(
            f"{run.store.root} has no votes yet: {called()} vote SPEC --mode weighted"
        )
    records = {name: _record(run.store, f"votes/{name}/vote.json") for name in votes}
    standing = StandingTables(run.store.root)
    others = {name: standing.differ_from(record) for name, record in records.items()}
    solo: dict[str, tuple[dict, bool | None]] = {}
    # figures of the tables that the run has now come last, so they are the ones that stay
    for name in sorted(records, key=lambda name: (others[name] is False, others[name] is None)):
        solo |= {member: (own, others[name]) for member, own in records[name].solo.items()}
    rows = []
    for member in (name for name in run.spec.voters() if name in solo):
        rows.append(
            {
                "kind": "member",
                "name": member,
                "oof": solo[member][0],
                "estimate": None,
                "seconds": _training_seconds(run.store, member),
                **_epochs(run.store, member),
                "other_tables": solo[member][1],
                "table": f"tables/{member}/test.parquet",
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
                "table": f"votes/{name}/probabilities.parquet",
            }
        )
    for name in left_out(run):
        rows.append(
            {
                "kind": "member",
                "name": name,
                "oof": None,
                "estimate": None,
                "seconds": None,
                "other_tables": False,
                "table": f"tables/{name}/test.parquet",
                "note": STOPPED,
            }
        )
    for row in rows:
        row.setdefault("note", None)
        table = row.pop("table")
        row["truth"] = _on_test(run.store, table, truth, row) if truth else None
    return rows


def _on_test(store: Store, table: str, truth: Path, row: dict[str, Any]) -> dict[str, float] | None:
    """The scores of a table on the test part; a vote of other tables may be of other photographs."""
    of_now = row["kind"] == "member" or row["other_tables"] is False
    if not store.exists(table):
        return None
    try:
        report = ensembles.evaluate(store.uri(table), truth)
    except BadInput:
        if of_now:
            raise
        return None
    return {name: report[name] for name in metrics.REPORTED}


def _record(store: Store, path: str) -> VoteRecord:
    return VoteRecord.from_json(store.read(path), store.uri(path))


def _training_seconds(store: Store, member: str) -> float:
    """Of all units that the member's tables were made from; epochs only, validation included."""
    made_from = _checked(store, f"tables/{member}/{MADE_FROM}").decode().split()[0]
    folder = f"units/{member}/{made_from}"
    units = [f"{folder}/{unit}" for unit in store.list(folder)]
    trained = [unit for unit in units if store.exists(record_path(unit))]
    return sum(read_record(unit, store).seconds.train for unit in trained)


def _epochs(store: Store, member: str) -> dict[str, Any]:
    """How the epochs of a member's units were chosen, and which; nothing is known of a join."""
    path = f"tables/{member}/epochs.json"
    found = json.loads(_checked(store, path)) if is_there(store.uri(path)) else {}
    chosen = found if isinstance(found, dict) else {}
    return {"select": chosen.get("select"), "epochs": chosen.get("epochs")}


def _checked(store: Store, path: str) -> bytes:
    require_right(store.uri(path))
    return store.read(path)
