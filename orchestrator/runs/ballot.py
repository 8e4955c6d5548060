"""The tables that a vote is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ensembles.files.table import Table


@dataclass
class Ballot:
    """The tables of the members that vote. groups: image id -> group, where a run has them."""

    oof: Mapping[str, Table]
    test: Mapping[str, Table]
    groups: dict[str, str] | None
