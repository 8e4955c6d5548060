"""Everything in a run folder that is damaged: what `train-members` sets aside, and `check` names."""

from __future__ import annotations

from dataclasses import replace

from members.files import in_threads
from orchestrator.runs.damage import Damage, run_damage
from orchestrator.runs.snapshot import Snapshot
from orchestrator.runs.store import Store
from orchestrator.search.record import search_damage
from orchestrator.units.damage import unit_damage

_NO_FILE = "a pipe, socket or device, not a file"
_AGAIN = "it is made again where it is needed"
_REQUESTS = 32  # to an object store at once


def every_damage(store: Store) -> list[Damage]:
    """Of the run's own files, its searches, its tables and its units."""
    store = Snapshot(store)
    found = run_damage(store) + search_damage(store)
    folders = [
        f"units/{member}/{digest}/{name}"
        for member in store.list("units")
        for digest in store.list(f"units/{member}")
        for name in store.list(f"units/{member}/{digest}")
        if not name.startswith(".")  # what a writer has begun
    ]
    at_once = None if store.local else _REQUESTS
    for damaged in in_threads(lambda folder: unit_damage(folder, store), folders, at_once):
        found += damaged
    pipes, known = store.pipes(), {damage.path for damage in found}
    found = [replace(own, why=_NO_FILE) if own.path in pipes else own for own in found]
    return found + [Damage(path, _NO_FILE, _AGAIN) for path in pipes if path not in known]
