"""Finished units -> one OOF and one test table a member.

Where the recipe selects a common epoch or chooses views, that is done here, since here all curves
and all OOF rows are known.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from ensembles.files import places
from ensembles.files.digests import SUMS, read_sums, write_sums
from ensembles.files.parquet import Kind, read_oof_table, read_table, write_table
from ensembles.files.table import OofTable, Table
from orchestrator.errors import WrongRequest, counted
from orchestrator.photographs.table import Photographs
from orchestrator.runs.damage import MADE_FROM, PARTIAL
from orchestrator.runs.partial import FOLDS, FinishedFolds, discard
from orchestrator.runs.store import Store
from orchestrator.spec.folds.choice import folds_of, optimism
from orchestrator.spec.spec import Member
from orchestrator.units.damage import COPIED, unit_damage
from orchestrator.units.predictions import table_path, weights_path
from orchestrator.units.record import read_record
from orchestrator.units.selection import common_epoch, mean_curve
from orchestrator.units.unit import Unit, chosen, is_done, member_hash
from orchestrator.units.views import chosen_views, copies_of_views, publish, share_of_work

T = TypeVar("T", bound=Table)


def assemble(member: Member, photographs: Photographs, store: Store) -> bool:
    """Write `tables/<member>/`, or remove it where a unit is missing: no vote on stale tables.

    The OOF table has each held-out row once, in the order of `images.parquet`; several seeds are
    averaged. A test row is the mean over the folds' models (and seeds). Of a member that by the spec trains
    some folds only they stand in `partial/<member>/`, with the rows of these folds. True where the member
    is complete.
    """
    folder = f"tables/{member.name}"
    units = chosen(member, photographs, store)
    test_hash = photographs.test_hash_of(member.photos)
    if not all(is_done(unit, store, test_hash) for unit in units):
        store.delete(folder)
        return False
    if found := asked_folds(member, photographs):
        if store.exists(folder):
            store.delete(f"{folder}/{SUMS}")  # as of `is_made`
            store.delete(folder)
        write_partial(units, found, photographs, store)
        return True
    _write_all(folder, stamp_of(units, photographs), units, photographs, store)
    discard(member.name, store)
    return True


def asked_folds(member: Member, photographs: Photographs) -> FinishedFolds | None:
    """The folds that the spec names for a member, and their rows; None where it trains all."""
    folds = folds_of(member.folds, photographs.n_folds)
    return rows_of(member, folds, photographs) if len(folds) < photographs.n_folds else None


def rows_of(member: Member, folds: Sequence[int], photographs: Photographs) -> FinishedFolds:
    """The rows of some folds of a member."""
    fold, n_folds = photographs.train["fold"], photographs.n_folds
    asked = folds_of(member.folds, n_folds)
    return FinishedFolds(
        folds=list(folds),
        n_folds=n_folds,
        rows=int(fold.isin(folds).sum()),
        n_rows=int((fold >= 0).sum()),
        asked=list(asked) if len(asked) < n_folds else None,
    )


def write_partial(
    units: list[Unit], found: FinishedFolds, photographs: Photographs, store: Store
) -> None:
    """The tables of some folds, in `partial/<member>/`. found: which these are."""
    folder = f"{PARTIAL}/{units[0].member.name}"
    stamp = f"{stamp_of(units, photographs)}\n{found.line()}"
    if found.asked is not None:
        stamp += f" of {' '.join(map(str, found.asked))}"
    more = {FOLDS: found.model_dump(exclude_none=True)}
    _write_all(folder, stamp, units, photographs, store, more)


def _write_all(
    folder: str,
    stamp: str,
    units: list[Unit],
    photographs: Photographs,
    store: Store,
    more: Mapping[str, Any] | None = None,
) -> None:
    """The tables of these units, and how their epochs and views were chosen. more: further records."""
    if is_made(folder, stamp, kinds_of(photographs), store):
        _publish_again(units, folder, store)
        return
    for unit in units:
        require_whole(unit, store)
    choice = choose_epochs(units, store)
    cost = milliseconds_per_photo(units, photographs, store)
    if units[0].member.recipe.choose_views:
        choice |= chosen_views(units, partial(_oof, units, photographs, store))
        for unit in units:
            publish(copies_of_views(unit, choice["views"]), store)
        cost = cost and round(cost * share_of_work(units, choice["views"]), 4)
    store.write_json(f"{folder}/epochs.json", choice)
    for name, record in (more or {}).items():
        store.write_json(f"{folder}/{name}", record)
    write_tables(folder, units, photographs, store, cost)
    finish(folder, stamp, store)


def stamp_of(units: Sequence[Unit], photographs: Photographs) -> str:
    """What tables made from a member's units are made from."""
    member = units[0].member
    stamp = f"{units[0].hash} {photographs.test_hash_of(member.photos)} {member.seeds}"
    kept = kept_units(units, photographs)
    if kept:
        hashes = " ".join(unit.hash for unit in units)
        stamp += f"\n{kept}; units {hashes}; data {photographs.data_hash}"
    return stamp


