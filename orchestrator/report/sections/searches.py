"""The search of settings: candidates, rungs, what was stopped and why, parallel coordinates."""

from __future__ import annotations

import math
from typing import Any

from markupsafe import Markup

from ensembles.scores import metrics
from orchestrator.errors import counted
from orchestrator.report.blocks import Cell, Column, Figures, Grid, Section
from orchestrator.report.material import Material
from orchestrator.report.sections.standings import figure
from orchestrator.report.svg import (
    HIGH,
    WIDE,
    Plot,
    dot,
    legend,
    line,
    padded,
    picture,
    tag,
    text,
)
from orchestrator.search.record import Candidate, SearchRecord
from orchestrator.spec.search import Search

# Lines of more candidates are of the best of them: the picture stays readable, and the page small.
MOST_LINES = 60
_STATES = {"done": "s0", "stopped": "s5 dashed", "failed": "s1 dotted", "running": "s2"}


def section(run: Material) -> Section:
    found = Section("search", "Search of settings")
    if not run.searches or run.spec.search is None:
        found.say("This run has no search: the settings of every member stand in its spec.")
        return found
    title = metrics.title(run.spec.search.metric)
    for member, record in run.searches.items():
        by_state = dict.fromkeys(_STATES, 0)
        for own in record.candidates:
            by_state[own.state] += 1
        states = ", ".join(f"{n} {state}" for state, n in by_state.items() if n)
        lost = (
            "; candidates of other members were better, so it was left out"
            if record.left_out
            else ""
        )
        found.say(
            f"{member}: {counted(len(record.candidates), 'candidate')} ({states}) in "
            f"{record.seconds:.0f} s{lost}."
        )
        pictures = _pictures(member, record, run.spec.search, title)
        if pictures:
            found.blocks.append(
                Figures(
                    pictures,
                    notes=_rung_notes(run.spec.search, len(record.candidates)),
                    legend=legend([(state, _STATES[state]) for state, n in by_state.items() if n]),
                )
            )
        found.blocks.append(_candidates(member, record, title))
    return found


def _pictures(
    member: str, record: SearchRecord, search: Search, title: str
) -> list[tuple[str, Markup]]:
    scored = [
        own for own in record.candidates if own.score is not None and math.isfinite(own.score)
    ]
    sign = metrics.named(search.metric).sign
    scored = sorted(scored, key=lambda own: -sign * (own.score or 0.0))[:MOST_LINES]
    if not scored:
        return []
    return [
        (f"{member}: {title} by epoch", _rungs(member, scored, search, title)),
        (f"{member}: settings, parallel coordinates", _parallel(member, scored, title)),
    ]


def _rung_notes(search: Search, n: int) -> list[str]:
    notes = [f"Drawn are the best {MOST_LINES}."] if n > MOST_LINES else []
    if asha := search.asha:
        notes.insert(
            0,
            f"Upright lines are the rungs of ASHA: from epoch {asha.grace_epochs} on, each "
            f"{asha.reduction_factor:g} times the last; what is behind a rung's cut-off stops there.",
        )
    return notes


def _rungs(member: str, candidates: list[Candidate], search: Search, title: str) -> Markup:
    last = max(2, *(own.epochs for own in candidates))
    values = [v for own in candidates for v in own.curve if math.isfinite(v)]
    plot = Plot((1, last), padded(values), "epoch", title)
    if search.asha:
        rung = float(search.asha.grace_epochs)
        while rung <= last:
            at = plot.x(rung)
            ends = plot.y(max(values)), plot.y(min(values))
            plot.add(tag("line", x1=at, x2=at, y1=ends[0], y2=ends[1], class_="zero"))
            rung *= max(search.asha.reduction_factor, 1.01)
    for own in reversed(candidates):
        classes = _STATES[own.state] + ("" if own is candidates[0] else " thin")
        plot.line(range(1, own.epochs + 1), own.curve, classes)
        if own.curve and math.isfinite(own.curve[-1]):
            told = f"candidate {own.number}: {own.state}. {own.reason}"
            plot.add(
                dot(
                    plot.x(own.epochs),
                    plot.y(own.curve[-1]),
                    _STATES[own.state].split()[0],
                    told,
                    3,
                )
            )
    return plot.done(f"{title} of the candidates of {member} by epoch, with the rungs")


