"""How the photographs of a run were read, as far as a photograph alone does not say it: `reading.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from orchestrator.errors import WrongRequest
from orchestrator.runs.damage import read_recorded, write_recorded
from orchestrator.runs.store import Store

READING = "reading.json"


@dataclass(frozen=True)
class ReadAs:
    """How the photographs were read, as far as a photograph alone does not say it.

    bits: how many of 16 a sample uses where a file does not say it; None: no photograph had such.
    cut_out: copy -> the version of `members.pixels.background` that made it, None: it was made
    elsewhere.
    """

    bits: int | None = None
    cut_out: Mapping[str, int | None] = field(default_factory=dict)


def write_reading(reading: ReadAs, store: Store) -> None:
    write_recorded(READING, json.dumps(asdict(reading), sort_keys=True), store)


def read_reading(store: Store) -> ReadAs | None:
    """None of a run from before that was kept. Raises BadInput where the file is damaged."""
    try:
        found = json.loads(read_recorded(READING, store))
        return ReadAs(found["bits"], dict(found["cut_out"]))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise WrongRequest(
            f"{store.uri(READING)}: damaged ({error!r}). train-members makes it again."
        ) from None
