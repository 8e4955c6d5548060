"""Why this vote: three sentences, then what it was chosen among."""

from __future__ import annotations

from ensembles.judging.paired import paired_difference
from ensembles.scores import metrics
from ensembles.voting.kinds import MEAN
from ensembles.voting.record import VoteRecord
from orchestrator.program import called
from orchestrator.report.blocks import Cell, Column, Grid, Section
from orchestrator.report.material import Material
from orchestrator.report.sections.standings import figure
from orchestrator.report.svg import interval, padded


def section(run: Material) -> Section:
    found = Section("choice", "The choice of the vote")
    record = run.record
    if record is None:
        found.say(f"No vote was cast yet: {called()} vote --run {run.place} casts one.")
        return found
    for sentence in (_chosen(run, record), _compared(run, record), _test(run, record)):
        found.say(sentence, strong=True)
    if run.others.get(run.vote or ""):
        found.say(
            "This vote is of other tables than the run has now: cast it again before you rely on it."
        )
    if len(record.candidates) > 1:
        found.blocks.append(_candidates(record))
    for note in record.notes:
        found.say(f"Note: {note}")
    return found


def _chosen(run: Material, record: VoteRecord) -> str:
    members = [name for name, weight in record.weights.items() if abs(weight) >= 5e-4]
    of = f"{len(members)} of {len(record.weights)} members" if record.weights else "members"
    if record.rules is not None:
        what = f"the mean of {len(record.rules)} fitted kinds of vote"
    elif record.choice:
        what = f"the kind {record.choice}"
    elif record.objective:
        what = f"weights fitted for {metrics.title(record.objective)}"
    else:
        what = {"hard": "most votes win", "soft": "the mean of the probabilities"}.get(
            record.mode, "fixed weights"
        )
    score = ""
    if record.estimate:
        error = record.estimate["standard_error"].get(run.metric)
        value = record.estimate.get(run.metric)
        if value is not None:
            about = "" if error is None else f" ± {error:.4f} (one standard error)"
            score = f", {run.metric_title} {value:.4f}{about} on rows that nothing was fitted to"
    return f"Chosen is the vote {run.vote}: {what}, in which {of} count{score}."


def _compared(run: Material, record: VoteRecord) -> str:
    if not (record.estimate and record.best_single and record.uniform):
        return "It was compared with nothing: without out-of-fold tables no vote can be scored."
    other = _name_of_single(record)
    value, single = record.estimate.get(run.metric), record.best_single.get(run.metric)
    mean = record.uniform.get(run.metric)
    many = ""
    if len(record.candidates) > 1:
        many = f"{len(record.candidates)} kinds of vote, among them "
    text = (
        f"It was compared with {many}the best member alone ({other}, {_n(single)}) and with equal weights "
        f"({_n(mean)})"
    )
    if run.mixed is None or not run.oof or other not in run.oof:
        if value is None or single is None:
            return f"{text}."
        return f"{text}; it is {_signed(run, value - single)} than the best member."
    ahead, error = paired_difference(
        run.metric, run.labels, run.mixed, run.oof[other].probabilities, run.groups,
        run.metric_values,
    )  # fmt: skip
    return f"{text}; {_noise(ahead, error, other, 'out-of-fold rows', 'paired')}."


def _test(run: Material, record: VoteRecord) -> str:
    if run.test is None:
        return (
            "The truth of the test part is not known here, so that nothing can be said of it: "
            "report --truth CSV compares it."
        )
    vote = run.test.probabilities.get(f"vote {run.vote}")
    if vote is None:
        return "Nothing can be said of the test part: this vote has no answers for its rows."
    labels, metric = run.test.labels, metrics.named(run.metric)
    own = metric.score(labels, vote, run.metric_values)
    text = (
        f"On the {len(labels)} test rows with a known truth it scores {run.metric_title} {own:.4f}"
    )
    others = {
        name.removeprefix("member "): metric.sign * metric.score(labels, table, run.metric_values)
        for name, table in run.test.probabilities.items()
        if name.startswith("member ")
    }
    if not others:
        return f"{text}."
    other = _name_of_single(record) if record.best_single else max(others, key=others.__getitem__)
    other = other if other in others else max(others, key=others.__getitem__)
    table = run.test.probabilities[f"member {other}"]
    ahead, error = paired_difference(
        run.metric, labels, vote, table, run.test.groups, run.metric_values
    )
    return f"{text}; {_noise(ahead, error, other, 'test rows', 'paired')}."


def _noise(ahead: float, error: float, other: str, rows: str, how: str) -> str:
    """How far ahead, and how much of that the chance of the rows can make."""
    low, high = ahead - 1.96 * error, ahead + 1.96 * error
    better = "ahead of" if ahead >= 0 else "behind"
    text = (
        f"it is {abs(ahead):.4f} {better} {other} on the {rows}, with a {how} standard error of {error:.4f} "
        f"(95 % interval of the difference {low:+.4f} to {high:+.4f})"
    )
    if low <= 0 <= high:
        return f"{text}, so that noise alone could make all of it"
    # half the width of the interval
    return f"{text}, so that up to {1.96 * error:.4f} of it may be noise"


def _signed(run: Material, difference: float) -> str:
    good = difference * metrics.named(run.metric).sign >= 0
    return f"{abs(difference):.4f} {'better' if good else 'worse'}"


def _name_of_single(record: VoteRecord) -> str:
    return str((record.best_single or {}).get("member", ""))


def _n(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"


def _candidates(record: VoteRecord) -> Grid:
    averaged = record.rules is not None
    objective = record.objective or "macro_f1"
    title = metrics.title(objective)
    gaps = [(row["behind"], row["standard_error"]) for row in record.candidates]
    bounds = padded([0.0, *(end for g, e in gaps for end in (g - 1.96 * e, g + 1.96 * e))])
    columns = [
        Column("kind", numbers=False),
        *(Column(metrics.title(name)) for name in metrics.REPORTED),
        Column(f"{title} behind the best"),
        Column("interval", hint="of how far it is behind; at 0 it is as good"),
        Column("share" if averaged else "chosen", numbers=averaged),
    ]
    rows = []
    for row in record.candidates:
        share = f"{row['share']:.3f}" if averaged else "chosen" if row["chosen"] else ""
        rows.append(
            [
                Cell(row["name"], kind="chosen" if row["chosen"] else ""),
                *(figure(row[name]) for name in metrics.REPORTED),
                figure(row["behind"], row["standard_error"]),
                Cell(
                    interval(row["behind"], row["standard_error"], bounds, "s1" if row["chosen"] else "s0",
                             zero=True),
                    float(row["behind"]),
                ),
                Cell(share, float(row["share"]) if averaged else share),
            ]
        )  # fmt: skip
    grid = Grid("What it was chosen among", columns, rows)
    if record.chosen_by == MEAN:
        grid.notes = [
            f"Those within {record.near or 0:g} standard errors of the best in {title} count equally; all "
            "scores are of rows that nothing was fitted to."
        ]
    return grid
