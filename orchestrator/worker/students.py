"""The training part of a unit that learns from other members' units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ensembles.errors import BadInput
from ensembles.files.parquet import read_table
from ensembles.files.table import Table
from members.training.ranks import Ranks
from orchestrator.photographs.table import codec_of
from orchestrator.runs.store import Store
from orchestrator.units.teachers.pseudo import PseudoLabels, pseudo_labels
from orchestrator.units.teachers.vote import TAUGHT, TAUGHT_TEST, Answers, answers
from orchestrator.units.unit import Unit
from orchestrator.worker.inputs import Inputs

if TYPE_CHECKING:
    from members.batches.photos import Photos

_FILE = "pseudo.csv"
_DIGITS = 1e-5  # in which the same answers may differ, computed elsewhere


def taught(
    train: Photos, unit: Unit, inputs: Inputs, store: Store, ranks: Ranks
) -> tuple[Photos, dict[str, Any], list[str]]:
    """The training part with what the teachers say now, fields of the record, and notes.

    What they say stands in the unit's folder afterwards. An interrupted training whose teachers said
    something else then is not gone on with: its state is set aside.
    """
    if unit.member.pseudo is not None:
        labels, notes = ranks.from_first(partial(labels_to_learn, unit, inputs, store))
        return with_pseudo_labels(train, unit, inputs, labels), {"pseudo": labels.record}, notes
    said, notes = ranks.from_first(partial(_vote_to_learn, unit, inputs, store))
    return with_answers(train, unit, inputs, said), {"teacher": said.record}, notes


# -- pseudo-labels -------------------------------------------------------------------------------------


def labels_to_learn(unit: Unit, inputs: Inputs, store: Store) -> tuple[PseudoLabels, list[str]]:
    """What the teachers say of test photographs, as in `pseudo.csv`, and notes."""
    photographs = inputs.photographs
    found = pseudo_labels(unit, photographs, store)
    path = f"{unit.path}/{_FILE}"
    classes = codec_of(unit.member, photographs.codec).classes
    text, notes = found.to_csv(photographs, classes), [f"{unit.title}: {found.record.line()}"]
    before = store.read(path) if store.exists(path) else None
    if before != text.encode():
        notes += _begin_again(unit, store)
        store.write(path, text)
    return found, notes


def with_pseudo_labels(train: Photos, unit: Unit, inputs: Inputs, labels: PseudoLabels) -> Photos:
    """The training part with the photographs of `labels` behind it.

    They count as any other row: in an epoch, in balanced sampling and mixing, in class weights and in
    the statistics of `normalize: computed`.
    """
    from members.batches.photos import joined

    if not len(labels.rows):
        return train
    return joined(train, inputs.pseudo_labelled(unit, labels.rows, labels.labels))


# -- the vote ------------------------------------------------------------------------------------------


def _vote_to_learn(unit: Unit, inputs: Inputs, store: Store) -> tuple[Answers, list[str]]:
    """What the vote of the teachers says, as in `teacher.parquet`, and notes."""
    photographs = inputs.photographs
    found = answers(unit, photographs, store)
    notes = [f"{unit.title}: {found.record.line()}"]
    before = _written(found.tables(unit, photographs), unit, store)
    if before is not None:
        return replace(found, rows=before[TAUGHT], test=before.get(TAUGHT_TEST)), notes
    notes += _begin_again(unit, store)
    found.write(unit, photographs, store)
    return found, notes


def with_answers(train: Photos, unit: Unit, inputs: Inputs, said: Answers) -> Photos:
    """The training part with the vote beside its labels, and the test photographs behind it, if any.

    Those count as any other row in an epoch, in the statistics of `normalize: computed` and in balanced
    sampling, as the class that the vote finds most probable; not in class weights.
    """
    from members.batches.photos import joined
    from members.batches.soft import Soft

    own = unit.member.teacher
    assert own is not None
    soft = Soft.of(said.rows, own.temperature, own.hard)
    train = replace(train, soft=soft)
    if said.test is None or not len(said.test):
        return train
    labels = said.test.argmax(axis=1).astype(np.int64)
    test = inputs.pseudo_labelled(unit, np.arange(len(labels)), labels)
    unknown = Soft.of(said.test, own.temperature, own.hard, labelled=False)
    return joined(train, replace(test, soft=unknown))


def _written(tables: Mapping[str, Table], unit: Unit, store: Store) -> dict[str, np.ndarray] | None:
    """File -> probabilities of the unit's folder, where it has these tables; None where it has not.

    Another machine may fit weights that differ in their last digits: what was learnt is gone on with.
    """
    found = {}
    for name, table in tables.items():
        path = f"{unit.path}/{name}"
        if not store.exists(path):
            return None
        try:
            before = read_table(store.uri(path))
        except BadInput:  # damaged
            return None
        same_ids = before.ids.tolist() == table.ids.tolist()
        if not same_ids or np.abs(before.probabilities - table.probabilities).max() > _DIGITS:
            return None
        found[name] = before.probabilities
    return found


def _begin_again(unit: Unit, store: Store) -> Sequence[str]:
    """Set an interrupted training aside; in words, if there was one."""
    state = f"{unit.path}/state.pt"
    if not store.exists(state):
        return []
    return [
        f"{state}: the teachers' answers were others then. It is now {store.set_aside(state)}, and the "
        "unit begins again."
    ]
