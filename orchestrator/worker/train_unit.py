"""One unit in a training process: trained from where it stands, its tables predicted, recorded."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from members.errors import first_line
from orchestrator.photographs.table import codec_of, in_fold, training_labels
from orchestrator.runs.damage import set_aside
from orchestrator.runs.store import Store
from orchestrator.spec.member_metrics import of_history
from orchestrator.tracking.follow import Curves, follow
from orchestrator.units.damage import damaged_weights, unit_damage
from orchestrator.units.files import (
    DamagedWeights,
    read_state,
    write_state,
)
from orchestrator.units.record import (
    RefitRecord,
    Rows,
    Seconds,
    SmallerBatches,
    UnitRecord,
    find_record,
)
from orchestrator.units.unit import Unit, is_done
from orchestrator.worker.first_weights import first_weights
from orchestrator.worker.inputs import Inputs
from orchestrator.worker.machine import gpu_record, versions
from orchestrator.worker.predict_unit import predict_unit
from orchestrator.worker.process import Process
from orchestrator.worker.reports import Reporter, Stopped
from orchestrator.worker.students import taught

if TYPE_CHECKING:
    from members.batches.photos import Photos
    from members.recipe.recipe import Recipe
    from members.training.epoch import Epoch


def train_unit(unit: Unit, process: Process, report: Reporter) -> bool:
    """Train one unit from where it stands, predict, and leave its folder complete.

    False where it is a candidate that was told to stop.
    """
    setup, store, ranks = process.setup, process.store, process.ranks
    photographs = process.inputs.photographs
    for line in ranks.from_first(lambda: _set_aside(unit, store)):
        report.note(line)
    record = ranks.from_first(lambda: find_record(unit.path, store))
    test_hash = photographs.test_hash_of(unit.member.photos)
    if record and ranks.from_first(lambda: is_done(unit, store, test_hash)):
        try:
            report.epochs(record.history)
        except Stopped:
            return False
        return True
    import torch

    from members.networks.compiling import keep_programs, same_each_time
    from members.out_of_memory import limit_gpu_memory

    if unit.member.recipe.compile:
        keep_programs(f"{setup.cache}/compiled")
    torch.set_num_threads(setup.cpus)
    if process.device == "cuda":
        limit_gpu_memory(setup.gpus)
    if process.device == "cpu":
        same_each_time(unit.member.recipe.compile)
    if record:  # only the test photographs are new, or a table was damaged
        report.predicting()
        try:
            predict_unit(unit, process, None, record)
        except DamagedWeights as error:
            damage = damaged_weights(error.path, error.why)
            for line in ranks.from_first(lambda: set_aside([damage], store)):
                report.note(line)
            record = None
    if not record:
        names = setup.tracking if ranks.first else ()
        with follow(unit, store, names, setup.project) as curves:
            try:
                weights, record = _train(unit, process, report, curves)
            except Stopped:
                return False
            report.predicting()
            predict_unit(unit, process, weights, record)
            if ranks.first and store.exists(f"{unit.path}/predictions.png"):
                picture = store.read(f"{unit.path}/predictions.png")
                curves.picture(picture, len(record.history))
    return True


def _set_aside(unit: Unit, store: Store) -> list[str]:
    """What of the unit's folder was damaged since training began; what is gone was named before."""
    found = unit_damage(unit.path, store)
    return set_aside([d for d in found if any(map(store.exists, (d.path, *d.along)))], store)


