"""Confusion of all classes and of each target, and F1 by class of members and vote."""

from __future__ import annotations

import numpy as np

from ensembles.scores import scorers
from orchestrator.report.blocks import Cell, Column, Grid, Section
from orchestrator.report.material import Material

# A matrix of more classes is no picture that anybody reads: the pairs confused most stand in its place.
MOST_CLASSES = 40
PAIRS = 60
_READING = (
    "Rows are labels, columns are answers. Colour is the share of the row: blue where the answer is the "
    "label, orange where it is another class.",
)


def confusion(run: Material) -> Section:
    found = Section("confusion", "Confusion")
    if not run.oof:
        found.say(run.why_no_rows)
        return found
    found.say(f"Answers of {run.subject} on out-of-fold rows. {run.how}")
    truth, guess = run.labels, run.answered.argmax(axis=1)
    found.blocks.append(_matrix("All classes", truth, guess, run.classes, _READING))
    for target, values in run.targets.items():
        names = run.values_of(target)
        if len(run.targets) > 1:
            found.blocks.append(_matrix(target, values[truth], values[guess], names))
    return found


def _matrix(
    title: str, truth: np.ndarray, guess: np.ndarray, names: list[str], notes: tuple[str, ...] = ()
) -> Grid:
    counts = scorers.confusion(truth, guess, len(names))
    if len(names) > MOST_CLASSES:
        return _pairs(title, counts, names)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    rows = []
    for k, name in enumerate(names):
        own = [Cell(name)]
        for j in range(len(names)):
            told = f"{name} answered as {names[j]}: {counts[k, j]} of {counts[k].sum()}"
            # wrong answers in the other hue
            heat = float(shares[k, j]) if j == k else -float(shares[k, j])
            shown = str(counts[k, j]) if counts[k, j] else ""
            own.append(Cell(shown, heat=heat or None, title=told if counts[k, j] else ""))
        own.append(Cell(f"{shares[k, k]:.2f}" if counts[k].sum() else ""))
        rows.append(own)
    columns = [Column("labelled \\ answered", numbers=False), *map(Column, names), Column("recall")]
    return Grid(title, columns, rows, fixed=True, notes=notes)


def _pairs(title: str, counts: np.ndarray, names: list[str]) -> Grid:
    wrong = counts - np.diag(counts.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:PAIRS]
    support = counts.sum(axis=1)
    rows = []
    for cell in order.tolist():
        k, j = divmod(cell, len(names))
        if wrong[k, j]:
            share = wrong[k, j] / support[k]
            rows.append(
                [
                    Cell(names[k]), Cell(names[j]),
                    Cell(str(wrong[k, j]), float(wrong[k, j])),
                    Cell(f"{share:.3f}", float(share), heat=-float(share)),
                ]
            )  # fmt: skip
    columns = [
        Column("labelled", numbers=False), Column("answered", numbers=False), Column("photographs"),
        Column("share of the class"),
    ]  # fmt: skip
    notes = [f"{len(names)} classes: the {len(rows)} pairs that are confused most."]
    return Grid(f"{title}: pairs confused most", columns, rows, notes=notes)


def f1_by_class(run: Material) -> Section:
    found = Section("f1", "F1 by class")
    if not run.oof:
        found.say(run.why_no_rows)
        return found
    k = len(run.classes)
    counts = [scorers.confusion(run.labels, own, k) for own in run.decided]
    whole = scorers.confusion(run.labels, run.answered.argmax(axis=1), k)
    scores = [scorers.f1_by_class(own) for own in (whole, *counts)]
    support = np.bincount(run.labels, minlength=k)
    columns = [Column("class", numbers=False), Column("rows")]
    columns += [Column(name) for name in ("vote" if run.mixed is not None else "mean", *run.oof)]
    order = np.argsort(scores[0], kind="stable")
    shown = order[:PAIRS] if k > 4 * PAIRS else order
    rows = [
        [Cell(run.classes[j]), Cell(str(support[j]), float(support[j])),
         *(Cell(f"{own[j]:.3f}", float(own[j]), heat=float(own[j])) for own in scores)]
        for j in shown.tolist()
    ]  # fmt: skip
    notes = [
        f"On out-of-fold rows; the lowest of {run.subject} first. A class that is neither labelled nor "
        "answered counts as 0."
    ]
    if len(shown) < k:
        notes.append(f"The {len(shown)} lowest of {k} classes.")
    found.blocks.append(Grid("F1 of members and vote", columns, rows, notes=notes))
    return found
