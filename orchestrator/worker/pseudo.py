"""The training part of a unit that learns from test photographs too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestrator.photographs.table import codec_of
from orchestrator.runs.store import Store
from orchestrator.units.teachers import PseudoLabels, pseudo_labels
from orchestrator.units.unit import Unit
from orchestrator.worker.inputs import Inputs

if TYPE_CHECKING:
    from members.batches.photos import Photos

_FILE = "pseudo.csv"


def labels_to_learn(unit: Unit, inputs: Inputs, store: Store) -> tuple[PseudoLabels, Sequence[str]]:
    """What the teachers say now, and notes. `pseudo.csv` in the unit's folder has it afterwards.

    An interrupted training whose teachers said something else then is not gone on with: its state is
    set aside.
    """
    photographs = inputs.photographs
    found = pseudo_labels(unit, photographs, store)
    path, state = f"{unit.path}/{_FILE}", f"{unit.path}/state.pt"
    classes = codec_of(unit.member, photographs.codec).classes
    text, notes = found.to_csv(photographs, classes), [f"{unit.title}: {found.record.line()}"]
    before = store.read(path) if store.exists(path) else None
    if before != text.encode():
        if store.exists(state):
            notes.append(
                f"{state}: the teachers' answers were others then. It is now "
                f"{store.set_aside(state)}, and the unit begins again."
            )
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
