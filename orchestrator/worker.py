"""What runs inside a training process: units one after the other, each resumed where it stopped.

`train_units` is the loop of a Ray Train worker. All it needs stands in its config and in the run
folder, so that a process that dies costs the epoch it was in: every epoch leaves `state.pt` beside
the unit's other files, and `unit.json`, written last, says that the unit is complete.

A unit's progress goes to the driver as flat reports: `unit`, `epoch`, `value` (the metric after this
epoch), `score` (the best so far), `message`, and `event`: `started`, `epoch`, `done` or `failed`.

Where several processes train a unit, all run this loop and report alike, and the first writes the
files. What a file says is read by the first and told to the others: one that waits for the others
while those go on to something else would wait for ever.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from members.ranks import ALONE, LostContact, RaisedByAll, Ranks

from . import answers, member_metrics
from .photographs import asked_of, photos_of, read_photographs
from .selection import kept_epochs, submitted_epochs
from .store import Store
from .tracking import Curves, follow
from .unit_files import leave_word, read_state, record_of, word_of, write_state
from .units import (
    Photographs,
    Unit,
    codec_of,
    in_fold,
    training_labels,
    unit_of,
)

if TYPE_CHECKING:
    pass

Report = Callable[[dict[str, Any]], None]


def train_units(config: dict[str, Any]) -> None:
    """Ray Train's loop: `config` as `run_config` makes it."""
    import ray.train

    context = ray.train.get_context()
    ranks = Ranks(context.get_world_rank(), context.get_world_size())
    run_units(config, ray.train.report, ranks)


def run_units(config: dict[str, Any], report: Report, ranks: Ranks = ALONE) -> None:
    """Train what is left of `config["units"]`, in order; one that fails does not stop the rest.

    Of several ranks, one that fails alone cannot tell those that wait for it. It leaves word and
    raises, so that all are started again (crossfit), and they pass the unit over.
    """
    store, attempt = Store(config["run"]), config.get("attempt", "")
    # besides, photographs, read once for all units of this process
    shared: dict[str, Any] = {"ranks": ranks}
    for plain in config["units"]:
        unit = unit_of(plain)
        send = _reporter(unit, config, report)
        send({"event": "started"})
        try:
            if word := ranks.from_first(partial(word_of, unit, store, attempt)):
                send({"event": "failed", "message": word})
                continue
            run_unit(unit, store, config, shared, send)
        except LostContact:  # not this unit's fault: all go on from its last epoch
            raise
        except Exception as error:  # this unit is lost, the others are not
            alone = ranks.size > 1 and not isinstance(error, RaisedByAll)
            if alone or ranks.first:
                store.write(f"{unit.path}/failed.txt", traceback.format_exc())
            if alone:
                leave_word(unit, store, attempt, describe(error))
                raise
            send({"event": "failed", "message": describe(error)})


def _reporter(unit: Unit, config: dict[str, Any], report: Report) -> Report:
    """Adds what Tune needs in every report: the unit, and a score that is always a number."""
    worst = config["worst_score"]
    last = {"epoch": 0, "score": worst, "value": worst, "seconds": 0.0, "message": ""}

    def send(values: dict[str, Any]) -> None:
        last.update({k: v for k, v in values.items() if k != "event"})
        report({"unit": unit.path, "event": values["event"], **last})

    return send


def describe(error: Exception) -> str:
    """One line for people."""
    text = str(error).strip().splitlines()
    name = "" if type(error).__module__.startswith("members") else f"{type(error).__name__}: "
    return name + (text[0] if text else "")


def run_unit(unit: Unit, store: Store, config: dict, shared: dict, send: Report) -> None:
    """Train one unit from where it stands, predict, and leave its folder complete."""
    if "photographs" not in shared:
        shared["photographs"] = read_photographs(store)
    photographs: Photographs = shared["photographs"]
    ranks: Ranks = shared["ranks"]
    record = ranks.from_first(lambda: record_of(unit, store))
    if record and record["test_hash"] == photographs.asked_hash(unit.member.photos):
        for row in record["history"]:
            send({"event": "epoch", **_progress(row, config["metric"], record["history"])})
        send({"event": "done"})
        return
    import torch

    torch.set_num_threads(config["cpus"])
    device = "cuda" if torch.cuda.is_available() and config["gpus"] else "cpu"
    if device == "cpu":
        torch.use_deterministic_algorithms(True, warn_only=True)
    if record:  # only the test photographs are new
        _predict(unit, store, config, shared, None, record, device)
    else:
        with follow(unit, store, config if ranks.first else {}) as curves:
            weights, record = _train(unit, store, config, shared, send, device, curves)
            _predict(unit, store, config, shared, weights, record, device)
            if ranks.first and store.exists(f"{unit.path}/predictions.png"):
                curves.picture(store.read(f"{unit.path}/predictions.png"), len(record["history"]))
    send({"event": "done"})


