"""Test photographs with the labels that a unit's teachers give them.

The teachers of fold f are asked by the test tables of their units of fold f: networks that never saw
fold f's labels. The tables of `tables/<member>/` are the mean over all folds' networks and will not do.
Teachers count alike. Weights fitted to OOF rows have seen the labels of fold f.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.photographs.table import Photographs, codec_of
from orchestrator.runs.store import Store
from orchestrator.units.record import PseudoRows
from orchestrator.units.teachers.tables import TEST, aligned, hashes, right_digest
from orchestrator.units.unit import Unit


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
            path = f"{folder}/{TEST}"
            tables[path] = right_digest(folder, TEST, unit, store, wanted)
            of_seeds.append(aligned(path, ids, classes, unit, store))
        answers.append(of_seeds)
    rows, labels, probabilities = taken(answers, pseudo.at_least)
    counts = np.bincount(labels, minlength=len(classes))
    record = PseudoRows(
        at_least=pseudo.at_least,
        teachers=hashes(unit),
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
