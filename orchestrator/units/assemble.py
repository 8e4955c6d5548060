"""Finished units -> one OOF and one test table a member.

Where the recipe selects a common epoch, it is chosen here, since here all curves are known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from ensembles.files import places
from ensembles.files.digests import SUMS, read_sums, write_sums
from ensembles.files.parquet import read_oof_table, read_table, write_table
from ensembles.files.table import OofTable, Table
from orchestrator.errors import WrongRequest
from orchestrator.photographs.table import Photographs
from orchestrator.runs.damage import MADE_FROM
from orchestrator.runs.store import Store
from orchestrator.spec.spec import Member
from orchestrator.units.damage import unit_damage
from orchestrator.units.predictions import table_path, weights_path
from orchestrator.units.record import read_record
from orchestrator.units.selection import common_epoch, mean_curve
from orchestrator.units.unit import Unit, is_done, of_member

T = TypeVar("T", bound=Table)


def assemble(member: Member, photographs: Photographs, store: Store) -> bool:
    """Write `tables/<member>/`, or remove it where a unit is missing: no vote on stale tables.

    The OOF table has each held-out row once, in the order of `images.parquet`; several seeds are
    averaged. A test row is the mean over the folds' models (and seeds). True where the member is
    complete.
    """
    folder = f"tables/{member.name}"
    units = of_member(member, photographs)
    test_hash = photographs.test_hash_of(member.photos)
    if not all(is_done(unit, store, test_hash) for unit in units):
        store.delete(folder)
        return False
    stamp = f"{units[0].hash} {test_hash} {member.seeds}"
    has_oof = bool((photographs.train["fold"] >= 0).any())
    expected = [*(["oof"] if has_oof else []), *([] if photographs.test is None else ["test"])]
    if is_made(folder, stamp, expected, store):
        return True
    for unit in units:
        require_whole(unit, store)
    store.write_json(f"{folder}/epochs.json", _choose_epochs(member, units, store))
    cost = _milliseconds_per_photo(units, photographs, store)
    # a table that is there is right: `is_made` leaves no others
    if has_oof and not store.exists(f"{folder}/oof.parquet"):
        _write(store.uri(f"{folder}/oof.parquet"), _oof(units, photographs, store), cost)
    if photographs.test is not None and not store.exists(f"{folder}/test.parquet"):
        parts = [read_table(store.uri(f"{unit.path}/test.parquet")) for unit in units]
        _write(store.uri(f"{folder}/test.parquet"), _mean(parts), cost)
    finish(folder, stamp, store)
    return True


def is_made(folder: str, stamp: str, expected: Sequence[str], store: Store) -> bool:
    """Whether a folder has all tables of the kinds `expected`, made from what `stamp` names.

    Where they were made from something else, the folder is gone afterwards.
    """
    made_from = f"{folder}/{MADE_FROM}"
    if not store.exists(made_from) or store.read(made_from) != stamp.encode():
        store.delete(f"{folder}/{SUMS}")  # the first to go: what is half deleted is not damaged
        store.delete(folder)
        return False
    names = {*read_sums(store.uri(folder)), *(f"{kind}.parquet" for kind in expected)}
    if all(store.exists(f"{folder}/{name}") for name in names):
        return True
    store.delete(f"{folder}/{SUMS}")
    store.delete(made_from)
    return False


def finish(folder: str, stamp: str, store: Store) -> None:
    """The digests of the tables and of what they were made from; last, what that is."""
    names = [name for name in store.list(folder) if name not in (SUMS, MADE_FROM)]
    digests = {name: places.file_digest(store.uri(f"{folder}/{name}")) for name in names}
    digests[MADE_FROM] = hashlib.sha256(stamp.encode()).hexdigest()
    write_sums(store.uri(folder), digests)
    store.write(f"{folder}/{MADE_FROM}", stamp)


def require_whole(unit: Unit, store: Store) -> None:
    """Raise `WrongRequest` where a table of the unit was damaged since this call began."""
    if found := unit_damage(unit.path, store):
        raise WrongRequest(
            f"{store.uri(damage.path)}: {damage.why}. Once more train-members, and {damage.then}."
            for damage in found
        )


def _choose_epochs(member: Member, units: list[Unit], store: Store) -> dict[str, Any]:
    """Which epoch of each unit the tables are made from, and by what it was chosen.

    A common epoch's files are put where each unit's own would stand.
    """
    recipe = member.recipe
    records = [read_record(unit.path, store) for unit in units]
    histories = [record.history for record in records]
    chosen: dict[str, Any] = {"select": recipe.select, "metric": recipe.metric}
    if recipe.select == "common_epoch":
        epoch = common_epoch(histories, recipe.metric)
        for unit in units:
            _publish(unit, epoch, store)
        epochs = [epoch] * len(units)
        chosen["mean_curve"] = mean_curve(histories, recipe.metric)
    elif recipe.select == "last":
        epochs = list(map(len, histories))
    else:
        epochs = [record.best_epoch for record in records]
    names = [unit.path.rsplit("/", 1)[1] for unit in units]
    return {**chosen, "epochs": dict(zip(names, epochs, strict=True))}


def _publish(unit: Unit, epoch: int, store: Store) -> None:
    pairs = [(weights_path(unit, epoch), weights_path(unit))]
    pairs += [(table_path(unit, kind, epoch), table_path(unit, kind)) for kind in ("oof", "test")]
    for kept, published in pairs:
        if not store.exists(kept):
            continue
        content = store.read(kept)
        if not store.exists(published) or store.read(published) != content:
            store.write(published, content)


def _write(place: str, table: Table, cost: float | None) -> None:
    if cost:
        table.meta = {**table.meta, "milliseconds_per_photo": cost}
    write_table(place, table)


def _milliseconds_per_photo(
    units: list[Unit], photographs: Photographs, store: Store
) -> float | None:
    """What a new photograph takes: every fold's and seed's model predicts it. None where not known."""
    n_test = 0 if photographs.test is None else len(photographs.test)
    total = 0.0
    for unit in units:
        record = read_record(unit.path, store)
        rows = record.rows.validation + n_test
        if not rows or record.seconds.predict is None:
            return None
        total += 1000 * record.seconds.predict / rows
    return round(total, 4)


def _oof(units: list[Unit], photographs: Photographs, store: Store) -> OofTable:
    by_fold = []
    for fold in sorted({unit.fold for unit in units}):
        seeds = [unit for unit in units if unit.fold == fold]
        by_fold.append(_mean([read_oof_table(store.uri(f"{u.path}/oof.parquet")) for u in seeds]))
    ids = np.concatenate([part.ids for part in by_fold])
    position = {image_id: i for i, image_id in enumerate(photographs.train["image_id"])}
    rows = np.array([position[image_id] for image_id in ids])
    order = np.argsort(rows, kind="stable")
    return OofTable(
        ids=ids[order],
        probabilities=np.concatenate([p.probabilities for p in by_fold])[order],
        fold=np.concatenate([p.fold for p in by_fold])[order],
        label=np.concatenate([p.label for p in by_fold])[order],
        meta=by_fold[0].meta,
        group=photographs.train["group"].astype(str).to_numpy(object)[rows[order]],
    )


def _mean(parts: Sequence[T]) -> T:
    """The mean of tables over the same rows in the same order, summed in float64."""
    total = np.zeros(parts[0].probabilities.shape)
    for part in parts:
        total += part.probabilities
    first = parts[0]
    mean = (total / len(parts)).astype(np.float32)
    return replace(first, probabilities=mean, group=None)
