"""What the vote of a student's teachers says of the photographs that the student learns.

The student of fold f learns rows of the other folds. A row of fold g is answered by networks that held
fold g out, weighted as fits the rows of all folds but f and g: neither networks nor weights have seen the
row. Those networks have seen the labels of fold f, which is why the student's OOF score is flattered.
Test photographs are answered by the networks of fold f, with the weights that fit all rows but fold f's.
A student that is trained on all rows has no f: nothing is left out for its sake, and it is scored on no row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ensembles.files.parquet import write_table
from ensembles.files.table import Table
from ensembles.judging.teaching import teaching
from orchestrator.photographs.table import Photographs, codec_of, in_fold, labels_of
from orchestrator.runs.store import Store
from orchestrator.units.predictions import table_meta
from orchestrator.units.record import TaughtRows
from orchestrator.units.teachers.tables import OOF, TEST, aligned, hashes, right_digest
from orchestrator.units.unit import ALL, Fold, Unit

TAUGHT, TAUGHT_TEST = "teacher.parquet", "teacher-test.parquet"  # files of a student's unit


@dataclass(frozen=True, eq=False)
class Answers:
    """The vote's probabilities of a unit's training rows, and of test photographs where it learns those.

    rows: (N, K) float32, in the order of the unit's training part. folds: (N,) int16, of those rows.
    test: (T, K) float32 in the order of the test list, or None. record: for `unit.json`.
    """

    rows: np.ndarray
    folds: np.ndarray
    test: np.ndarray | None
    record: TaughtRows

    def tables(self, unit: Unit, photographs: Photographs) -> dict[str, Table]:
        """File name -> table, of what the student of `unit` is taught."""
        meta = table_meta(photographs, unit.member.name, codec_of(unit.member, photographs.codec))
        rows, _ = in_fold(photographs.train, unit.fold)
        ids = photographs.train["image_id"].to_numpy(str)[rows]
        tables = {TAUGHT: Table(ids, self.rows, self.folds, meta=meta)}
        if self.test is not None:
            assert photographs.test is not None
            own = photographs.test["image_id"].to_numpy(str)
            tables[TAUGHT_TEST] = Table(own, self.test, meta=meta)
        return tables

    def write(self, unit: Unit, photographs: Photographs, store: Store) -> None:
        for name, table in self.tables(unit, photographs).items():
            write_table(store.uri(f"{unit.path}/{name}"), table)


def answers(unit: Unit, photographs: Photographs, store: Store) -> Answers:
    """What the teachers of a unit with `teacher` say now. Of one with several seeds the mean over them.

    Raises WrongRequest where a table is not there, not the one that its unit wrote, or not of these
    photographs and classes.
    """
    member, train = unit.member, photographs.train
    own = member.teacher
    assert own is not None  # or the unit has another kind of teachers
    codec = codec_of(member, photographs.codec)
    rows, _ = in_fold(train, unit.fold)
    folds = train["fold"].to_numpy()[rows]
    ids = train["image_id"].to_numpy(str)[rows]
    n_teachers, n_classes = len(member.teachers), len(codec.classes)
    probabilities = np.empty((n_teachers, len(rows), n_classes), np.float32)
    tables: dict[str, str] = {}
    for number, of in enumerate(unit.teachers):
        for fold in np.unique(folds).tolist():
            held_out = folds == fold
            means = []
            for folder in _of_fold(of, fold):
                path = f"{folder}/{OOF}"
                tables[path] = right_digest(folder, OOF, unit, store)
                means.append(aligned(path, ids[held_out], codec.classes, unit, store))
            probabilities[number, held_out] = np.mean(means, axis=0, dtype=np.float64)
    labels = labels_of(train, codec)[rows]
    found = teaching(probabilities, labels, folds, own.vote)
    test, test_hash = None, ""
    if own.unlabelled:
        test_hash = photographs.test_hash_of(member.photos)
        test = found.rule.apply(_of_test(unit, photographs, codec.classes, tables, store))
    names = [teacher.name for teacher in member.teachers]

    def named(weights: np.ndarray) -> dict[str, float]:
        return dict(zip(names, weights.tolist(), strict=True))

    record = TaughtRows(
        vote=own.vote,
        temperature=own.temperature,
        hard=own.hard,
        teachers=hashes(unit),
        weights={str(fold): named(weights) for fold, weights in found.weights.items()},
        test_weights=None if test is None else named(found.rule.weights),
        tables=tables,
        test_hash=test_hash,
        unlabelled=0 if test is None else len(test),
    )
    return Answers(found.answers, folds.astype(np.int16), test, record)


def _of_test(
    unit: Unit,
    photographs: Photographs,
    classes: Sequence[str],
    tables: dict[str, str],
    store: Store,
) -> np.ndarray:
    """(M, T, K) float32: what the networks that held out the unit's fold say of the test list."""
    assert photographs.test is not None  # the spec was checked
    ids = photographs.test["image_id"].to_numpy(str)
    every = []
    for teacher, of in zip(unit.member.teachers, unit.teachers, strict=True):
        wanted, means = photographs.test_hash_of(teacher.photos), []
        for folder in _of_fold(of, unit.fold):
            path = f"{folder}/{TEST}"
            tables[path] = right_digest(folder, TEST, unit, store, wanted)
            means.append(aligned(path, ids, classes, unit, store))
        every.append(np.mean(means, axis=0, dtype=np.float64).astype(np.float32))
    return np.stack(every)


def _of_fold(folders: tuple[str, ...], fold: Fold) -> Iterator[str]:
    """Those of a teacher's units that held out `fold`, one a seed; of ALL every one."""
    for folder in folders:
        if fold == ALL or folder.rpartition("/")[2].partition("-seed-")[0] == f"fold-{fold}":
            yield folder
