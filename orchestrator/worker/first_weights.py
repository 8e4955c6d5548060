"""The weights of another fold's unit that a unit starts from, and what is recorded of them."""

from __future__ import annotations

import hashlib
import json

from orchestrator.errors import WrongRequest
from orchestrator.runs.store import Store
from orchestrator.spec.folds.choice import optimism
from orchestrator.units.record import InitFromRecord, find_record, record_path
from orchestrator.units.unit import Unit

_FILE = "init_from.json"


def first_weights(unit: Unit, store: Store) -> tuple[bytes, InitFromRecord, list[str]]:
    """The best weights of the unit that this one starts from, their record, and notes.

    An interrupted training that started from other ones is not gone on with: its state is set aside. Raises
    WrongRequest where they are not there, or not what that unit saved.
    """
    assert unit.source is not None
    assert unit.member.init_from is not None
    source, again = (
        find_record(unit.source, store),
        f"Call train-members once more: it makes them again, and then trains {unit.title}",
    )
    name = "model.safetensors"
    if source and unit.member.recipe.select == "common_epoch":
        name = f"epochs/{source.best_epoch}.safetensors"
    path = f"{unit.source}/{name}"
    if source is None or not store.exists(path):
        raise WrongRequest(f"{store.uri(path)}: the weights to start from are not there. {again}")
    content = store.read(path)
    digest = hashlib.sha256(content).hexdigest()
    if source.digests.get(name, digest) != digest:
        own = record_path(unit.source)
        raise WrongRequest(
            f"{store.uri(path)}: damaged, its sha256 is not the one in {own}. {again}"
        )
    found = InitFromRecord(
        unit=unit.source, sha256=digest, optimistic=optimism(unit.member.init_from)
    )
    return content, found, _held(unit, found, store)


def _held(unit: Unit, found: InitFromRecord, store: Store) -> list[str]:
    """Keep beside the state what it started from; set a state aside that started from something else."""
    path, state = f"{unit.path}/{_FILE}", f"{unit.path}/state.pt"
    text = json.dumps({"unit": found.unit, "sha256": found.sha256})
    notes = []
    if not store.exists(path) or store.read(path) != text.encode():
        if store.exists(state):
            notes.append(
                f"{state}: it started from other weights of {found.unit}. It is now "
                f"{store.set_aside(state)}, and the unit begins again."
            )
        store.write(path, text)
    return notes
