"""Test photographs with the labels that a unit's teachers give them.

The teachers of fold f are asked by the test tables of their units of fold f: networks that never saw
fold f's labels. The tables of `tables/<member>/` are the mean over all folds' networks and will not do.
Teachers count alike. Weights fitted to OOF rows have seen the labels of fold f.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ensembles.files.parquet import read_table
from ensembles.files.places import file_digest
from orchestrator.errors import WrongRequest
from orchestrator.photographs.table import Photographs, codec_of
from orchestrator.runs.store import Store
from orchestrator.units.record import PseudoRows, find_record, record_path
from orchestrator.units.unit import Unit

_FILE = "test.parquet"


@dataclass(frozen=True, eq=False)
class PseudoLabels:
    """Which test photographs a unit learns from, and as what.

    rows: (P,) int64, rising, into the test list. labels: (P,) int64 in 0..K-1 of the unit's classes.
    probabilities: (P,) float32, the teachers' of those labels. record: for `unit.json`.
    """

    rows: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    record: PseudoRows

    def to_csv(self, photographs: Photographs, classes: Sequence[str]) -> str:
        """image_id, class and probability, a row each; the same labels give the same text."""
        assert photographs.test is not None
        frame = photographs.test[["image_id"]].iloc[self.rows].reset_index(drop=True)
        frame["class"] = [classes[label] for label in self.labels]
        frame["probability"] = [f"{p:.9g}" for p in self.probabilities]
        return frame.to_csv(index=False)


def pseudo_labels(unit: Unit, photographs: Photographs, store: Store) -> PseudoLabels:
    """What the teachers of the unit's fold say of the test photographs.

    Of a teacher with several seeds the mean over them is one answer. Raises WrongRequest where a
    table is not there, not the one that its unit wrote, or not of these photographs and classes.
    """
    pseudo, test = unit.member.pseudo, photographs.test
    assert pseudo is not None  # or the unit has no teachers
    assert test is not None  # the spec was checked
    classes = codec_of(unit.member, photographs.codec).classes
    ids = test["image_id"].to_numpy(str)
    answers, tables = [], {}
    for teacher, folders in zip(unit.member.teachers, unit.teachers, strict=True):
        wanted = photographs.test_hash_of(teacher.photos)
        of_seeds = []
        for folder in folders:
            path = f"{folder}/{_FILE}"
            tables[path] = _right_digest(folder, wanted, unit, store)
            of_seeds.append(_aligned(path, ids, classes, unit, store))
        answers.append(of_seeds)
    rows, labels, probabilities = taken(answers, pseudo.at_least)
    counts = np.bincount(labels, minlength=len(classes))
    record = PseudoRows(
        at_least=pseudo.at_least,
        teachers={
            teacher.name: folders[0].split("/")[-2]
            for teacher, folders in zip(unit.member.teachers, unit.teachers, strict=True)
        },
        tables=tables,
        test_hash=photographs.test_hash_of(unit.member.photos),
        of=len(ids),
        taken=len(rows),
        by_class=dict(zip(classes, counts.tolist(), strict=True)),
    )
    return PseudoLabels(rows, labels, probabilities, record)


def taken(
    answers: Sequence[Sequence[np.ndarray]], at_least: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, labels and probabilities (P,) of what the teachers are sure of; see `PseudoLabels`.

    answers: of each teacher, of each of its seeds, probabilities (T, K). Their mean over the seeds,
    and then over the teachers, is held in float32 as tables are. Of equal classes the first counts.
    """
    means = [np.mean(of_seeds, axis=0, dtype=np.float64) for of_seeds in answers]
    mean = np.mean(means, axis=0).astype(np.float32)
    greatest = mean.max(axis=1, initial=0.0)
    rows = np.flatnonzero(greatest >= np.float32(at_least))
    return rows, mean[rows].argmax(axis=1).astype(np.int64), greatest[rows]


def _right_digest(folder: str, test_hash: str, unit: Unit, store: Store) -> str:
    """The sha256 of a teacher's test table, which is the one in its record."""
    again = f"Call train-members once more: it makes that table again, and then trains {unit.title}"
    path = f"{folder}/{_FILE}"
    place, record = store.uri(path), find_record(folder, store)
    if record is None or not store.exists(path):
        raise WrongRequest(f"{place}: a teacher's unit is not complete. {again}")
    if record.test_hash != test_hash:
        raise WrongRequest(f"{place}: of other photos to predict. {again}")
    digest = file_digest(place)
    # versions before 0.4.0 wrote no digests
    if record.digests and record.digests.get(_FILE) != digest:
        own = record_path(folder)
        raise WrongRequest(f"{place}: damaged, its sha256 is not the one in {own}. {again}")
    return digest


def _aligned(
    path: str, ids: np.ndarray, classes: Sequence[str], unit: Unit, store: Store
) -> np.ndarray:
    """The probabilities (T, K) of a teacher's table, in the order of the test list `ids`."""
    place = store.uri(path)
    table = read_table(place)
    at = {image_id: row for row, image_id in enumerate(table.ids)}
    missing = [str(image_id) for image_id in ids if image_id not in at]
    if missing or len(at) != len(table.ids) or len(at) != len(ids):
        some = f", e.g. {', '.join(missing[:3])} is missing" if missing else ""
        raise WrongRequest(
            f"{place}: {len(table.ids)} rows, not one for each of the {len(ids)} photos to "
            f"predict{some}"
        )
    if list(table.classes) != list(classes):
        raise WrongRequest(
            f"{place}: its {len(table.classes)} classes are not the {len(classes)} of "
            f"{unit.member.name}"
        )
    return table.probabilities[[at[image_id] for image_id in ids]]
