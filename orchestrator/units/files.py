"""What a unit leaves while it trains: its state after each epoch, or why it failed."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from ensembles.files import places
from members.errors import BadInput, first_line
from members.training.ranks import Ranks
from orchestrator.runs.store import Store
from orchestrator.units import predictions
from orchestrator.units.record import UnitRecord, record_path
from orchestrator.units.selection import kept_epochs, submitted_epochs
from orchestrator.units.unit import Unit

if TYPE_CHECKING:
    from torch import nn

_DIGEST = "\nsha256 "  # before the digest at the end of a state


def read_state(unit: Unit, store: Store, ranks: Ranks) -> dict[str, Any] | None:
    """What an interrupted unit left behind, or None where there is nothing.

    Raises BadInput where it is damaged, another unit's, or no state.
    """
    import torch

    path = f"{unit.path}/state.pt"
    content = ranks.from_first(lambda: store.read(path) if store.exists(path) else None)
    if content is None:
        return None
    content = _without_digest(content, unit, path)
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what it likes on a damaged file
        raise BadInput(f"no state of a training ({first_line(error)})") from None


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
    content.write(_digest_line(content.getbuffer(), unit))
    store.write(f"{unit.path}/state.pt", content.getbuffer())
    write_history(unit, store, state["history"])


def write_history(unit: Unit, store: Store, history: Sequence[dict[str, Any]]) -> None:
    """`history.csv`: a row an epoch."""
    store.write(f"{unit.path}/history.csv", pd.DataFrame(history).to_csv(index=False))


class DamagedWeights(Exception):
    """Weights of a trained unit that cannot be loaded. path: in the run folder."""

    def __init__(self, path: str, why: str):
        self.path, self.why = path, why
        super().__init__(f"{path}: {why}")


def load_weights(model: nn.Module, path: str, unit: Unit, record: UnitRecord, store: Store) -> None:
    """Weights of a unit into its network. Raises DamagedWeights where they are not what was saved."""
    from members.networks import saving

    try:
        content = store.read(path)
    except FileNotFoundError:
        raise DamagedWeights(path, "there is no such file") from None
    known = record.digests.get(path.removeprefix(f"{unit.path}/"))
    if known and hashlib.sha256(content).hexdigest() != known:
        why = f"damaged: its sha256 is not the one in {record_path(unit.path)}"
        raise DamagedWeights(path, why)
    try:
        saving.load_bytes(model, content, path)
    except BadInput as error:
        raise DamagedWeights(path, first_line(error)) from None


def _digest_line(content: bytes | memoryview, unit: Unit) -> bytes:
    """What ends a state: the digest of the state and of whose it is."""
    digest = hashlib.sha256(content)
    digest.update(unit.path.partition(f"/{unit.hash}/")[2].encode())
    digest.update(unit.hash.encode())
    return f"{_DIGEST}{digest.hexdigest()}\n".encode()


def _without_digest(content: bytes, unit: Unit, path: str) -> bytes:
    """The state without the digest at its end. Raises BadInput where it has another content.

    States of earlier versions have none: those are an archive that holds checksums of its parts.
    """
    length = len(_DIGEST) + 65
    state, line = content[:-length], content[-length:]
    if not line.startswith(_DIGEST.encode()):
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                damaged = archive.testzip()
        except Exception as error:  # an archive can be damaged in many ways
            raise BadInput(f"cut short, or no state ({first_line(error)})") from None
        if damaged:
            raise BadInput(f"damaged, {damaged} in it has another checksum")
        return content
    if line != _digest_line(state, unit):
        raise BadInput(
            f"{path}: damaged, or of another unit: it has another sha256 than at its end"
        )
    return state


def files_of(unit: Unit, record: UnitRecord, store: Store) -> dict[str, dict[str, Any]]:
    """`digests` and `sizes` of the record: of each file in the unit's folder that something reads."""
    recipe = unit.member.recipe
    paths = [f"{unit.path}/history.csv"]
    epochs: list[int | None] = [*kept_epochs(record.history, recipe)]
    if recipe.select != "common_epoch":
        epochs.append(None)
    for epoch in epochs:
        paths.append(predictions.weights_path(unit, epoch))
        paths += [p for k in ("oof", "test") for p in predictions.tables_of(unit, k, epoch)]
    for epoch in submitted_epochs(record.history, recipe):
        paths += [f"{unit.path}/epochs/{epoch}-{kind}.csv" for kind in ("hard", "soft")]
    sizes = store.sizes(paths)
    name = len(f"{unit.path}/")
    return {
        "digests": {path[name:]: places.file_digest(store.uri(path)) for path in sizes},
        "sizes": {path[name:]: size for path, size in sizes.items()},
    }


def write_failure(unit: Unit, store: Store, attempt: str, message: str) -> None:
    """For when all ranks are started again: the unit failed on one of them, and why."""
    store.write_json(f"{unit.path}/failed.json", {"attempt": attempt, "message": message})


def read_failure(unit: Unit, store: Store, attempt: str) -> str:
    """Why the unit failed earlier in this attempt; empty where it did not."""
    try:
        failure = store.read_json(f"{unit.path}/failed.json")
    except FileNotFoundError:
        return ""
    except (ValueError, RecursionError):  # cut short: the unit is tried once more
        return ""
    if not isinstance(failure, dict) or failure.get("attempt") != attempt:
        return ""
    return str(failure.get("message", ""))
