"""`unit.json`: how a unit was trained. Written last, so that its presence means: complete."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from orchestrator.errors import WrongRequest
from orchestrator.runs.store import Store


class _Block(BaseModel):
    # what a later version adds is kept, also when this one writes the record again
    model_config = ConfigDict(extra="allow", frozen=True)


class Rows(_Block):
    """Photographs that the unit was trained on and validated with."""

    train: int = 0
    validation: int = 0


class Seconds(_Block):
    """Wall time. train: of the epochs, validation included; predict: with one epoch's weights."""

    prepare: float = 0.0
    train: float = 0.0
    predict: float | None = None


class UnitRecord(_Block):
    """Without the fields that have no default a unit cannot be used; the rest only informs.

    metrics: the row of `history` that the kept weights belong to; normalize: as the recipe has it,
    or the statistics that were computed; began, ended: seconds since 1970; per_target: target ->
    macro_f1 and accuracy of the held-out rows; test_hash: of the test photographs that the test
    table is about.
    """

    member: dict[str, Any] = {}
    fold: int
    seed: int | None = None
    hash: str
    rows: Rows = Rows()
    best_epoch: int
    metrics: dict[str, Any]
    history: list[dict[str, Any]]
    normalize: str | dict[str, Any] | None = None
    resumed_after_epoch: int = 0
    seconds: Seconds = Seconds()
    began: float | None = None
    ended: float | None = None
    device: str = ""
    workers: int = 1
    data_hash: str = ""
    folds_hash: str = ""
    versions: dict[str, str] = {}
    per_target: dict[str, Any] | None = None
    test_hash: str


def read_record(folder: str, store: Store) -> UnitRecord:
    """The record in a unit's folder.

    Raises FileNotFoundError where there is none, and `WrongRequest` where the file is damaged or
    something else.
    """
    path = f"{folder}/unit.json"
    try:
        return UnitRecord.model_validate(store.read_json(path))
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, e['loc'])) or 'the whole'}: {e['msg']}" for e in error.errors()
        ]
        why = "; ".join(problems)
    except ValueError as error:  # no JSON, or no text
        why = str(error)
    raise WrongRequest(
        f"{store.uri(path)} is no record of a trained unit ({why}). Delete the folder "
        f"{store.uri(folder)}: train-members then trains this unit again."
    )


def find_record(folder: str, store: Store) -> UnitRecord | None:
    """As `read_record`, and None where the unit was never trained to its end."""
    try:
        return read_record(folder, store)
    except FileNotFoundError:
        return None


def write_record(folder: str, record: UnitRecord, store: Store) -> None:
    """Only what was set: an old record that is written again gains no made-up values."""
    store.write_json(f"{folder}/unit.json", record.model_dump(exclude_unset=True))
