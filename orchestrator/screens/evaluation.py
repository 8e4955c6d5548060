"""What `evaluate` and `compare` found."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from ensembles.scores.metrics import METRICS

MOST_ROWS = 20
# Of more classes the MOST_ROWS lowest in F1 are shown.
MOST_CLASSES = 100


def show_evaluation(report: dict[str, Any], console: Console) -> None:
    errors = report["standard_error"]
    console.print(f"{report['rows']} photographs{_by_whom(report)}")
    for metric, entry in METRICS.items():
        if metric in report:
            console.print(f"{entry.title:<18}{report[metric]:.4f} ±{errors[metric]:.4f}")
    if "calibration_error" in report:
        console.print(f"{'calibration error':<18}{report['calibration_error']:.4f}")
    table = Table(box=None, pad_edge=False)
    table.add_column("class")
    for name in ("precision", "recall", "f1", "support", "predicted"):
        table.add_column(name, justify="right")
    rows = report["per_class"]
    for row in _worst(rows):
        shares = [f"{row[name]:.3f}" for name in ("precision", "recall", "f1")]
        table.add_row(str(row["class"]), *shares, str(row["support"]), str(row["predicted"]))
    console.print(table)
    if len(rows) > MOST_CLASSES:
        console.print(f"the {MOST_ROWS} lowest in F1 of {len(rows)} classes (all with --json)")
    for target, scores in report["per_target"].items():
        console.print(
            f"{target}: macro F1 {scores['macro_f1']:.4f}, accuracy {scores['accuracy']:.4f}"
        )
    show_notes(report, console)


def _by_whom(report: dict[str, Any]) -> str:
    """Which answers count as right and, where they are of some photographs only, of how many."""
    truth = report.get("truth")
    if truth is None:
        return ""
    share = f" of {truth['of']}, those whose label is known"
    return f"{share if report['rows'] < truth['of'] else ''}; right answers: {truth['place']}"


def _worst(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return (
        rows if len(rows) <= MOST_CLASSES else sorted(rows, key=lambda row: row["f1"])[:MOST_ROWS]
    )


def show_comparison(report: dict[str, Any], console: Console) -> None:
    names = report["files"]
    console.print(f"{report['rows']} rows; share of equal answers")
    table = Table(box=None, pad_edge=False)
    for name in ("", *names):
        # folded: names that are long and alike differ at their end
        table.add_column(name, justify="left" if not name else "right", overflow="fold")
    for name, row in zip(names, report["agreement"], strict=True):
        table.add_row(name, *(f"{share:.4f}" for share in row))
    console.print(table)
    for same in report["identical"]:
        console.print(f"{' and '.join(same)} are the same submission")
    show_differences(report, console)
    show_notes(report, console)


def show_notes(report: dict[str, Any], console: Console) -> None:
    for note in report.get("notes", ()):
        console.print(f"note: {note}", markup=False)


def show_differences(report: dict[str, Any], console: Console) -> None:
    """Class counts side by side and, of two files, the rows in which they differ."""
    counts = report["counts"]
    table = Table(box=None, pad_edge=False)
    for name in ("answer", *counts):
        table.add_column(name, justify="right", overflow="fold")
    for answer in next(iter(counts.values())):
        table.add_row(str(answer), *(str(own[answer]) for own in counts.values()))
    console.print(table)
    if len(report["files"]) != 2:
        return
    ((pair, rows),) = report["rows_that_differ"].items()
    first, second = report["files"]
    for image_id, one, other in rows[:MOST_ROWS]:
        console.print(f"{image_id}: {one} in {first}, {other} in {second}")
    if len(rows) > MOST_ROWS:
        rest = len(rows) - MOST_ROWS
        console.print(f"and {rest} more rows that differ (all with --json): {pair}")
