"""Whether the folds hold the classes in the same shares."""

from __future__ import annotations

import numpy as np

from orchestrator.report.blocks import Cell, Column, Grid, Section
from orchestrator.report.material import Material

MOST_CLASSES = 300


def section(run: Material) -> Section:
    found = Section("folds", "Balance of the folds")
    if not run.oof:
        found.say(run.why_no_rows)
        return found
    table, groups = (run.widest, run.all_groups) if run.widest else (run.first, run.groups)
    names, which = np.unique(table.fold, return_inverse=True)
    k = len(run.classes)
    labels = np.asarray(table.label).astype(np.int64)
    counts = np.bincount(labels * len(names) + which, minlength=k * len(names))
    counts = counts.reshape(k, len(names))
    shares = counts / counts.sum(axis=0)
    whole = counts.sum(axis=1) / counts.sum()
    off = abs(shares - whole[:, None])
    worst = np.unravel_index(off.argmax(), off.shape)
    n_groups = None if groups is None else len(set(groups.tolist()))
    of = "" if n_groups is None else f" of {n_groups} groups"
    found.say(
        f"{counts.sum()} photographs{of} in {len(names)} folds of {counts.sum(axis=0).min()} to "
        f"{counts.sum(axis=0).max()}. Farthest from the whole is {run.classes[worst[0]]} in fold "
        f"{names[worst[1]]}: {shares[worst]:.1%} of it against {whole[worst[0]]:.1%} of all."
    )
    top = max(float(off.max()), 1e-9)
    rows = []
    for j in np.argsort(-whole, kind="stable")[:MOST_CLASSES].tolist():
        own = [Cell(run.classes[j]), Cell(str(counts[j].sum()), float(counts[j].sum()))]
        own.append(Cell(f"{whole[j]:.1%}", float(whole[j])))
        for f in range(len(names)):
            gap = float(shares[j, f] - whole[j])
            told = f"{shares[j, f]:.2%} of the fold, {gap:+.2%}"
            own.append(Cell(str(counts[j, f]), float(counts[j, f]), heat=gap / top, title=told))
        rows.append(own)
    columns = [
        Column("class", numbers=False), Column("all"), Column("share"),
        *(Column(f"fold {name}") for name in names.tolist()),
    ]  # fmt: skip
    notes = ["Colour: more (blue) or less (orange) of the fold than of all photographs."]
    if k > MOST_CLASSES:
        notes.append(f"The {MOST_CLASSES} most frequent of {k} classes.")
    found.blocks.append(Grid("Photographs of each class in each fold", columns, rows, notes=notes))
    return found
