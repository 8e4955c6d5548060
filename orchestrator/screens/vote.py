"""Why a vote is as it is, as text: its members' reasons, what it was chosen from, what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

import ensembles
from ensembles.errors import nearest
from ensembles.files.compare import same_submissions
from ensembles.scores import metrics
from ensembles.voting.record import VoteRecord
from orchestrator.errors import WrongRequest

if TYPE_CHECKING:
    from orchestrator.runs.run import Ballot

MOST_ROWS = 20
METRICS = {name: metrics.title(name) for name in metrics.REPORTED}


def why(vote: ensembles.Vote, ballot: Ballot, image_id: str) -> dict[str, Any]:
    """How the vote decided one photograph, of the test part or else of the OOF rows."""
    for tables in (ballot.test, ballot.oof):
        if not tables:
            continue
        ordered = {name: tables[name] for name in vote.weights}
        found = ensembles.explain(vote.rule, ordered, image_id)
        if found:
            return found
    known = [str(i) for t in (ballot.test, ballot.oof) if t for i in next(iter(t.values())).ids]
    hint = nearest(image_id, known[:20_000])
    raise WrongRequest(f"--why {image_id!r}: no photograph of that id was voted on.{hint}")


def same_as_earlier(vote: ensembles.Vote, folder: str, run: str) -> list[str]:
    """A note for each earlier submission of the run that answers alike on every row."""
    if vote.rows != "test" or not run:
        return []
    return [
        f"the same answers as {other}: do not hand in both."
        for other in same_submissions(vote.ids, vote.answers, f"{run}votes", folder)
    ]


def show_large(record: VoteRecord, folder: str, console: Console) -> None:
    """What `cast_large` found, as text."""
    if found := record.estimate:
        errors = found["standard_error"]
        figures = (
            f"{metrics.title(name)} {found[name]:.4f} ±{error:.4f}"
            for name, error in errors.items()
        )
        console.print(f"on rows that nothing was fitted to: {', '.join(figures)}")
    for name, weight in record.weights.items():
        console.print(f"{name}: {weight:.3f}", markup=False)
    show_reasons(record.reasons, console)
    show_candidates(record.candidates, console)
    for note in record.notes:
        console.print(f"note: {note}", markup=False)
    console.print(f"{record.seconds:.1f} s, in ranges of rows. The vote is in {folder}")


def show_reasons(reasons: list[dict[str, Any]], console: Console) -> None:
    width = max((len(reason["member"]) for reason in reasons), default=0)
    for reason in reasons:
        console.print(f"{reason['member']:<{width}}  {reason['text']}", markup=False)


def show_candidates(candidates: list[dict[str, Any]], console: Console) -> None:
    if not candidates:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("chosen among, simplest first")
    for name in (*METRICS.values(), "F1 behind", "loss behind", ""):
        table.add_column(name, justify="right")
    for row in candidates:
        loss = ""
        if row["as_good"]:
            loss = f"{row['loss_behind']:.4f} ±{row['loss_standard_error']:.4f}"
        table.add_row(
            row["name"],
            *(f"{row[metric]:.4f}" for metric in METRICS),
            f"{row['behind']:.4f} ±{row['standard_error']:.4f}",
            loss,
            "<- chosen" if row["chosen"] else "",
        )
    console.print(table)
    console.print(
        "Chosen: the simplest within one standard error of the best in macro F1 and, among those "
        "that are, in log-loss (both on rows that nothing was fitted to)."
    )


def show_why(reason: dict[str, Any], console: Console) -> None:
    classes, decision = reason["classes"], reason["decision"]
    truth = "" if reason["label"] is None else f" (labelled {reason['label']})"
    console.print(f"{reason['image_id']}: {decision}{truth}", markup=False)
    final = reason["final"]
    order = sorted(range(len(classes)), key=lambda k: -final[k])[:4]
    table = Table(box=None, pad_edge=False)
    for name in ("", "weight", *(classes[k] for k in order), "says"):
        table.add_column(str(name), justify="left" if not name else "right")
    for name, member in reason["members"].items():
        said = member["probabilities"]
        shown = (f"{said[k]:.3f}" for k in order)
        says = classes[max(range(len(said)), key=said.__getitem__)]
        table.add_row(name, f"{member['weight']:.3f}", *shown, str(says))
    table.add_section()
    table.add_row(f"{reason['pool']} pool", "", *(f"{reason['pooled'][k]:.3f}" for k in order))
    table.add_row("the vote", "", *(f"{final[k]:.3f}" for k in order), str(decision))
    console.print(table)
    votes = ", ".join(f"{name} {count}" for name, count in reason["votes"].items())
    console.print(f"first choices: {votes}", markup=False)
    if reason["offsets_decided"]:
        console.print("The class offsets decided: without them the pool says another class.")
    if reason["turned_by"]:
        names = ", ".join(reason["turned_by"])
        console.print(f"Without any one of these it would be another class: {names}", markup=False)
    else:
        console.print("No single member's absence would change it.")


def show_pareto(front: dict[str, Any], console: Console) -> None:
    metric = front["metric"]
    table = Table(box=None, pad_edge=False)
    for name in ("ms a photo", metrics.title(metric), "± s.e.", "members"):
        table.add_column(name, justify="left" if name == "members" else "right")
    for point in front["points"]:
        if point["front"]:
            table.add_row(
                f"{point['milliseconds']:.2f}",
                f"{point[metric]:.4f}",
                f"{point['standard_error']:.4f}",
                ", ".join(point["members"]),
            )
    console.print(table)
    cheapest, best = front["cheapest"], front["best"]
    console.print(
        f"Cheapest within one standard error of the best: {', '.join(cheapest['members'])}: "
        f"{cheapest['milliseconds']:.2f} ms a photo against {best['milliseconds']:.2f}, "
        f"{metrics.title(metric)} {cheapest[metric]:.4f} against {best[metric]:.4f}.",
        markup=False,
    )


def show_differences(report: dict[str, Any], console: Console) -> None:
    """Class counts side by side and, of two files, the rows in which they differ."""
    counts = report["counts"]
    table = Table(box=None, pad_edge=False)
    for name in ("answer", *counts):
        table.add_column(name, justify="right")
    for answer in next(iter(counts.values())):
        table.add_row(str(answer), *(str(own[answer]) for own in counts.values()))
    console.print(table)
    if len(report["files"]) != 2:
        return
    ((pair, rows),) = report["rows_that_differ"].items()
    first, second = report["files"]
    for image_id, one, other in rows[:MOST_ROWS]:
        console.print(f"{image_id}: {one} in {first}, {other} in {second}", markup=False)
    if len(rows) > MOST_ROWS:
        rest = len(rows) - MOST_ROWS
        console.print(f"and {rest} more rows that differ (all with --json): {pair}", markup=False)
