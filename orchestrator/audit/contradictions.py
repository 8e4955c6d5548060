"""The file of labels that contradict each other: written by `audit`, read for the page of a run."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ensembles.errors import BadInput, reads
from ensembles.files import places

FOLDER, NAME = "audit", "contradictions.csv"
COPIES, GROUP = "look-alikes", "group"
_FIELDS = ["number", "kind", "where", "target", "image_id", "value"]


@dataclass(frozen=True)
class Contradiction:
    """Photographs that should have one value of a target and have several. kind: COPIES or GROUP;
    where: the group's name, or how they are alike; values: image id -> name of its value, see
    `rarest_first`."""

    kind: str
    where: str
    target: str
    values: Mapping[str, str]


def rarest_first(ids: Sequence[str], values: Sequence[str]) -> dict[str, str]:
    """Image id -> its value, those that are probably wrong before those that most have."""
    counts = Counter(values)
    order = sorted(range(len(ids)), key=lambda i: counts[values[i]])
    return {str(ids[i]): values[i] for i in order}


def contradictions_csv(found: Iterable[Contradiction]) -> str:
    """A row a photograph; those of one number contradict each other."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_FIELDS)
    for number, own in enumerate(found, start=1):
        for image_id, value in own.values.items():
            table.writerow([number, own.kind, own.where, own.target, image_id, value])
    return text.getvalue()


@reads("the contradictions.csv of an audit, which audit writes again")
def read_contradictions(place: str) -> list[Contradiction]:
    """Raises BadInput where the file cannot be read or is no such table."""
    rows = list(csv.reader(io.StringIO(places.read_bytes(place).decode(), newline="")))
    if not rows or rows[0] != _FIELDS or any(len(row) != len(_FIELDS) for row in rows):
        raise BadInput(
            f"{place}: expected columns {', '.join(_FIELDS)} in every row. Let audit write it again."
        )
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for number, kind, where, target, image_id, value in rows[1:]:
        found.setdefault((number, kind, where, target), {})[image_id] = value
    return [
        Contradiction(kind, where, target, values)
        for (_, kind, where, target), values in found.items()
    ]