def _parallel(member: str, candidates: list[Candidate], title: str) -> Markup:
    """An axis a setting and one for the score; a line a candidate."""
    keys = list(dict.fromkeys(key for own in candidates for key in own.settings))
    axes = [_Axis(key, [own.settings.get(key) for own in candidates]) for key in keys]
    axes.append(_Axis(title, [own.score for own in candidates]))
    wide = max(WIDE, 110 * len(axes))
    xs = [40 + i * (wide - 110) / max(len(axes) - 1, 1) for i in range(len(axes))]
    top, bottom = 34.0, HIGH - 20.0
    marks, labels = [], []
    for x, axis in zip(xs, axes, strict=True):
        marks.append(tag("line", x1=x, x2=x, y1=top, y2=bottom, class_="rule"))
        marks.append(text(x, 16, axis.title, "axis", "middle"))
        labels += [
            text(x + 5, bottom - share * (bottom - top) + 4, shown, "tick")
            for share, shown in axis.marks
        ]
    for i in range(len(candidates) - 1, -1, -1):
        own = candidates[i]
        points = [
            (x, bottom - axis.at[i] * (bottom - top)) for x, axis in zip(xs, axes, strict=True)
            if axis.at[i] is not None
        ]  # fmt: skip
        marks.append(line(points, _STATES[own.state] + ("" if i == 0 else " thin")))
    label = f"Settings and score of the candidates of {member}"
    return picture(wide, HIGH, label, *marks, *labels)


class _Axis:
    """Places in [0, 1] of values: on a log scale where they are positive and far apart, by name where they
    are no numbers."""

    def __init__(self, title: str, values: list[Any]):
        self.title = title
        numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
        if numbers and len(numbers) == len([v for v in values if v is not None]):
            low, high = min(numbers), max(numbers)
            turn = math.log if low > 0 and high / low > 5 else float
            span = (turn(high) - turn(low)) or 1.0
            self.at: list[Any] = [
                None if v is None else (turn(v) - turn(low)) / span if high > low else 0.5
                for v in values
            ]
            self.marks = (
                [(0.0, f"{low:.3g}"), (1.0, f"{high:.3g}")] if high > low else [(0.5, f"{low:.3g}")]
            )
            return
        names = sorted({str(v) for v in values if v is not None})
        places = {
            n: i / max(len(names) - 1, 1) if len(names) > 1 else 0.5 for i, n in enumerate(names)
        }
        self.at = [None if v is None else places[str(v)] for v in values]
        self.marks = [(place, name[:14]) for name, place in places.items()]


def _candidates(member: str, record: SearchRecord, title: str) -> Grid:
    keys = list(dict.fromkeys(key for own in record.candidates for key in own.settings))
    columns = [
        Column("candidate"), *(Column(key, numbers=_numeric(record, key)) for key in keys),
        Column("epochs"), Column(title), Column("state", numbers=False), Column("why", numbers=False),
    ]  # fmt: skip
    rows = [
        [
            Cell(str(own.number), float(own.number)),
            *(_setting(own.settings.get(key)) for key in keys),
            Cell(str(own.epochs), float(own.epochs)),
            figure(own.score if own.score is not None and math.isfinite(own.score) else None),
            Cell(own.state),
            Cell(own.reason, kind="long"),
        ]
        for own in record.candidates
    ]
    return Grid(f"Candidates of {member}", columns, rows)


def _numeric(record: SearchRecord, key: str) -> bool:
    values = [own.settings.get(key) for own in record.candidates]
    return all(v is None or isinstance(v, int | float) for v in values)


def _setting(value: Any) -> Cell:
    if isinstance(value, float):
        return Cell(f"{value:.4g}", value)
    return Cell(
        "" if value is None else str(value), float(value) if isinstance(value, int) else None
    )
