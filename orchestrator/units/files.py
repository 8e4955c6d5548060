"""What a unit leaves while it trains: its state after each epoch, or why it failed."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd

from members.training.ranks import Ranks
from orchestrator.runs.store import Store
from orchestrator.units import predictions
from orchestrator.units.selection import kept_epochs
from orchestrator.units.unit import Unit


def read_state(unit: Unit, store: Store, ranks: Ranks) -> dict[str, Any] | None:
    """What an interrupted unit left behind, or None where there is nothing that can be read."""
    import torch

    path = f"{unit.path}/state.pt"
    content = ranks.from_first(lambda: store.read(path) if store.exists(path) else None)
    if content is None:
        return None
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:  # torch raises what it likes on a damaged file; the unit begins again
        return None


def write_state(unit: Unit, store: Store, state: dict[str, Any]) -> None:
    """What a killed unit goes on from. An epoch that is kept is there before the state counts it."""
    import torch

    from members.networks import saving
    from members.training import fit

    number = len(state["history"])
    if number in kept_epochs(state["history"], unit.member.recipe):
        weights = saving.to_bytes(fit.last_weights(state))
        store.write(predictions.weights_path(unit, number), weights)
    content = io.BytesIO()
    torch.save(state, content)
    store.write(f"{unit.path}/state.pt", content.getbuffer())
    history = pd.DataFrame(state["history"])
    store.write(f"{unit.path}/history.csv", history.to_csv(index=False))


def write_failure(unit: Unit, store: Store, attempt: str, message: str) -> None:
    """For when all ranks are started again: the unit failed on one of them, and why."""
    store.write_json(f"{unit.path}/failed.json", {"attempt": attempt, "message": message})


def read_failure(unit: Unit, store: Store, attempt: str) -> str:
    """Why the unit failed earlier in this attempt; empty where it did not."""
    try:
        failure = store.read_json(f"{unit.path}/failed.json")
    except FileNotFoundError:
        return ""
    return failure["message"] if failure["attempt"] == attempt else ""
