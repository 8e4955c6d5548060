"""The command `audit`: which labels of a run's photographs are probably wrong."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

import ensembles
from ensembles.files import places
from ensembles.files.align import common_rows
from ensembles.files.digests import require_right
from ensembles.files.table import HELD_OUT, RECORD, OofTable
from ensembles.voting.record import VoteRecord
from members.data.codec import Codec
from orchestrator.audit import contradictions
from orchestrator.audit.contradictions import FOLDER, Contradiction, contradictions_csv
from orchestrator.audit.files import (
    corrections_csv,
    sheet_html,
    sheet_png,
    suspects_csv,
    thumbnails,
)
from orchestrator.audit.labels import Audit, audit_labels, contradicting_copies
from orchestrator.commands.run import Run, members_of, read_tables
from orchestrator.errors import WrongRequest, counted
from orchestrator.runs.partial import is_partial
from orchestrator.runs.standing import StandingTables
from orchestrator.runs.store import Store
from orchestrator.runs.votes import vote_name
from orchestrator.screens.reading import reading

_SHOWN, _CONFLICTS = 15, 5  # in the terminal


def audit(run: Run, out: str | None, top: int, console: Console) -> dict[str, Any]:
    """Rank the labels, write the files and say what to do; returns what --json holds.

    out: a folder in place of the run's own. top: photographs on the sheets. Raises WrongRequest where
    there are no OOF tables of all classes.
    """
    store = run.store
    names, notes = members_of(run)
    stacked = {own.name for own in run.spec.stacks}
    names = [name for name in names if name not in stacked]  # made of the others
    tables = _tables(names, store, notes)
    if not tables:
        raise WrongRequest(
            f"{store.root}: no member held photographs out (folds.scheme: all), so nothing says of a "
            "label what networks say that did not learn it. Train with folds."
        )
    require_right(store.uri("images.parquet"))
    photographs = pd.DataFrame(places.read_parquet(store.uri("images.parquet")).to_pandas())
    codec = Codec.from_json(store.read_text("targets.json"))
    found = audit_labels(tables, photographs, codec, _voted(run))
    found.notes += notes
    with reading(console) as progress:
        found.copies = contradicting_copies(
            found, lambda *done: progress("reading photographs", *done)
        )
    written = _write(found, run, Store(out) if out else store, FOLDER if out is None else "", top)
    _show(found, written, run, console)
    return {
        "members": found.members,
        "by": found.by,
        "photographs": len(found.frame),
        "proposed": int(found.found.proposed.sum()),
        "corrections": written["corrections"],
        "files": written["files"],
        "groups": [_record(own) for own in found.groups],
        "copies": [_record(own) for own in found.copies],
        "suspects": [
            {
                "image_id": found.frame["image_id"].iloc[row],
                "label": found.name(found.frame["label"].iloc[row]),
                "suggested": found.name(found.found.other[row]),
                "p_label": round(float(found.found.own[row]), 6),
                "p_suggested": round(float(found.found.of_other[row]), 6),
                "members_for_it": int(found.found.agree[row]),
                "proposed": bool(found.found.proposed[row]),
                "p_label_by_tables": round(float(found.found.by_tables[row]), 6),
                "against_its_group": bool(found.found.contradicts[row]),
            }
            for row in found.found.order[:top]
        ],
        "notes": found.notes,
    }


def _tables(names: list[str], store: Store, notes: list[str]) -> dict[str, OofTable]:
    """The OOF tables of the members that have every row or, where none has, the rows that all have."""
    some = [name for name in names if is_partial(name, store)]
    whole = [name for name in names if name not in some]
    if whole:
        if some:
            notes.append(f"without rows of all folds, so not asked: {', '.join(some)}.")
        return ensembles.read_members(store.uri("tables"), "oof", whole)
    tables = {n: OofTable.of(own, n) for n, own in read_tables(store, some, "oof").items()}
    return common_rows(tables) if tables else tables


def _voted(run: Run) -> ensembles.Table | None:
    """The OOF rows that the spec's own vote voted without their fold; None where it has none, is of
    other tables than the run has now, or counts votes, whose shares are no probabilities."""
    folder = f"votes/{vote_name(run.spec.vote)}"
    if not run.store.exists(f"{folder}/{RECORD}"):
        return None
    path = run.store.uri(f"{folder}/{RECORD}")
    record = VoteRecord.from_json(places.read_bytes(path), path)
    if (
        HELD_OUT not in record.files
        or record.mode == "hard"
        or StandingTables(run.store.root).differ_from(record) is not False
    ):
        return None
    return ensembles.read_table(run.store.uri(f"{folder}/{HELD_OUT}"))


def _record(own: Contradiction) -> dict[str, Any]:
    photographs = [list(pair) for pair in own.values.items()]
    return {"target": own.target, "where": own.where, "photographs": photographs}


def _write(audit: Audit, run: Run, store: Store, folder: str, top: int) -> dict[str, Any]:
    text, n, only_age = corrections_csv(audit, run.spec)
    files: dict[str, bytes | str] = {
        "suspects.csv": suspects_csv(audit),
        "corrections.csv": text,
    }
    if len(audit.compared):  # else the page would say that there are no look-alikes
        files[contradictions.NAME] = contradictions_csv([*audit.copies, *audit.groups])
    pictures = thumbnails(audit, audit.found.order[:top])
    if pictures:
        files["sheet.html"] = sheet_html(audit, pictures, run.spec.name)
        files["sheet.png"] = sheet_png(audit, pictures)
    written = []
    for name, content in files.items():
        path = f"{folder}/{name}" if folder else name
        store.write(path, content)
        written.append(store.uri(path))
    return {"files": written, "corrections": n, "only_age": only_age}


def _show(audit: Audit, written: dict[str, Any], run: Run, console: Console) -> None:
    found = audit.found
    table = Table(box=None, pad_edge=False)
    for name in ("photo", "label", "", "members say", "", "members"):
        table.add_column(name, justify="right" if name in ("", "members") else "left")
    for row in found.order[:_SHOWN]:
        own = audit.frame.iloc[row]
        table.add_row(
            own["image_id"], audit.name(own["label"]), f"{found.own[row]:.1%}",
            audit.name(found.other[row]), f"{found.of_other[row]:.1%}",
            f"{found.agree[row]} of {len(audit.members)}",
        )  # fmt: skip
    labels, members = counted(len(audit.frame), "label"), counted(len(audit.members), "member")
    console.print(
        f"{run.spec.name}: {labels} by {members} that did not learn them, the most suspicious first by "
        f"{audit.by}"
    )
    console.print(table)
    for what, conflicts in (
        ("look-alikes under two labels", audit.copies),
        ("groups whose photographs disagree in what nearly all groups share", audit.groups),
    ):
        if not conflicts:
            continue
        console.print(f"{what}: {len(conflicts)}")
        for own in conflicts[:_CONFLICTS]:
            lines = list(own.values.items())
            text = ", ".join(f"{i} is {name}" for i, name in lines[:4])
            more = f", ... ({len(lines)} photographs)" if len(lines) > 4 else ""
            console.print(f"  {own.where}: {text}{more}")
    for note in audit.notes:
        console.print(f"note: {note}")
    if written["only_age"]:
        console.print(
            f"note: {counted(written['only_age'], 'photo')} whose age class alone looks wrong: a correction "
            "takes years, so they are in suspects.csv only"
        )
    for file in written["files"]:
        console.print(f"written: {file}")
    corrections = next(own for own in written["files"] if own.endswith("corrections.csv"))
    console.print(
        f"{counted(written['corrections'], 'correction')} proposed. Where one label in twenty was wrong, a "
        "quarter of such proposals were right: look at the sheet, delete the rows that are not, name the "
        f"file in the spec (data: {{corrections: {json.dumps(corrections)}}}) and train again."
    )
