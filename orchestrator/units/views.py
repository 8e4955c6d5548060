"""Which test-time views a member predicts by: one choice for all its units, on its OOF table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ensembles.files.table import OofTable
from ensembles.scores.metrics import named
from orchestrator.runs.store import Store
from orchestrator.units.predictions import table_path, views_path
from orchestrator.units.unit import Unit

_METRIC = "log_loss"


def chosen_views(
    units: Sequence[Unit], oof: Callable[[Callable[[Unit], str]], OofTable]
) -> dict[str, Any]:
    """The views of `choose_views` with the least log-loss, and the figures that they were chosen by.

    oof: the member's OOF table of the units' tables at the paths that a function names. `log_loss`:
    of each candidate, in its order, over all rows. `log_loss_held_out`: of each row by the views
    that are best on the other folds' rows, so that no row had a say in its own; None of one fold.
    """
    candidates = units[0].member.recipe.choose_views
    score = named(_METRIC).score
    tables = [oof(partial(views_path, kind="oof", views=views)) for views in candidates]
    losses = [score(table.label, table.probabilities) for table in tables]
    best = int(np.argmin(losses))  # of equal ones the first
    return {
        "views": list(candidates[best]),
        "candidates": [list(views) for views in candidates],
        "log_loss": losses,
        "log_loss_held_out": _held_out(tables, score),
    }


def _held_out(tables: Sequence[OofTable], score: Callable[..., float]) -> float | None:
    first = tables[0]
    folds = np.unique(first.fold)
    if len(folds) < 2:
        return None
    mixed = np.empty_like(first.probabilities)
    for fold in folds:
        own = first.fold == fold
        others = [score(table.label[~own], table.probabilities[~own]) for table in tables]
        mixed[own] = tables[int(np.argmin(others))].probabilities[own]
    return score(first.label, mixed)


def copies_of_views(unit: Unit, views: Sequence[str]) -> list[tuple[str, str]]:
    """The tables of the chosen views, and where they are put: where those of other units stand."""
    kinds = ("oof", "test")
    return [(views_path(unit, kind, views), table_path(unit, kind)) for kind in kinds]


def share_of_work(units: Sequence[Unit], views: Sequence[str]) -> float:
    """What of a unit's seconds of predicting its chosen views took: it predicted all candidates."""
    from members.training.predict import looks

    every = dict.fromkeys(v for own in units[0].member.recipe.choose_views for v in own)
    return len(looks(views)) / len(looks([*every]))


def publish(copies: Sequence[tuple[str, str]], store: Store) -> None:
    """Put each of `copies` (from, to) in its place, where it is there and not the same already."""
    for kept, published in copies:
        if not store.exists(kept):
            continue
        content = store.read(kept)
        if not store.exists(published) or store.read(published) != content:
            store.write(published, content)
