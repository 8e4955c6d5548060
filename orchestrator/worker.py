"""What runs inside a training process: units one after the other, each resumed where it stopped.

`train_units` is the loop of a Ray Train worker. All it needs stands in its config and in the run
folder, so that a process that dies costs the epoch it was in: every epoch leaves `state.pt` beside
the unit's other files, and `unit.json`, written last, says that the unit is complete.

A unit's progress goes to the driver as flat reports: `unit`, `epoch`, `value` (the metric after this
epoch), `score` (the best so far), `message`, and `event`: `started`, `epoch`, `done` or `failed`.
"""

from __future__ import annotations

import io
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from . import answers
from .selection import kept_epochs, submitted_epochs
from .store import Store
from .tracking import Curves, follow
from .unit_files import read_state, record_of, write_state
from .units import (
    Photographs,
    Unit,
    codec_of,
    column,
    in_fold,
    labels_of,
    training_labels,
    unit_of,
)

if TYPE_CHECKING:
    from members.dataset import Photos

Report = Callable[[dict[str, Any]], None]


def train_units(config: dict[str, Any]) -> None:
    """Ray Train's loop: `config` as `run_config` makes it."""
    import ray.train

    run_units(config, ray.train.report)


def run_units(config: dict[str, Any], report: Report) -> None:
    """Train what is left of `config["units"]`, in order; one that fails does not stop the rest."""
    store = Store(config["run"])
    shared: dict[str, Any] = {}  # photographs, read once for all units of this process
    for plain in config["units"]:
        unit = unit_of(plain)
        send = _reporter(unit, config, report)
        send({"event": "started"})
        try:
            run_unit(unit, store, config, shared, send)
        except Exception as error:  # this unit is lost, the others are not
            store.write(f"{unit.path}/failed.txt", traceback.format_exc())
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
    record = record_of(unit, store)
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
        with follow(unit, store, config) as curves:
            weights, record = _train(unit, store, config, shared, send, device, curves)
            _predict(unit, store, config, shared, weights, record, device)
            if store.exists(f"{unit.path}/predictions.png"):
                curves.picture(store.read(f"{unit.path}/predictions.png"), len(record["history"]))
    send({"event": "done"})


def _train(
    unit: Unit, store: Store, config: dict, shared: dict, send: Report, device: str, curves: Curves
):
    """The weights that the unit keeps, and a record of how they came about."""
    from members import fit
    from members.dataset import with_statistics
    from members.errors import BadInput

    photographs = shared["photographs"]
    recipe = unit.member.recipe
    n_classes = len(codec_of(unit.member, photographs.codec).classes)
    began, started = time.time(), time.perf_counter()
    photos = _photos(photographs.train, unit, config, shared, "train")
    train_rows, valid_rows = in_fold(photographs.train, unit.fold)
    learned = training_labels(
        photographs.train, unit.member, codec_of(unit.member, photographs.codec)
    )
    parts = (
        replace(photos, labels=learned.astype(np.int64)).take(train_rows),
        photos.take(valid_rows) if len(valid_rows) else None,
    )
    recipe = with_statistics(recipe, parts[0])
    how = {"seed": unit.seed or 0, "device": device, "loader_workers": config["loader_workers"]}
    state = read_state(unit, store)
    try:
        epochs = fit.fit(recipe, *parts, n_classes, **how, state=state)
    except BadInput:  # a state that another version of the project left: begin again
        if state is None:
            raise
        state, epochs = None, fit.fit(recipe, *parts, n_classes, **how)
    resumed = len(state["history"]) if state else 0
    if not resumed:
        store.delete(f"{unit.path}/epochs")
    for row in state["history"] if state else ():
        send({"event": "epoch", **_progress(row, config["metric"], state["history"])})
    curves.begin(state["history"] if state else [])
    prepared = time.perf_counter()
    for epoch in epochs:
        state = epoch.state()
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
    from members.predict import predict
    from members.recipe_blocks import Statistics

    photographs: Photographs = shared["photographs"]
    recipe = unit.member.recipe
    if recipe.normalize == "computed":
        recipe = recipe.model_copy(update={"normalize": Statistics(**record["normalize"])})
    parts = _asked(unit, config, shared)
    started = time.perf_counter()
    n_classes = len(codec_of(unit.member, photographs.codec).classes)
    model = models.build(recipe, n_classes, pretrained=False).to(device)

    def ask(photos: Photos) -> np.ndarray:
        return predict(
            model, photos, recipe, device=device, loader_workers=config["loader_workers"]
        )

    kept = kept_epochs(record["history"], recipe)
    shown = record["best_epoch"]
    for epoch in kept:
        models.load_bytes(model, store.read(answers.weights_path(unit, epoch)))
        answers.write_tables(unit, store, photographs, parts, ask, epoch)
    for epoch in submitted_epochs(record["history"], recipe):
        answers.write_submissions(unit, store, epoch)
    if recipe.select != "common_epoch":
        shown = None
        if weights is None:
            models.load_bytes(model, store.read(answers.weights_path(unit)))
        else:
            model.load_state_dict(weights)
            store.write(answers.weights_path(unit), models.to_bytes(model))
        answers.write_tables(unit, store, photographs, parts, ask)
    seconds = time.perf_counter() - started
    if "oof" in parts and not store.exists(f"{unit.path}/predictions.png"):
        answers.write_picture(unit, store, parts["oof"], shown)
    # of one network: the epochs that are kept besides cost as much each
    record["seconds"]["predict"] = round(seconds / (len(kept) + (shown is None)), 3)
    record["test_hash"] = photographs.asked_hash(unit.member.photos)
    store.write_json(f"{unit.path}/unit.json", record)
    store.delete(f"{unit.path}/state.pt")
    store.delete(f"{unit.path}/failed.txt")


