"""The command `leaderboard`: members and votes of a run side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ensembles
from ensembles.scores import metrics
from ensembles.voting.record import VoteRecord
from orchestrator.commands.run import Run, left_out
from orchestrator.errors import WrongRequest
from orchestrator.program import called
from orchestrator.runs.store import Store
from orchestrator.spec.search import STOPPED
from orchestrator.units.record import find_record


def standings(run: Run, truth: Path | None) -> list[dict[str, Any]]:
    """Members, then votes: OOF figures, the nested estimate, and the score on the test part.

    A vote's `oof` is of the rows its weights were fitted to; its `estimate` is not. A member's own
    OOF score is a little flattered where its best epoch was chosen on the same rows. A member that
    lost to others in the search has a `note` in place of figures.
    """
    votes = [v for v in run.store.list("votes") if run.store.exists(f"votes/{v}/vote.json")]
    if not votes:
        raise WrongRequest(
            f"{run.store.root} has no votes yet: {called()} vote SPEC --mode weighted"
        )
    records = {name: _record(run.store, f"votes/{name}/vote.json") for name in votes}
    solo: dict[str, dict] = {}
    for record in records.values():
        solo |= record.solo
    rows = []
    for member in (name for name in run.spec.voters() if name in solo):
        rows.append(
            {
                "kind": "member",
                "name": member,
                "oof": solo[member],
                "estimate": None,
                "seconds": _training_seconds(run.store, member),
                **_epochs(run.store, member),
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
                "table": f"tables/{name}/test.parquet",
                "note": STOPPED,
            }
        )
    for row in rows:
        row.setdefault("note", None)
        table = row.pop("table")
        row["truth"] = None
        if truth is not None and run.store.exists(table):
            report = ensembles.evaluate(run.store.uri(table), truth)
            row["truth"] = {name: report[name] for name in metrics.REPORTED}
    return rows


def _record(store: Store, path: str) -> VoteRecord:
    return VoteRecord.from_json(store.read(path), store.uri(path))


def _training_seconds(store: Store, member: str) -> float:
    """Of all units that the member's tables were made from; epochs only, validation included."""
    made_from = store.read(f"tables/{member}/made_from.txt").decode().split()[0]
    folder = f"units/{member}/{made_from}"
    records = [find_record(f"{folder}/{unit}", store) for unit in store.list(folder)]
    return sum(record.seconds.train for record in records if record)


def _epochs(store: Store, member: str) -> dict[str, Any]:
    """How the epochs of a member's units were chosen, and which; nothing is known of a join."""
    path = f"tables/{member}/epochs.json"
    chosen = store.read_json(path) if store.exists(path) else {}
    return {"select": chosen.get("select"), "epochs": chosen.get("epochs")}