def _train(
    unit: Unit, store: Store, config: dict, shared: dict, send: Report, device: str, curves: Curves
):
    """The weights that the unit keeps, and a record of how they came about."""
    from members import fit
    from members.dataset import with_statistics
    from members.errors import BadInput

    photographs, ranks = shared["photographs"], shared["ranks"]
    recipe = unit.member.recipe
    n_classes = len(codec_of(unit.member, photographs.codec).classes)
    began, started = time.time(), time.perf_counter()
    photos = photos_of(photographs.train, unit, config, shared, "train")
    train_rows, valid_rows = in_fold(photographs.train, unit.fold)
    learned = training_labels(
        photographs.train, unit.member, codec_of(unit.member, photographs.codec)
    )
    parts = (
        replace(photos, labels=learned.astype(np.int64)).take(train_rows),
        photos.take(valid_rows) if len(valid_rows) else None,
    )
    recipe = with_statistics(recipe, parts[0])
    how = {
        "seed": unit.seed or 0,
        "device": device,
        "loader_workers": config["loader_workers"],
        "ranks": ranks,
        "metrics": member_metrics.of_history(recipe.metric),
    }
    state = read_state(unit, store, ranks)
    try:
        epochs = fit.fit(recipe, *parts, n_classes, **how, state=state)
    except BadInput:  # a state that another version of the project left: begin again
        if state is None:
            raise
        state, epochs = None, fit.fit(recipe, *parts, n_classes, **how)
    resumed = len(state["history"]) if state else 0
    if ranks.first and not resumed:
        store.delete(f"{unit.path}/epochs")
    for row in state["history"] if state else ():
        send({"event": "epoch", **_progress(row, config["metric"], state["history"])})
    curves.begin(state["history"] if state else [])
    prepared = time.perf_counter()
    for epoch in epochs:
        state = epoch.state()
        if ranks.first:
            write_state(unit, store, state)
        curves.epoch(epoch.metrics)
        send({"event": "epoch", **_progress(epoch.metrics, config["metric"], state["history"])})
    history = state["history"]
    last = recipe.select == "last"
    record = {
        "member": unit.member.model_dump(mode="json"),
        "fold": unit.fold,
        "seed": unit.seed,
        "hash": unit.hash,
        "rows": {"train": len(train_rows), "validation": len(valid_rows)},
        "best_epoch": state["best_epoch"],
        "metrics": history[-1 if last else state["best_epoch"] - 1],
        "history": history,
        "normalize": recipe.model_dump(mode="json")["normalize"],
        "resumed_after_epoch": resumed,
        "seconds": {
            "prepare": round(prepared - started, 3),
            "train": round(sum(row["seconds"] for row in history), 3),
        },
        "began": began,
        "ended": time.time(),
        "device": device,
        "workers": ranks.size,
        "data_hash": photographs.data_hash,
        "folds_hash": photographs.folds_hash,
        "versions": _versions(),
    }
    return fit.last_weights(state) if last else fit.best_weights(state), record


def _predict(unit: Unit, store: Store, config, shared, weights, record: dict, device: str) -> None:
    """Probabilities for the held-out rows and the test photographs; `unit.json` last.

    Of the weights that the unit keeps (None: they stand in its folder) and of each epoch that it
    keeps. With a common epoch it keeps epochs only: `assemble` knows which of them speaks.
    """
    from members import models
    from members.predict import for_test, predict
    from members.recipe_blocks import Statistics

    photographs: Photographs = shared["photographs"]
    ranks: Ranks = shared["ranks"]
    recipe = unit.member.recipe
    if recipe.normalize == "computed":
        recipe = recipe.model_copy(update={"normalize": Statistics(**record["normalize"])})
    parts = asked_of(unit, config, shared)
    started = time.perf_counter()
    n_classes = len(codec_of(unit.member, photographs.codec).classes)
    model = models.build(recipe, n_classes, pretrained=False).to(device)
    how = {"device": device, "loader_workers": config["loader_workers"], "ranks": ranks}

    def write_tables(epoch: int | None = None) -> None:
        for kind, part in parts.items():
            path = answers.table_path(unit, kind, epoch)
            # an OOF table that is there is right: only test photographs may have changed since
            if kind == "oof" and ranks.from_first(partial(store.exists, path)):
                continue
            seen_by = for_test(recipe) if kind == "test" else recipe
            probabilities = predict(model, part.photos, seen_by, **how)
            if ranks.first:
                answers.write_table(unit, store, photographs, part, probabilities, path)

    ranks.from_first(lambda: None)  # the first has written what the others read now
    kept = kept_epochs(record["history"], recipe)
    for epoch in kept:
        models.load_bytes(model, store.read(answers.weights_path(unit, epoch)))
        write_tables(epoch)
    shown = record["best_epoch"]
    if recipe.select != "common_epoch":
        shown = None
        if weights is None:
            models.load_bytes(model, store.read(answers.weights_path(unit)))
        else:
            model.load_state_dict(weights)
        write_tables()
    if not ranks.first:
        return
    # of one network: the epochs that are kept besides cost as much each
    seconds = (time.perf_counter() - started) / (len(kept) + (shown is None))
    if weights is not None and shown is None:
        store.write(answers.weights_path(unit), models.to_bytes(model))
    for epoch in submitted_epochs(record["history"], recipe):
        answers.write_submissions(unit, store, epoch)
    if "oof" in parts:
        record["per_target"] = answers.scores_by_target(unit, store, shown)
        if not store.exists(f"{unit.path}/predictions.png"):
            answers.write_picture(unit, store, parts["oof"], shown)
    record["seconds"]["predict"] = round(seconds, 3)
    record["test_hash"] = photographs.asked_hash(unit.member.photos)
    store.write_json(f"{unit.path}/unit.json", record)
    for left in ("state.pt", "failed.txt", "failed.json"):
        store.delete(f"{unit.path}/{left}")


def _progress(row: dict[str, Any], metric: str, history: list[dict]) -> dict[str, Any]:
    """The report of one epoch. The score is the best so far, since the best weights are kept."""
    values = [h[metric] for h in history[: int(row["epoch"])] if metric in h] or [0.0]
    sign = member_metrics.sign(metric)
    best = max(sign * v for v in values) * sign
    epoch, seconds = int(row["epoch"]), row["seconds"]
    return {"epoch": epoch, "score": best, "value": values[-1], "seconds": seconds}


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "timm", "albumentations", "numpy")}