def kinds_of(photographs: Photographs) -> list[Kind]:
    """The kinds of tables that members have: OOF where rows are held out, test where there are any."""
    kinds: list[Kind] = []
    if (photographs.train["fold"] >= 0).any():
        kinds.append("oof")
    if photographs.test is not None:
        kinds.append("test")
    return kinds


def write_tables(
    folder: str, units: list[Unit], photographs: Photographs, store: Store, cost: float | None
) -> None:
    """The OOF rows and the mean test table of units of one member; of each fold all seeds.

    A table that is there is right: `is_made` leaves no others. cost: as of `milliseconds_per_photo`.
    """
    kept = kept_units(units, photographs)
    for kind in kinds_of(photographs):
        if store.exists(f"{folder}/{kind}.parquet"):
            continue
        if kind == "oof":
            table: Table = _oof(units, photographs, store)
            if units[0].member.init_from:
                table.meta = {**table.meta, "optimistic": optimism(units[0].member.init_from)}
        else:
            table = _mean([read_table(store.source(f"{unit.path}/test.parquet")) for unit in units])
        _write(store.uri(f"{folder}/{kind}.parquet"), _with_meta(table, photographs, kept), cost)


def kept_units(units: Sequence[Unit], photographs: Photographs) -> str:
    """Which of a member's units were trained on other photographs, in words; empty where none."""
    member = units[0].member
    n_kept = sum(unit.hash != member_hash(member, photographs) for unit in units)
    if not n_kept:
        return ""
    used = {unit.hash for unit in units}
    seen = [len(t.train) for t in photographs.earlier if member_hash(member, t) in used]
    more = max(seen) - len(photographs.train)
    return (
        f"{n_kept} of {counted(len(units), 'unit')} kept, trained when there "
        f"{'was' if more == 1 else 'were'} {counted(more, 'photo')} more"
    )


def _with_meta(table: T, photographs: Photographs, kept: str) -> T:
    """A table with kept units is about the photographs of now, and says of which it learnt."""
    if kept:
        hashes = {"data_hash": photographs.data_hash, "folds_hash": photographs.folds_hash}
        table.meta = {**table.meta, **hashes, "kept_units": kept}
    return table


def is_made(folder: str, stamp: str, expected: Sequence[str], store: Store) -> bool:
    """Whether a folder has all tables of the kinds `expected`, made from what `stamp` names.

    Where they were made from something else, the folder is gone afterwards.
    """
    made_from = f"{folder}/{MADE_FROM}"
    if not store.exists(made_from) or store.read(made_from) != stamp.encode():
        store.delete(f"{folder}/{SUMS}")  # the first to go: what is half deleted is not damaged
        store.delete(folder)
        return False
    names = {*read_sums(store.source(folder)), *(f"{kind}.parquet" for kind in expected)}
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
    found = [damage for damage in unit_damage(unit.path, store) if damage.then != COPIED]
    if found:
        raise WrongRequest(
            f"{store.uri(damage.path)}: {damage.why}. Once more train-members, and {damage.then}."
            for damage in found
        )