def _train(
    unit: Unit, process: Process, report: Reporter, curves: Curves
) -> tuple[dict[str, Any], UnitRecord]:
    """The weights that the unit keeps, and a record of how they came about."""
    from members.batches.statistics import with_statistics
    from members.training import fit

    store, ranks, photographs = process.store, process.ranks, process.inputs.photographs
    began, started = time.time(), time.perf_counter()
    train, valid = _parts(unit, process.inputs)
    learned: dict[str, Any] = {}
    if unit.refit is not None:
        learned["refit"] = RefitRecord(epochs=unit.refit.epochs, of=list(unit.refit.of))
    if unit.teachers:
        train, of_teachers, notes = taught(train, unit, process.inputs, store, ranks)
        learned |= of_teachers
        for line in notes:
            report.note(line)
    first = None
    if unit.source is not None:
        first, begun_from, notes = ranks.from_first(partial(first_weights, unit, store))
        learned["init_from"] = begun_from
        for line in notes:
            report.note(line)
    recipe = with_statistics(unit.member.recipe, train)
    state, epochs = _begin(unit, process, recipe, train, valid, report, first)
    before = state["history"] if state else []
    if ranks.first and not before:
        store.delete(f"{unit.path}/epochs")
    report.epochs(before)
    curves.begin(before)
    prepared = time.perf_counter()
    at_once = ranks.from_first(partial((state or {}).get, "at_once", {}))
    smaller = SmallerBatches.of(at_once, recipe, ranks.size)
    if unit.refit is not None:
        epochs = islice(epochs, max(unit.refit.epochs - len(before), 0))
    for epoch in epochs:
        state = epoch.state()
        if ranks.first:
            write_state(unit, store, state)
        curves.epoch(epoch.metrics)
        at_once = ranks.from_first(partial(state.get, "at_once", {}))
        if smaller != (now := SmallerBatches.of(at_once, recipe, ranks.size)):
            smaller = now
            report.note(f"{unit.title} {smaller.line()}")
        report.epoch(state["history"])
    assert state is not None  # of an interrupted unit, or of the last epoch
    history = state["history"]
    if smaller != SmallerBatches():
        learned["out_of_memory"] = smaller
    if process.device == "cuda":
        learned["gpu"] = gpu_record(recipe, process.setup.gpus)
    last = recipe.select == "last"
    record = UnitRecord(
        member=unit.member.model_dump(mode="json", exclude={"teachers", "folds"}),
        fold=unit.fold,
        seed=unit.seed,
        hash=unit.hash,
        rows=Rows(train=len(train), validation=0 if valid is None else len(valid)),
        best_epoch=state["best_epoch"],
        metrics=history[-1 if last else state["best_epoch"] - 1],
        history=history,
        normalize=recipe.model_dump(mode="json")["normalize"],
        resumed_after_epoch=len(before),
        seconds=Seconds(
            prepare=round(prepared - started, 3),
            train=round(sum(row["seconds"] for row in history), 3),
        ),
        began=began,
        ended=time.time(),
        device=process.device,
        workers=ranks.size,
        data_hash=photographs.data_hash,
        folds_hash=photographs.folds_hash,
        versions=versions(),
        test_hash=photographs.test_hash_of(unit.member.photos),
        **learned,
    )
    return fit.last_weights(state) if last else fit.best_weights(state), record


def _parts(unit: Unit, inputs: Inputs) -> tuple[Photos, Photos | None]:
    """The photographs of the training part, with the labels to learn, and of the validation part."""
    photographs = inputs.photographs
    photos = inputs.photos(unit, "train")
    train_rows, valid_rows = in_fold(photographs.train, unit.fold)
    codec = codec_of(unit.member, photographs.codec)
    learned = training_labels(photographs.train, unit.member, codec).astype(np.int64)
    valid = photos.take(valid_rows) if len(valid_rows) else None
    return replace(photos, labels=learned).take(train_rows), valid


def _begin(
    unit: Unit,
    process: Process,
    recipe: Recipe,
    train: Photos,
    valid: Photos | None,
    report: Reporter,
    first: bytes | None,
) -> tuple[dict[str, Any] | None, Iterator[Epoch]]:
    """The state that an interrupted training left, if it can be used, and the epochs that follow.

    first: the weights to begin with where there is none.

    One that cannot is set aside: it is damaged, or of another unit or version.
    """
    from members.errors import BadInput
    from members.training import fit

    given = (recipe, train, valid, process.n_classes(unit))
    options = {"seed": unit.seed or 0, "metrics": of_history(recipe.metric), **process.options()}
    try:
        state = read_state(unit, process.store, process.ranks)
        if state is not None:
            return state, fit.fit(*given, **options, state=state)
    except BadInput as error:
        why = first_line(error)
        path = f"{unit.path}/state.pt"
        moved = process.ranks.from_first(lambda: process.store.set_aside(path))
        report.note(f"{path}: {why}. It is now {moved}, and the unit begins again.")
    return None, fit.fit(*given, **options, first=first)
