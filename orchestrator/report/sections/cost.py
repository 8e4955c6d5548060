"""Score against cost: members alone, plain means of the best, the run's votes, and the front of refits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ensembles.scores import metrics
from ensembles.voting.pareto import COST
from orchestrator.program import called
from orchestrator.report.blocks import Cell, Column, Figures, Grid, Section
from orchestrator.report.material import Material
from orchestrator.report.sections.standings import figure
from orchestrator.report.svg import Plot, dot, legend, padded, text


@dataclass
class Point:
    """kind: what was done; fitted: to which rows, in words."""

    name: str
    kind: str
    milliseconds: float
    score: float
    error: float | None
    fitted: str
    front: bool = False


_COLOURS = {"member": "s0", "mean": "s2", "vote": "s1", "refit": "s3"}
_ALONE = "nothing: the member's own out-of-fold answers"
_MEAN = "nothing but the order of the members, by their own score on these rows"
_VOTE = "its weights, to the rows of the other folds (the nested estimate)"

_REFIT = "a vote of its own, to these members alone, on the rows of the other folds (the nested estimate)"


def section(run: Material) -> Section:
    found = Section("cost", "Score against cost")
    if not run.oof:
        found.say(run.why_no_rows)
        return found
    costs = {name: table.meta.get(COST) for name, table in run.oof.items()}
    known = {n: float(c) for n, c in costs.items() if isinstance(c, int | float) and c > 0}
    if missing := [name for name in costs if name not in known]:
        found.say(
            f"No cost is known of {', '.join(missing)}: their tables have no {COST} in their metadata."
        )
        return found
    points = _points(run, known)
    _mark_front(points, metrics.named(run.metric).sign)
    found.blocks.append(_picture(run, points))
    rows = [
        [
            Cell(p.name, kind="chosen" if p.kind == "vote" and p.name == run.vote else ""),
            Cell(p.kind), Cell(f"{p.milliseconds:.2f}", p.milliseconds), figure(p.score, p.error),
            Cell("yes" if p.front else ""), Cell(p.fitted, kind="long"),
        ]
        for p in points
    ]  # fmt: skip
    columns = [
        Column("name", numbers=False), Column("kind", numbers=False), Column("ms a photograph"),
        Column(run.metric_title), Column("on the front", numbers=False),
        Column("what was fitted, and to which rows", numbers=False),
    ]  # fmt: skip
    notes = [
        "The front: better than all that are cheaper. A vote takes what its members take, a stack what its "
        "members do."
    ]
    if run.front is None:
        notes[0] += (
            " The front of votes that are fitted to each sub-ensemble anew takes longer: "
            f"{called()} vote --run {run.place} --pareto writes it, and the next report shows it."
        )
    else:
        notes[0] += f" Refits are the front of vote --pareto for {run.vote}."
    found.blocks.append(Grid("Points", columns, rows, notes=notes))
    return found


def _points(run: Material, costs: dict[str, float]) -> list[Point]:
    of, values = metrics.named(run.metric), run.metric_values
    scores: dict[str, float] = {}
    found = []
    for name, table in run.oof.items():
        scores[name] = of.score(run.labels, table.probabilities, values)
        error = of.standard_error(run.labels, table.probabilities, values, run.groups)
        found.append(
            Point(name, "member", _together(run, [name], costs), scores[name], error, _ALONE)
        )
    order = sorted(scores, key=lambda name: -of.sign * scores[name])
    total = np.zeros(run.mean.shape, np.float64)
    for n, name in enumerate(order, start=1):
        total += run.oof[name].probabilities
        if n > 1:
            mean = total / n
            cost = _together(run, order[:n], costs)
            score = of.score(run.labels, mean, values)
            title = f"mean of all {n}" if n == len(order) else f"mean of the best {n}"
            error = of.standard_error(run.labels, mean, values, run.groups)
            found.append(Point(title, "mean", cost, score, error, _MEAN))
    for vote, record in run.records.items():
        used = [name for name, weight in record.weights.items() if abs(weight) > 0]
        estimate = record.estimate or {}
        if run.others[vote] or run.metric not in estimate or not all(n in costs for n in used):
            continue
        error = estimate["standard_error"].get(run.metric)
        how = f"{_VOTE}; kind: {record.choice}" if record.choice else _VOTE
        how = how if record.mode == "weighted" else "nothing: fixed weights"
        found.append(
            Point(vote, "vote", _together(run, used, costs), estimate[run.metric], error, how)
        )
    for own in (run.front or {}).get("points", ()):
        # a vote of one member is the member
        if own["front"] and run.metric in own and len(own["members"]) > 1:
            title = f"{run.vote} of {', '.join(own['members'])}"
            how = f"{_REFIT}; kind: {own['choice']}" if own.get("choice") else _REFIT
            error = own["standard_error"]
            found.append(Point(title, "refit", own["milliseconds"], own[run.metric], error, how))
    return sorted(found, key=lambda p: (p.milliseconds, -of.sign * p.score))


def _together(run: Material, names: list[str], costs: dict[str, float]) -> float:
    """A stack takes what its members take, and those are asked once."""
    asked: dict[str, float] = {}
    left = list(names)
    while left:
        name = left.pop()
        stack = run.oof[name].meta.get("stack")
        of = stack.get("of") if isinstance(stack, dict) else None
        if isinstance(of, list) and of and all(own in costs for own in of):
            left += of
        else:
            asked[name] = costs[name]
    return float(sum(asked.values()))


def _mark_front(points: list[Point], sign: int) -> None:
    record = -np.inf
    for point in points:
        point.front = sign * point.score > record
        record = max(record, sign * point.score)


def _picture(run: Material, points: list[Point]) -> Figures:
    xs, ys = [p.milliseconds for p in points], [p.score for p in points]
    low, high = min(xs), max(xs)
    spread = high / low > 5
    across = (low / 1.15, high * 1.15) if spread else padded(xs)
    plot = Plot(
        across, padded(ys, 0.12), "milliseconds a photograph", run.metric_title, log_x=spread
    )
    front = [p for p in points if p.front]
    plot.line([p.milliseconds for p in front], [p.score for p in front], "s6 thin")
    for p in points:
        x, y = plot.x(p.milliseconds), plot.y(p.score)
        told = f"{p.name}: {p.milliseconds:.2f} ms, {run.metric_title} {p.score:.4f}"
        chosen = p.kind == "vote" and p.name == run.vote
        plot.add(
            dot(x, y, _COLOURS[p.kind] + (" ring" if chosen else ""), told, 6 if chosen else 4)
        )
        if chosen:
            side = "end" if x > plot.wide * 0.6 else "start"
            plot.add(text(x + (-10 if side == "end" else 10), y + 4, p.name, "label", side))
    drawn = plot.done(f"{run.metric_title} against milliseconds a photograph")
    names = [("members alone", "s0"), ("plain means of the best", "s2"), ("votes", "s1")]
    if any(p.kind == "refit" for p in points):
        names.append(("votes fitted to some members anew", "s3"))
    return Figures(
        [(f"{run.metric_title} against cost", drawn)],
        legend=legend(names, dots=True) + legend([("front", "s6")]),
    )