def choose_epochs(units: list[Unit], store: Store) -> dict[str, Any]:
    """Which epoch of each unit of a member the tables are made from, and by what it was chosen.

    A common epoch's files are put where each unit's own would stand.
    """
    recipe = units[0].member.recipe
    records = [read_record(unit.path, store) for unit in units]
    histories = [record.history for record in records]
    chosen: dict[str, Any] = {"select": recipe.select, "metric": recipe.metric}
    if recipe.select == "common_epoch":
        epoch = common_epoch(histories, recipe.metric)
        for unit in units:
            publish(_copies(unit, epoch), store)
        epochs = [epoch] * len(units)
        chosen["mean_curve"] = mean_curve(histories, recipe.metric)
    elif recipe.select == "last":
        epochs = list(map(len, histories))
    else:
        epochs = [record.best_epoch for record in records]
    names = [unit.path.rsplit("/", 1)[1] for unit in units]
    return {**chosen, "epochs": dict(zip(names, epochs, strict=True))}


def _copies(unit: Unit, epoch: int) -> list[tuple[str, str]]:
    """An epoch's files, and where they are put."""
    pairs = [(table_path(unit, kind, epoch), table_path(unit, kind)) for kind in ("oof", "test")]
    return [(weights_path(unit, epoch), weights_path(unit)), *pairs]


def _publish_again(units: Sequence[Unit], folder: str, store: Store) -> None:
    """Copies of a common epoch's or of chosen views' files that are gone, since they were damaged."""
    recipe, record = units[0].member.recipe, f"{folder}/epochs.json"
    common = recipe.select == "common_epoch"
    if not (common or recipe.choose_views) or not store.exists(record):
        return
    chosen = store.read_json(record)
    epoch = next(iter(chosen["epochs"].values()))
    for unit in units:
        copies = _copies(unit, epoch) if common else copies_of_views(unit, chosen["views"])
        there = store.sizes([path for pair in copies for path in pair])
        if any(kept in there and published not in there for kept, published in copies):
            publish(copies, store)


def _write(place: str, table: Table, cost: float | None) -> None:
    if cost:
        table.meta = {**table.meta, "milliseconds_per_photo": cost}
    write_table(place, table)


def milliseconds_per_photo(
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


def _oof(
    units: list[Unit],
    photographs: Photographs,
    store: Store,
    path: Callable[[Unit], str] = lambda unit: table_path(unit, "oof"),
) -> OofTable:
    """The OOF table of a member, from its units' tables at `path`."""
    position = {image_id: i for i, image_id in enumerate(photographs.train["image_id"])}
    by_fold = []
    for fold in sorted({unit.fold for unit in units}):
        seeds = [unit for unit in units if unit.fold == fold]
        parts = [read_oof_table(store.source(path(unit))) for unit in seeds]
        if photographs.earlier:
            parts = [_of_now(part, position) for part in parts]
        by_fold.append(_mean(parts))
    ids = np.concatenate([part.ids for part in by_fold])
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


def _of_now(table: OofTable, position: dict[str, int]) -> OofTable:
    """Without the photographs that are gone since, in the order of those of now."""
    rows = [(position[i], row) for row, i in enumerate(table.ids) if i in position]
    return table.take(np.array([row for _, row in sorted(rows)], dtype=int))


def _mean(parts: Sequence[T]) -> T:
    """The mean of tables over the same rows in the same order, summed in float64."""
    total = np.zeros(parts[0].probabilities.shape)
    for part in parts:
        total += part.probabilities
    first = parts[0]
    mean = (total / len(parts)).astype(np.float32)
    return replace(first, probabilities=mean, group=None)
