"""Tables of teachers' units: the ones that those units wrote, in the order of the photographs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ensembles.files.parquet import read_table
from ensembles.files.places import file_digest
from orchestrator.errors import WrongRequest
from orchestrator.runs.store import Store
from orchestrator.units.record import find_record, record_path
from orchestrator.units.unit import Unit

TEST, OOF = "test.parquet", "oof.parquet"


def right_digest(folder: str, file: str, unit: Unit, store: Store, test_hash: str = "") -> str:
    """The sha256 of a teacher's table, which is the one in its record.

    file: TEST, which must be of the photographs `test_hash`, or OOF. Raises WrongRequest where the table
    is not there, not the one that its unit wrote, or of other photographs.
    """
    again = f"Call train-members once more: it makes that table again, and then trains {unit.title}"
    path = f"{folder}/{file}"
    place, record = store.uri(path), find_record(folder, store)
    if record is None or not store.exists(path):
        raise WrongRequest(f"{place}: a teacher's unit is not complete. {again}")
    if file == TEST and record.test_hash != test_hash:
        raise WrongRequest(f"{place}: of other photos to predict. {again}")
    digest = file_digest(place)
    # versions before 0.4.0 wrote no digests
    if record.digests and record.digests.get(file) != digest:
        own = record_path(folder)
        raise WrongRequest(f"{place}: damaged, its sha256 is not the one in {own}. {again}")
    return digest


def aligned(
    path: str, ids: np.ndarray, classes: Sequence[str], unit: Unit, store: Store
) -> np.ndarray:
    """The probabilities (N, K) of a teacher's table, in the order of `ids` (N,).

    Raises WrongRequest where it has other rows or classes.
    """
    place = store.uri(path)
    table = read_table(place)
    at = {image_id: row for row, image_id in enumerate(table.ids)}
    missing = [str(image_id) for image_id in ids if image_id not in at]
    if missing or len(at) != len(table.ids) or len(at) != len(ids):
        some = f", e.g. {', '.join(missing[:3])} is missing" if missing else ""
        of = "photos to predict" if path.endswith(TEST) else "photos of its fold"
        raise WrongRequest(
            f"{place}: {len(table.ids)} rows, not one for each of the {len(ids)} {of}{some}"
        )
    if list(table.classes) != list(classes):
        raise WrongRequest(
            f"{place}: its {len(table.classes)} classes are not the {len(classes)} of "
            f"{unit.member.name}"
        )
    return table.probabilities[[at[image_id] for image_id in ids]]


def hashes(unit: Unit) -> dict[str, str]:
    """Teacher -> the hash of its units."""
    pairs = zip(unit.member.teachers, unit.teachers, strict=True)
    return {teacher.name: folders[0].split("/")[-2] for teacher, folders in pairs}
