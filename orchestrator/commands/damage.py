"""Everything in a run folder that is damaged: what `train-members` sets aside, and `check` names."""

from __future__ import annotations

from orchestrator.runs.damage import Damage, run_damage
from orchestrator.runs.store import Store
from orchestrator.search.record import search_damage
from orchestrator.units.damage import unit_damage


def every_damage(store: Store) -> list[Damage]:
    """Of the run's own files, its searches, its tables and its units."""
    found = run_damage(store) + search_damage(store)
    for member in store.list("units"):
        for digest in store.list(f"units/{member}"):
            for name in store.list(f"units/{member}/{digest}"):
                found += unit_damage(f"units/{member}/{digest}/{name}", store)
    return found
