"""What each member is worth to the vote, and how alike members err."""

from __future__ import annotations

from ensembles.judging.reasons import error_correlations
from ensembles.scores import metrics
from orchestrator.report.blocks import Cell, Column, Grid, Section
from orchestrator.report.material import Material
from orchestrator.report.sections.standings import figure
from orchestrator.report.svg import bar, interval, padded


def worth(run: Material) -> Section:
    found = Section("members", "What each member is worth")
    record = run.record
    if record is None or not record.weights:
        found.say("No vote was cast yet, so that members have no weights.")
        return found
    if not record.reasons:
        rows = [[Cell(name), _weight(own)] for name, own in record.weights.items()]
        columns = [Column("member", numbers=False), Column("weight")]
        found.blocks.append(Grid("Weights", columns, rows))
        found.say("Without out-of-fold tables nothing can be said of what a member is worth.")
        return found
    known = [own for own in record.reasons if own["loss_without"] is not None]
    ends = [
        own["loss_without"] + sign * 1.96 * (own["standard_error"] or 0)
        for own in known for sign in (-1, 1)
    ]  # fmt: skip
    bounds = padded([0.0, *ends])
    rows = []
    for own in record.reasons:
        lost, error = own["loss_without"], own["standard_error"]
        drawn = "" if lost is None else interval(lost, error, bounds, "s0", zero=True)
        correlation = own["error_correlation"]
        rows.append(
            [
                Cell(own["member"]), _weight(own["weight"]), figure(own["solo"]),
                figure(lost, error), Cell(drawn, lost),
                Cell("" if correlation is None else f"{correlation:.2f}", correlation),
                Cell(own["text"], kind="long"),
            ]
        )  # fmt: skip
    title = metrics.title(record.objective or "macro_f1")
    columns = [
        Column("member", numbers=False), Column("weight"), Column(f"{title} alone"),
        Column("the vote loses without it"),
        Column("interval", hint="of what is lost; right of 0 the member is missed"),
        Column("errors with others'", hint="correlation of its errors with the share of the others that err"),
        Column("in words", numbers=False),
    ]  # fmt: skip
    grid = Grid(f"Members of {run.vote}", columns, rows)
    if record.rules is not None:
        grid.notes = [
            "The vote is a mean of several fitted rules, which have weights of their own: a weight here is "
            "how far the vote moves without the member."
        ]
    found.blocks.append(grid)
    return found


def _weight(weight: float) -> Cell:
    drawn = bar(abs(weight), f"weight {weight:.3f}", "s1" if weight < 0 else "s0")
    return Cell(drawn + f" {weight:.3f}", float(weight))


def correlation(run: Material) -> Section:
    found = Section("correlation", "Error correlation")
    if not run.oof:
        found.say(run.why_no_rows)
        return found
    if len(run.oof) < 2:
        found.say("There is one member only: nothing to be alike.")
        return found
    alike = error_correlations(run.labels, run.decided)
    rows = [
        [Cell(name), *(Cell(f"{r:.2f}", heat=float(r)) for r in own)]
        for name, own in zip(run.oof, alike.tolist(), strict=True)
    ]
    columns = [Column("member", numbers=False), *map(Column, run.oof)]
    notes = [
        "Correlation over out-of-fold rows of being wrong: 1 where two members err on the same photographs, "
        "0 where their errors are independent. The less, the more a vote of both gains."
    ]
    found.blocks.append(Grid("Members whose errors are alike", columns, rows, True, notes))
    return found
