"""`search/<member>.json`: every candidate of a member's search, and what became of it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from ensembles.files.digests import unsealed
from members.errors import first_line
from orchestrator.errors import WrongRequest
from orchestrator.runs.damage import Damage
from orchestrator.runs.store import Store

State = Literal["running", "done", "stopped", "failed"]


@dataclass
class Candidate:
    """One set of settings and what became of it. `state`: running, done, stopped or failed.

    curve: the metric after each epoch; score: the best of it, since the best weights are kept.
    """

    number: int
    settings: dict[str, Any]
    hash: str
    state: State = "running"
    score: float | None = None
    reason: str = ""
    curve: list[float] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        return len(self.curve)


@dataclass
class SearchRecord:
    """key: what it belongs to; left_out: candidates of other members were better."""

    key: str
    seconds: float
    exhausted: bool
    candidates: list[Candidate]
    left_out: bool = False


def search_path(member: str) -> str:
    return f"search/{member}.json"


def read_search(member: str, store: Store) -> SearchRecord | None:
    """The record of a member's search, None where it never began. Raises `WrongRequest` where it is
    damaged.
    """
    found = find_search(member, store)
    if isinstance(found, Damage):
        raise WrongRequest(
            f"{store.uri(found.path)}: {found.why}. train-members searches again, and trains no "
            "candidate again that is finished."
        )
    return found


def find_search(member: str, store: Store) -> SearchRecord | Damage | None:
    """The record of a member's search or what is wrong with it, None where it never began."""
    try:
        return _read(search_path(member), store)
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        return damaged_search(member, f"no record of a search ({_why(error)})")


def search_damage(store: Store) -> list[Damage]:
    """The records of searches that cannot be used."""
    names = [name[: -len(".json")] for name in store.list("search") if name.endswith(".json")]
    found = [find_search(name, store) for name in names]
    return [damage for damage in found if isinstance(damage, Damage)]


def damaged_search(member: str, why: str) -> Damage:
    then = "the search begins again, and trains no candidate again that is finished"
    return Damage(search_path(member), why, then)


def _read(path: str, store: Store) -> SearchRecord:
    """Raises ValueError where what stands there is of no search."""
    # from JSON, where strict means: no text for a number; from Python's own values it asks for instances
    content = json.dumps(unsealed(store.read_json(path)))
    found = TypeAdapter(SearchRecord).validate_json(content, strict=True)
    if not 0 <= found.seconds < math.inf:
        raise ValueError(f"seconds: {found.seconds}")
    for number, row in enumerate(found.candidates):
        if row.number != number:
            raise ValueError(f"candidate {row.number} stands where {number} is expected")
        if (row.score is None) == bool(row.curve) or (
            row.score is not None and row.score == row.score and row.score not in row.curve
        ):
            raise ValueError(f"candidate {number}: its score is not of its curve")
    return found


def _why(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return first_line(error)
    problems = error.errors()[:3]
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the whole'}: {e['msg']}" for e in problems)