# -- files of a run that the driver writes and workers read ------------------------------------


def write_photographs(photographs: Photographs, store: Store) -> None:
    """`images.parquet` and, where there is a test part, `test.parquet`."""
    for name, frame in (("images", photographs.train), ("test", photographs.test)):
        if frame is not None:
            frame.attrs = {}
            content = io.BytesIO()
            frame.to_parquet(content, index=False)
            store.write(f"{name}.parquet", content.getvalue())
    store.write("targets.json", photographs.codec.to_json())


def read_photographs(store: Store) -> Photographs:
    from members.table import Codec

    def frame(name: str) -> pd.DataFrame:
        return pd.read_parquet(io.BytesIO(store.read(f"{name}.parquet")))

    return Photographs(
        train=frame("images"),
        test=frame("test") if store.exists("test.parquet") else None,
        codec=Codec.from_json(store.read("targets.json").decode()),
    )


# -- parts -------------------------------------------------------------------------------------


def _photos(frame: pd.DataFrame, unit: Unit, config: dict, shared: dict, part: str) -> Photos:
    """Decoded photographs of the size that the unit's recipe wants, with the unit's labels."""
    from members import augment, images, sampling
    from members.dataset import Photos

    recipe = unit.member.recipe
    codec = codec_of(unit.member, shared["photographs"].codec)
    crop = augment.crop_of(recipe)
    copy = unit.member.photos
    key = (part, recipe.image_size, crop, copy)
    if key not in shared:
        shared[key] = images.pixels(
            frame[column("path", copy)].tolist(),
            frame[column("digest", copy)].tolist(),
            size=tuple(recipe.image_size),
            crop=crop,
            folder=config["cache"],
        )
    labels = labels_of(frame, codec).astype(np.int64)
    columns = sampling.columns_of(frame, shared["photographs"].codec) if part == "train" else {}
    return Photos(shared[key], labels, columns=columns)


def _asked(unit: Unit, config: dict, shared: dict) -> dict[str, answers.Asked]:
    """What the unit's networks are asked about: `oof`, where it holds anything out, and `test`."""
    photographs: Photographs = shared["photographs"]
    parts = {}
    _, rows = in_fold(photographs.train, unit.fold)
    if len(rows):
        photos = _photos(photographs.train, unit, config, shared, "train").take(rows)
        parts["oof"] = answers.Asked(photographs.train.iloc[rows], photos, unit.fold)
    if photographs.test is not None:
        photos = _photos(photographs.test, unit, config, shared, "test")
        parts["test"] = answers.Asked(photographs.test, photos, None)
    return parts


def _progress(row: dict[str, Any], metric: str, history: list[dict]) -> dict[str, Any]:
    """The report of one epoch. The score is the best so far, since the best weights are kept."""
    values = [h[metric] for h in history[: int(row["epoch"])] if metric in h] or [0.0]
    sign = -1 if metric == "loss" else 1
    best = max(sign * v for v in values) * sign
    epoch, seconds = int(row["epoch"]), row["seconds"]
    return {"epoch": epoch, "score": best, "value": values[-1], "seconds": seconds}


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "timm", "albumentations", "numpy")}
