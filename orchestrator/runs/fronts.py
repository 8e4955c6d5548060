"""The front of score against cost that `vote --pareto` fitted on a run, kept for its page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ensembles.errors import BadInput
from ensembles.files.digests import sealed, unsealed
from orchestrator.runs.store import Store

FOLDER = "fronts"


def write_front(
    store: Store, vote: str, front: Mapping[str, Any], tables: Mapping[str, str]
) -> str:
    """vote: the name that this vote has in the run. tables: file -> digest, as in a vote's record.
    Returns where it is."""
    path = f"{FOLDER}/{vote}.json"
    store.write_json(path, sealed({**front, "tables": dict(tables)}))
    return store.uri(path)


def read_front(store: Store, vote: str) -> dict[str, Any] | None:
    """As `pareto` gives it, with `tables`; None where there is none. Raises BadInput where it
    is damaged."""
    path = f"{FOLDER}/{vote}.json"
    if not store.exists(path):
        return None
    try:
        found = unsealed(store.read_json(path))
        if not {"points", "tables", "metric"} <= found.keys():
            raise ValueError("it holds no front")
    except (ValueError, AttributeError, RecursionError) as error:
        raise BadInput(
            f"{store.uri(path)}: damaged ({error}). Delete it; vote --pareto writes it again."
        ) from None
    return dict(found)
