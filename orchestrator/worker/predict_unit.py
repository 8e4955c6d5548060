"""The tables of a trained unit, and what it leaves in its folder."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from orchestrator.units import predictions
from orchestrator.units.files import files_of, load_weights, write_history
from orchestrator.units.record import SmallerBatches, UnitRecord, write_record
from orchestrator.units.selection import kept_epochs, submitted_epochs
from orchestrator.units.unit import Unit
from orchestrator.worker.process import Process


def predict_unit(
    unit: Unit, process: Process, weights: dict[str, Any] | None, record: UnitRecord
) -> None:
    """Probabilities for the held-out rows and the test photographs; `unit.json` last.

    Of the weights that the unit keeps (None: they stand in its folder) and of each epoch that it
    keeps. With a common epoch it keeps epochs only, and with views to choose a table of each:
    `assemble` chooses among them.
    """
    from members.networks import saving
    from members.networks.models import build_model
    from members.out_of_memory import AtOnce
    from members.recipe.blocks import Statistics
    from members.training.predict import for_test, predict_each

    store, ranks, photographs = process.store, process.ranks, process.inputs.photographs
    recipe = unit.member.recipe
    if recipe.normalize == "computed":
        recipe = recipe.model_copy(
            update={"normalize": Statistics.model_validate(record.normalize)}
        )
    parts = process.inputs.to_predict(unit)
    smaller = record.out_of_memory or SmallerBatches()
    at_once = AtOnce(look=smaller.validation_batch_size)
    started = time.perf_counter()
    model = build_model(recipe, process.n_classes(unit), pretrained=False).to(process.device)

    test_hash = photographs.test_hash_of(unit.member.photos)
    # of a trained unit, tables that are there are right: damaged ones were set aside
    right = ("oof", "test") if record.test_hash == test_hash else ("oof",)

    def write_tables(epoch: int | None = None) -> None:
        for kind, part in parts.items():
            tables = predictions.tables_of(unit, kind, epoch)
            if weights is None and kind in right:
                there = {path: ranks.from_first(partial(store.exists, path)) for path in tables}
                tables = {path: views for path, views in tables.items() if not there[path]}
            if not tables:
                continue
            asked = for_test(recipe) if kind == "test" else recipe
            views = [*tables.values()]
            options = {**process.options(), "at_once": at_once}
            means = predict_each(model, part.photos, asked, views, **options)
            for path, probabilities in zip(tables, means, strict=True):
                if ranks.first:
                    predictions.write_table(unit, store, photographs, part, probabilities, path)

    if weights is None and ranks.first:
        write_record(unit.path, record.without_tables(right), store)
    ranks.from_first(lambda: None)  # the first has written what the others read now
    kept = kept_epochs(record.history, recipe)
    for epoch in kept:
        load_weights(model, predictions.weights_path(unit, epoch), unit, record, store)
        write_tables(epoch)
    own = recipe.select != "common_epoch"  # whether it has weights beside those of kept epochs
    if own:
        if weights is None:
            load_weights(model, predictions.weights_path(unit), unit, record, store)
        else:
            model.load_state_dict(weights)
        write_tables()
    if not ranks.first:
        return
    # of one network: the epochs that are kept besides cost as much each
    seconds = (time.perf_counter() - started) / (len(kept) + own)
    if weights is not None and own:
        store.write(predictions.weights_path(unit), saving.to_bytes(model))
    for epoch in submitted_epochs(record.history, recipe):
        predictions.write_submissions(unit, store, epoch)
    changes = {
        "seconds": record.seconds.model_copy(update={"predict": round(seconds, 3)}),
        "test_hash": test_hash,
    }
    if at_once.look != smaller.validation_batch_size:
        update = {"validation_batch_size": at_once.look}
        changes["out_of_memory"] = smaller.model_copy(update=update)
    if "oof" in parts:
        shown = None if own else record.best_epoch
        changes["per_target"] = predictions.scores_by_target(unit, store, shown)
        if not store.exists(f"{unit.path}/predictions.png"):
            predictions.try_picture(unit, store, parts["oof"], shown)
    if not store.exists(f"{unit.path}/history.csv"):
        write_history(unit, store, record.history)
    if streamed := process.inputs.streamed(unit):
        changes["streamed"] = streamed
    changes |= files_of(unit, record, store)
    write_record(unit.path, record.model_copy(update=changes), store)
    for left in ("state.pt", "failed.txt", "failed.json"):
        store.delete(f"{unit.path}/{left}")
