"""Learning curves: training against validation, and the epoch that was chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from ensembles.scores import metrics
from orchestrator.errors import counted
from orchestrator.report.blocks import Figures, Section
from orchestrator.report.material import Material
from orchestrator.report.svg import Plot, area, dot, legend, padded
from orchestrator.units.record import UnitRecord

# Of more units a band from the lowest to the highest stands for the lines.
MOST_LINES = 6
TRAIN, VALIDATION = "s1 dashed", "s0"


def section(run: Material) -> Section:
    found = Section("curves", "Learning curves")
    pictures: list[tuple[str, Markup]] = []
    for member, records in run.units.items():
        if any(record.history for record in records.values()):
            pictures += [
                (f"{member}: loss", _losses(member, records)),
                _scores(member, records),
            ]
    if not pictures:
        found.say(
            "There are no curves: no member of this run has finished units (joins and stacks train none)."
        )
        return found
    found.blocks.append(
        Figures(
            pictures,
            notes=[
                "A line a unit (one fold, one seed); of more than "
                f"{MOST_LINES} units their mean, in a band from the lowest to the highest. Dots: the epochs "
                "whose weights were kept. What is above a frame is drawn along its edge.",
                "The loss of training is the member's own, with its augmentation, smoothing and mixing; "
                "compare its course with that of validation rather than its height.",
            ],
            legend=legend([("training", TRAIN), ("validation", VALIDATION)]),
        )
    )
    return found


def _losses(member: str, records: Mapping[str, UnitRecord]) -> Markup:
    histories = [record.history for record in records.values()]
    values = [
        row[key]
        for own in histories
        for row in own
        for key in ("train_loss", "loss")
        if _is(row, key)
    ]
    plot = Plot(_epochs(histories), _within(values), "epoch", "loss")
    for key, classes in (("train_loss", TRAIN), ("loss", VALIDATION)):
        _draw(plot, histories, key, classes)
    _mark_chosen(plot, records, "loss")
    return plot.done(f"Loss of {member} by epoch, training and validation, {_units(records)}")


def _scores(member: str, records: Mapping[str, UnitRecord]) -> tuple[str, Markup]:
    histories = [record.history for record in records.values()]
    first = next(iter(records.values()))
    wanted = (first.member.get("recipe") or {}).get("metric") or "macro_f1"
    key = wanted if any(_is(row, wanted) for own in histories for row in own) else "macro_f1"
    values = [row[key] for own in histories for row in own if _is(row, key)]
    title = metrics.title(key) if metrics.base(metrics.canonical(key)) in metrics.METRICS else key
    plot = Plot(_epochs(histories), padded(values), "epoch", title)
    _draw(plot, histories, key, VALIDATION)
    _mark_chosen(plot, records, key)
    shown = plot.done(f"{title} of {member} on held-out rows by epoch, {_units(records)}")
    return f"{member}: {title} of validation", shown


def _draw(plot: Plot, histories: list[list[dict[str, Any]]], key: str, classes: str) -> None:
    lines = [[(row["epoch"], row[key]) for row in own if _is(row, key)] for own in histories]
    lines = [own for own in lines if own]
    if len(lines) <= MOST_LINES:
        for own in lines:
            plot.line([x for x, _ in own], [y for _, y in own], f"{classes} thin")
        return
    by_epoch: dict[float, list[float]] = {}
    for own in lines:
        for x, y in own:
            by_epoch.setdefault(x, []).append(y)
    xs = sorted(by_epoch)
    step = max(1, len(xs) // 80)
    kept = [*xs[::step], *([xs[-1]] if (len(xs) - 1) % step else [])]
    upper = [(plot.x(x), plot.y(max(by_epoch[x]))) for x in kept]
    lower = [(plot.x(x), plot.y(min(by_epoch[x]))) for x in reversed(kept)]
    plot.add(area(upper + lower, classes.split()[0]))
    plot.line(xs, [sum(by_epoch[x]) / len(by_epoch[x]) for x in xs], classes)


def _mark_chosen(plot: Plot, records: Mapping[str, UnitRecord], key: str) -> None:
    for unit, record in records.items():
        row = record.history[record.best_epoch - 1]
        if _is(row, key):
            told = f"{unit}: epoch {record.best_epoch}, {key} {row[key]:.4f}"
            plot.add(dot(plot.x(row["epoch"]), plot.y(row[key]), "s0", told))


def _is(row: Mapping[str, Any], key: str) -> bool:
    value = row.get(key)
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return known and isinstance(row.get("epoch"), int | float)


def _epochs(histories: list[list[dict[str, Any]]]) -> tuple[float, float]:
    last = max((len(own) for own in histories), default=1)
    return (1, max(last, 2))


def _within(values: list[float]) -> tuple[float, float]:
    """Bounds; a first epoch far above all others does not press the rest flat (it leaves the frame)."""
    if not values:
        return 0.0, 1.0
    ordered = sorted(values)
    high = ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))]
    return padded([ordered[0], min(ordered[-1], 1.2 * high if high > 0 else ordered[-1])])


def _units(records: Mapping[str, UnitRecord]) -> str:
    return counted(len(records), "unit")
