"""`unit.json`: how a unit was trained. Written last, so that its presence means: complete."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ensembles.files.digests import sealed, unsealed
from members.errors import first_line
from orchestrator.errors import WrongRequest
from orchestrator.runs.store import Store

if TYPE_CHECKING:
    from members.recipe.recipe import Recipe

_LISTED = 20  # classes in a line
UNFINISHED = "-"  # no hash of test photographs


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


class PseudoRows(_Block):
    """Test photographs that the unit was trained on too; `Rows.train` counts them.

    teachers: member -> the hash of its units; tables: the test tables that were asked -> their sha256;
    test_hash: of the test photographs; `taken` of them, and how many as which class.
    """

    at_least: float
    teachers: dict[str, str] = {}
    tables: dict[str, str] = {}
    test_hash: str = ""
    of: int = 0
    taken: int = 0
    by_class: dict[str, int] = {}

    def line(self) -> str:
        """In words, after the name of a unit."""
        teachers = " and ".join(self.teachers)
        if not self.taken:
            return (
                f"no class of any of the {self.of} photos to predict has {self.at_least:g} or more by "
                f"{teachers}, so it learns from labelled photos only"
            )
        by_class = [f"{name} {n}" for name, n in self.by_class.items() if n]
        more = f", ... ({len(by_class)} classes)" if len(by_class) > _LISTED else ""
        return (
            f"{self.taken} of {self.of} photos to predict are learnt from, labelled by {teachers}: "
            f"{', '.join(by_class[:_LISTED])}{more}"
        )


class TaughtRows(_Block):
    """What the vote was that the unit learnt to answer as.

    teachers: member -> the hash of its units; weights: fold -> member -> its weight for the rows of that
    fold; tables: the tables that were asked -> their sha256; test_weights, test_hash, unlabelled: of test
    photographs that it learnt, too, and how many those are; `Rows.train` counts them.
    """

    vote: str
    temperature: float
    hard: float
    teachers: dict[str, str] = {}
    weights: dict[str, dict[str, float]] = {}
    test_weights: dict[str, float] | None = None
    tables: dict[str, str] = {}
    test_hash: str = ""
    unlabelled: int = 0

    def line(self) -> str:
        """In words, after the name of a unit."""
        means = {
            name: sum(own[name] for own in self.weights.values()) / len(self.weights)
            for name in self.teachers
        }
        shown = ", ".join(f"{name} {weight:.2f}" for name, weight in means.items())
        more = f", and of {self.unlabelled} photos to predict" if self.unlabelled else ""
        return f"it learns the {self.vote} vote of its rows{more}; mean weights {shown}"


class RefitRecord(_Block):
    """Of a unit that is trained on all rows: after how many epochs it stops, and the hashes of the folds'
    units that this was read from, one a unit."""

    epochs: int
    of: list[str]


class SmallerBatches(_Block):
    """Of a unit that ran out of memory: what it went on with, as if these were keys of its recipe.

    batch_size, accumulate: in training, from epoch `since` on; validation_batch_size: of validation and
    predictions; None: as its recipe says.
    """

    batch_size: int | None = None
    accumulate: int | None = None
    since: int | None = None
    validation_batch_size: int | None = None

    @classmethod
    def of(cls, at_once: Mapping[str, int | None], recipe: Recipe, workers: int) -> SmallerBatches:
        """at_once: of a training's state, for each of its `workers`."""
        found = cls(validation_batch_size=at_once.get("look"))
        train = at_once.get("train")
        if train is None:
            return found
        mixing, since = recipe.mixing, at_once.get("since") or 1
        halves = mixing and mixing.mode == "half" and since <= (mixing.last_epoch or since)
        size = (
            train * workers * (2 if halves else 1)
        )  # `train` is of photos that the network takes in
        parts = -(-recipe.batch_size // size)
        changes = {
            "batch_size": size,
            "accumulate": recipe.accumulate * parts,
            "since": at_once.get("since"),
        }
        return found.model_copy(update=changes)

    def line(self) -> str:
        """In words, after the name of a unit; empty where all batches fitted."""
        found = []
        if self.batch_size is not None:
            found.append(
                f"since epoch {self.since} it trains as with batch_size {self.batch_size} and accumulate "
                f"{self.accumulate}: the same updates, but for what counts over a batch, batch norm and the "
                "f1 loss"
            )
        if self.validation_batch_size is not None:
            found.append(f"it validates and predicts {self.validation_batch_size} photos at once")
        return f"ran out of memory; {', and '.join(found)}" if found else ""


class GpuRecord(_Block):
    """Of a unit that was trained on a GPU: which, what share of it, and what was chosen there.

    precision: the format of the network's arithmetic; fused: the optimiser updates all weights by one kernel;
    augmented: steps of the augmentation that were carried out there, none by earlier versions.
    """

    name: str
    share: float
    precision: str
    fused: bool
    augmented: tuple[str, ...] = ()


class InitFromRecord(_Block):
    """Of a unit that started from another fold's weights: the folder of that unit, the sha256 of its weights,
    and what the OOF rows cannot claim."""

    unit: str
    sha256: str
    optimistic: str


class UnitRecord(_Block):
    """Without the fields that have no default a unit cannot be used; the rest only informs.

    metrics: the row of `history` that the kept weights belong to; normalize: as the recipe has it,
    or the statistics that were computed; began, ended: seconds since 1970; per_target: target ->
    macro_f1 and accuracy of the held-out rows; test_hash: of the test photographs that the test
    table is about; streamed: photographs without copies, part and size: `train 224x224`.
    """

    member: dict[str, Any] = {}
    fold: int | Literal["all"]
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
    gpu: GpuRecord | None = None
    workers: int = 1
    data_hash: str = ""
    folds_hash: str = ""
    versions: dict[str, str] = {}
    per_target: dict[str, Any] | None = None
    pseudo: PseudoRows | None = None
    teacher: TaughtRows | None = None
    refit: RefitRecord | None = None
    streamed: list[str] = []
    out_of_memory: SmallerBatches | None = None
    init_from: InitFromRecord | None = None
    test_hash: str
    digests: dict[str, str] = {}
    sizes: dict[str, int] = {}

    def without_tables(self, right: Collection[str]) -> UnitRecord:
        """The record while tables are made again, all but those of the kinds `right`: of no test
        photographs, so that the unit is not taken for complete."""
        left = {
            name: digest
            for name, digest in self.digests.items()
            if name.endswith(".safetensors") or name.rpartition("-")[2].partition(".")[0] in right
        }
        changes: dict[str, Any] = {"test_hash": UNFINISHED}
        if self.digests:
            changes["digests"] = left
        return self.model_copy(update=changes)


def read_record(folder: str, store: Store) -> UnitRecord:
    """The record in a unit's folder.

    Raises FileNotFoundError where there is none, and `WrongRequest` where the file is damaged,
    another unit's or something else.
    """
    record, why = _read(folder, store)
    if record is None:
        raise WrongRequest(
            f"{store.uri(record_path(folder))}: no record of this unit ({why}). train-members "
            "moves it to damaged/ and trains this unit again."
        )
    return record


def find_record(folder: str, store: Store) -> UnitRecord | None:
    """As `read_record`; None where the unit was never trained to its end, or its record is damaged."""
    try:
        return _read(folder, store)[0]
    except FileNotFoundError:
        return None


def record_damage(folder: str, store: Store) -> str:
    """What is wrong with the record in a unit's folder; empty where nothing is, or there is none."""
    try:
        return _read(folder, store)[1]
    except FileNotFoundError:
        return ""


def of_all_rows(folder: str) -> bool:
    """Whether a unit's folder, or its name, is of one that is trained on all rows."""
    return folder.rpartition("/")[2].partition("-seed-")[0] == "fold-all"


def record_path(folder: str) -> str:
    return f"{folder}/unit.json"


def write_record(folder: str, record: UnitRecord, store: Store) -> None:
    """Only what was set: an old record that is written again gains no made-up values."""
    store.write_json(record_path(folder), sealed(record.model_dump(exclude_unset=True)))


def _read(folder: str, store: Store) -> tuple[UnitRecord | None, str]:
    """The record, or None and what is wrong with it."""
    try:
        record = UnitRecord.model_validate(unsealed(store.read_json(record_path(folder))))
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, e['loc'])) or 'the whole'}: {e['msg']}" for e in error.errors()
        ]
        return None, "; ".join(problems[:9])
    except (ValueError, RecursionError) as error:  # no JSON, no text, or not what was written
        return None, first_line(error)
    digest, name = folder.split("/")[-2:]
    own = f"fold-{record.fold}" + (f"-seed-{record.seed}" if record.seed is not None else "")
    if "seed" not in record.model_fields_set:  # of the first versions
        name = name.partition("-seed-")[0]
    if (record.hash, own) != (digest, name):
        return None, f"it is of another unit, {record.hash}/{own}"
    if not 1 <= record.best_epoch <= len(record.history):
        return None, f"best_epoch: {record.best_epoch} of {len(record.history)} epochs"
    return record, ""
