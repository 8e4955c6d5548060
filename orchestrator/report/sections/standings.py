"""The leaderboard: members and votes, with intervals."""

from __future__ import annotations

from typing import Any

from ensembles.scores import metrics
from orchestrator.report.blocks import Cell, Column, Grid, Section
from orchestrator.report.material import Material
from orchestrator.report.svg import interval, padded
from orchestrator.runs.standing import remarks

OTHER, PERHAPS = (
    " *",
    " ?",
)  # after the name of a vote of other tables, and of one that does not say


def section(run: Material) -> Section:
    found = Section("leaderboard", "Leaderboard")
    if not run.rows:
        found.say("Nothing is trained to its end yet: there is nothing to compare.")
        return found
    found.say(
        "Scores on out-of-fold rows. A member's are its own; a vote's are of rows that nothing of it was "
        "fitted to (the nested estimate). Intervals are 95 %: 1.96 standard errors, rows of one group "
        "counted as erring together."
    )
    rows = sorted(run.rows, key=lambda row: (row["teacher"] is not None, -score(row)))
    every = [_interval(row) for row in rows]
    known = [(value, error) for value, error in every if value is not None]
    bounds = padded([end for v, e in known for end in (v - 1.96 * (e or 0), v + 1.96 * (e or 0))])
    columns = [
        Column("name", numbers=False), Column("macro F1"),
        Column("interval", hint="of macro F1, all rows on one scale"), Column("accuracy"),
        Column("log-loss", hint="less is better"),
    ]  # fmt: skip
    if run.test:
        columns += [Column("test macro F1"), Column("test accuracy")]
    columns += [
        Column("kind", numbers=False),
        Column("epochs", numbers=False),
        Column("seconds", hint="training of all units, or the fit of the vote"),
    ]
    grid = Grid("Members and votes", columns, [])
    cells = []
    for row, (value, error) in zip(rows, every, strict=True):
        scores = row["estimate"] or row["oof"] or {}
        errors = scores.get("standard_error") or {}
        chosen = row["kind"] == "vote" and row["name"] == run.vote
        own = [Cell(row["name"] + mark(row), row["name"], kind="chosen" if chosen else "")]
        own.append(figure(value, error))
        drawn = "" if value is None else interval(value, error, bounds, colour(row))
        own.append(Cell(drawn, value))
        own += [figure(scores.get(m), errors.get(m)) for m in ("accuracy", "log_loss")]
        if run.test:
            own += [_on_test(run, row, metric) for metric in ("macro_f1", "accuracy")]
        own += [Cell(row["kind"]), Cell(_epochs(row)), _seconds(row["seconds"])]
        cells.append(own)
    grid.rows = cells
    grid.notes = [*_notes(run), *run.notes]
    found.blocks.append(grid)
    return found


def score(row: dict[str, Any]) -> float:
    return float((row["estimate"] or row["oof"] or {}).get("macro_f1", -1.0))


def colour(row: dict[str, Any]) -> str:
    return "s1" if row["kind"] == "vote" else "s0"


def figure(value: float | None, error: float | None = None) -> Cell:
    """A number with its standard error, where there is one."""
    if value is None:
        return Cell("", None)
    return Cell(f"{value:.4f}" + ("" if error is None else f" ±{error:.4f}"), float(value))


def mark(row: dict[str, Any]) -> str:
    """As the leaderboard on the screen marks what is of other tables than the run has now."""
    if row["other_tables"]:
        return OTHER
    return PERHAPS if row["other_tables"] is None and row["kind"] == "vote" else ""


def _interval(row: dict[str, Any]) -> tuple[float | None, float | None]:
    scores = row["estimate"] or row["oof"]
    if not scores:
        return None, None
    return scores["macro_f1"], (scores.get("standard_error") or {}).get("macro_f1")


def _on_test(run: Material, row: dict[str, Any], metric: str) -> Cell:
    assert run.test is not None
    own = run.test.probabilities.get(f"{row['kind']} {row['name']}")
    if own is None:
        return Cell("", None)
    of = metrics.named(metric)
    error = of.standard_error(run.test.labels, own, groups=run.test.groups)
    return figure(of.score(run.test.labels, own), error)


def _epochs(row: dict[str, Any]) -> str:
    if not row.get("epochs"):
        return ""
    low, high = min(row["epochs"].values()), max(row["epochs"].values())
    return f"{row['select'].removesuffix('_epoch')} {low}" + (f"-{high}" if low < high else "")


def _seconds(value: float | None) -> Cell:
    if value is None:
        return Cell("", None)
    return Cell(f"{value:.0f}" if value >= 10 else f"{value:.2f}", value)


def _notes(run: Material) -> list[str]:
    notes = [f"Marked: {run.vote}, the vote that this page explains."] if run.vote else []
    notes += [f"{row['name']}: {row['note']}." for row in run.rows if row["note"]]
    if run.test:
        notes.append(f"The truth of the test part is from {run.test.source}.")
    for row in run.rows:
        if row["pseudo"]:
            notes.append(
                f"{row['name']} learnt photographs to predict, labelled by "
                f"{' and '.join(row['pseudo']['by'])}."
            )
        if row["teacher"]:
            notes.append(
                f"{row['name']} learnt to answer as the vote of {' and '.join(row['teacher']['by'])}, whose "
                "networks had the labels of the folds that it is scored on: its OOF score is flattered."
            )
        if row.get("optimistic"):
            notes.append(f"{row['kind']} {row['name']}: {row['optimistic']}.")
        if row["rows"]:
            n, of = row["rows"]["rows"], row["rows"]["of"]
            notes.append(f"{row['kind']} {row['name']}: of {n} of {of} OOF rows.")
    for sign, differ in ((OTHER, True), (PERHAPS, None)):
        names = [f"{row['kind']} {row['name']}" for row in run.rows if mark(row) == sign]
        notes += [f"{sign.strip()} {note}" for note in remarks(dict.fromkeys(names, differ))]
    return notes
