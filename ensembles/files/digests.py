"""Digests of tables: two votes over the same ones have the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping

import numpy as np

from ensembles.files import places
from ensembles.files.parquet import table_place
from ensembles.files.places import Place
from ensembles.files.table import Table


def table_digest(table: Table) -> str:
    """sha256 of the ids and the values, where no file holds the table."""
    total = hashlib.sha256(json.dumps(table.meta, sort_keys=True, default=str).encode())
    for ids in (table.ids, table.group):
        total.update(b"" if ids is None else "\0".join(map(str, ids)).encode())
        total.update(b"\0\0")
    for values in (table.probabilities, table.fold, table.label):
        if values is not None:
            total.update(f"{values.dtype}{values.shape}".encode())
            total.update(np.ascontiguousarray(values).data)
    return total.hexdigest()


def file_digests(folder: Place, members: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """`<member>/<kind>.parquet`, or `.csv` where that was read -> sha256 of the file. members: kind
    -> names.
    """
    places_of = [table_place(folder, name, kind) for kind, own in members.items() for name in own]
    return {
        "/".join(place.split("/")[-2:]): places.file_digest(place) for place in places_of if place
    }
