"""The leaderboard of a run."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from orchestrator.runs.partial import FinishedFolds
from orchestrator.runs.standing import remarks
from orchestrator.runs.store import Store
from orchestrator.screens.figures import figures, plain, seconds


def show_leaderboard(name: str, store: Store, rows: list[dict[str, Any]], console: Console) -> None:
    with_truth = any(row["truth"] for row in rows)
    table = Table(box=None, pad_edge=False, title=f"{name}: macro F1", title_justify="left")
    table.add_column("")
    table.add_column("epochs")
    for column in ("OOF", "nested estimate", *(["test"] if with_truth else []), "seconds"):
        table.add_column(column, justify="right")
    for kind in ("member", "vote"):
        for row in sorted(
            (r for r in rows if r["kind"] == kind),
            # a student's OOF score is nothing to be placed by
            key=lambda r: (
                r["teacher"] is not None,
                -((r["estimate"] or r["oof"] or {}).get("macro_f1", 0.0)),
            ),
        ):
            oof = figures(row["oof"])[0] if row["oof"] and kind == "member" else plain(row["oof"])
            oof = row["note"] or oof
            estimate = figures(row["estimate"])[0] if row["estimate"] else ""
            cells = [oof, estimate] + ([plain(row["truth"])] if with_truth else [])
            name = f"{kind} {row['name']}{_mark(row)}"
            table.add_row(name, _selected(row), *cells, seconds(row["seconds"]))
        table.add_section()
    console.print(table)
    for row in rows:
        if row["kind"] == "vote" and store.exists(f"votes/{row['name']}/submission.csv"):
            path = store.uri(f"votes/{row['name']}/submission.csv")
            console.print(f"submission of {row['name']}{_mark(row)}: {path}")
    for note in _of_truth(rows):
        console.print(f"note: {note}", markup=False)
    for row in rows:
        if row["pseudo"]:
            console.print(f"note: {_learnt(row)}", markup=False)
        if row["teacher"]:
            console.print(f"note: {_taught(row, rows)}", markup=False)
    for row in rows:
        if row["optimistic"]:
            console.print(f"note: {row['kind']} {row['name']}: {row['optimistic']}", markup=False)
    for row in rows:
        if row["finished"] and not row["note"]:
            folds = FinishedFolds(**row["finished"]).line()
            by = (
                ", as the spec says"
                if row["finished"].get("asked") == row["finished"]["folds"]
                else ""
            )
            console.print(f"note: {row['name']} is trained in {folds}{by}", markup=False)
    by_rows: dict[tuple[int, int], list[str]] = {}
    for row in rows:
        if row["rows"]:
            found = by_rows.setdefault((row["rows"]["rows"], row["rows"]["of"]), [])
            found.append(f"{row['kind']} {row['name']}")
    for (n, of), names in by_rows.items():
        console.print(
            f"note: of {n} of {of} OOF rows, those that all members of the vote have, so not to be compared "
            f"with figures of other rows: {', '.join(names)}",
            markup=False,
        )
    for mark, differ in ((" *", True), (" ?", None)):
        names = [f"{row['kind']} {row['name']}" for row in rows if _mark(row) == mark]
        for note in remarks(dict.fromkeys(names, differ)):
            console.print(f"note:{mark} {note}", markup=False)


def _of_truth(rows: list[dict[str, Any]]) -> list[str]:
    """By which answers the test part is scored, and where they contradict what the run knows."""
    every = [row["right"] for row in rows if row["right"]]
    notes = []
    for place, n, of in dict.fromkeys((own["place"], own["rows"], own["of"]) for own in every):
        share = f" of {n} of {of} photos, those whose label is known," if n < of else ""
        notes.append(f"test scores{share} are by the answers of {place}")
    found: list[list[str]] = max((own["contradictions"] for own in every), key=len, default=[])
    if found:
        shown = ", ".join(f"{i} is {right}, not {other}" for i, right, other in found[:3])
        more = ", ..." if len(found) > 3 else ""
        notes.append(
            f"{len(found)} of these answers are other than the labels that the run knows: {shown}{more}. "
            "Those of --truth were taken"
        )
    return notes


def _learnt(row: dict[str, Any]) -> str:
    own = row["pseudo"]
    low, high = min(own["taken"].values()), max(own["taken"].values())
    n = f"{low} to {high}" if low < high else str(low)
    return (
        f"{row['name']} learnt {n} of the {own['of']} photos to predict in each unit, labelled by "
        f"{' and '.join(own['by'])}"
    )


def _taught(row: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """What a student's OOF score is worth and, where the truth is known, how much it is above others'."""
    own = row["teacher"]
    text = (
        f"{row['name']} learnt to answer as the {own['vote']} vote of {' and '.join(own['by'])}, whose "
        "networks had the labels of the fold that it is scored on: its OOF score is flattered"
    )
    gap, others = _above_test(row), [_above_test(r) for r in rows if r["name"] in own["by"]]
    known = [other for other in others if other is not None]
    if gap is None or not known:
        return f"{text}; --truth shows one that is not"
    mean = sum(known) / len(known)
    return f"{text}. OOF above test by {gap:+.3f}, its teachers by {mean:+.3f}"


def _above_test(row: dict[str, Any]) -> float | None:
    if row["kind"] != "member" or not row["oof"] or not row["truth"]:
        return None
    return row["oof"]["macro_f1"] - row["truth"]["macro_f1"]


def _mark(row: dict[str, Any]) -> str:
    """Of figures that are of other tables than the run has now and of votes that may be."""
    if row["other_tables"]:
        return " *"
    return " ?" if row["other_tables"] is None and row["kind"] == "vote" else ""


def _selected(row: dict[str, Any]) -> str:
    """`best 4-9`, `last 10` or `common 6`."""
    if not row.get("epochs"):
        return ""
    low, high = min(row["epochs"].values()), max(row["epochs"].values())
    shown = f"{low}-{high}" if low < high else str(low)
    return f"{row['select'].removesuffix('_epoch')} {shown}"
