"""What a tracker is, and what all trackers get of a unit.

Each tracker imports its package where it is used, and lets its errors out: follow.py deals with them.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from orchestrator.runs.store import Store
from orchestrator.units.unit import Unit


class Tracker(Protocol):
    """Gets what a unit does, in the order of these methods."""

    def begin(self, history: Sequence[dict[str, Any]]) -> None:
        """The unit begins or goes on; `history`: a row for each epoch behind it."""

    def epoch(self, row: dict[str, Any]) -> None: ...

    def picture(self, png: bytes, epoch: int) -> None: ...

    def end(self, failed: bool) -> None: ...


def settings_of(unit: Unit) -> dict[str, Any]:
    """Everything that decides the unit's result, flat: names -> plain values."""
    plain = unit.to_config()
    member = plain.pop("member")
    recipe = member.pop("recipe")
    return {"member": member.pop("name"), **plain, **member, **recipe}


def scalars_of(row: dict[str, Any]) -> dict[str, float]:
    """The numbers of an epoch's row that make a curve."""
    return {
        name: float(value)
        for name, value in row.items()
        if name not in ("epoch", "seconds") and isinstance(value, int | float)
    }


def identity(unit: Unit, store: Store) -> str:
    """The unit's name among all units of all run folders: a resumed unit has it again."""
    seed = "" if unit.seed is None else f"-seed-{unit.seed}"
    where = hashlib.blake2b(f"{store.root} {unit.member.name}".encode(), digest_size=4)
    return f"{unit.hash}-fold-{unit.fold}{seed}-{where.hexdigest()}"


@contextmanager
def as_file(png: bytes) -> Iterator[str]:
    """The path of a temporary `predictions.png`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "predictions.png"
        path.write_bytes(png)
        yield str(path)
