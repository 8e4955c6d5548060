"""Whether probabilities mean what they say: of the plain mean of the members, and of the vote."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from ensembles.scores import scorers
from orchestrator.report.blocks import Cell, Column, Figures, Grid, Section
from orchestrator.report.material import Material
from orchestrator.report.sections.standings import figure
from orchestrator.report.svg import Plot, dot, tag

BINS = 15


def section(run: Material) -> Section:
    found = Section("reliability", "Reliability")
    if not run.oof:
        found.say(run.why_no_rows)
        return found
    shown = {"before: the plain mean of the members": run.mean}
    if run.mixed is not None:
        shown[f"after: {run.subject}"] = run.mixed
    pictures = [(title, _diagram(title, run.labels, own)) for title, own in shown.items()]
    found.blocks.append(
        Figures(
            pictures,
            notes=[
                "Of out-of-fold rows by the probability of the answer: on the line answers are right as "
                "often as they claim, below it they claim too much. The area of a dot is its share of the "
                "rows. "
                + (run.how if run.mixed is not None else "No vote was cast yet: there is no after.")
            ],
        )
    )
    tables = {
        **{name: table.probabilities for name, table in run.oof.items()},
        "plain mean": run.mean,
    }
    if run.mixed is not None:
        tables[str(run.vote)] = run.mixed
    rows = []
    for name, own in tables.items():
        confident = float(own.max(axis=1).mean(dtype=np.float64))
        right = float((own.argmax(axis=1) == run.labels).mean())
        rows.append(
            [
                Cell(name, kind="chosen" if name == run.vote else ""),
                figure(scorers.calibration_error(run.labels, own, BINS)),
                figure(scorers.log_loss(run.labels, own)),
                figure(confident), figure(right),
            ]
        )  # fmt: skip
    columns = [
        Column("of", numbers=False), Column("calibration error"), Column("log-loss"),
        Column("mean confidence"), Column("accuracy"),
    ]  # fmt: skip
    notes = [
        f"Calibration error: the expected one over {BINS} bins of equal width (Guo et al. 2017)."
    ]
    found.blocks.append(Grid("Calibration", columns, rows, notes=notes))
    return found


def _diagram(title: str, labels: np.ndarray, probabilities: np.ndarray) -> Markup:
    n, confident, right = scorers.reliability(labels, probabilities, BINS)
    plot = Plot((0, 1), (0, 1), "probability of the answer", "share that is right", 300, 280)
    plot.add(tag("line", x1=plot.x(0), y1=plot.y(0), x2=plot.x(1), y2=plot.y(1), class_="zero"))
    used = np.flatnonzero(n)
    xs, ys = confident[used] / n[used], right[used] / n[used]
    plot.line(xs.tolist(), ys.tolist(), "s0 thin")
    for k, x, y in zip(used.tolist(), xs.tolist(), ys.tolist(), strict=True):
        told = f"{n[k]} rows, mean probability {x:.3f}, right {y:.3f}"
        plot.add(dot(plot.x(x), plot.y(y), "s0", told, r=2 + 12 * float(n[k] / len(labels)) ** 0.5))
    return plot.done(f"Reliability {title}")
