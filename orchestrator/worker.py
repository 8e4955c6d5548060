"""What runs inside a training process: units one after the other, each resumed where it stopped.

`train_units` is the loop of a Ray Train worker. All it needs stands in its config and in the run
folder, so that a process that dies costs the epoch it was in: every epoch leaves `state.pt` beside
the unit's other files, and `unit.json`, written last, says that the unit is complete.

A unit's progress goes to the driver as flat reports: `unit`, `epoch`, `score`, `message`, and
`event`: `started`, `epoch`, `done` or `failed`.
"""

from __future__ import annotations

import io
import json
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .store import Store
from .units import (
    Photographs,
    Unit,
    codec_of,
    column,
    in_fold,
    is_done,
    labels_of,
    training_labels,
    unit_of,
)

if TYPE_CHECKING:
    from members.codec import Codec
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
    last = {"epoch": 0, "score": config["worst_score"], "seconds": 0.0, "message": ""}

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
    if is_done(unit, store, photographs.asked_hash(unit.member.photos)):
        record = store.read_json(f"{unit.path}/unit.json")
        for row in record["history"]:
            send({"event": "epoch", **_progress(row, config["metric"], record["history"])})
        send({"event": "done"})
        return
    import torch

    torch.set_num_threads(config["cpus"])
    device = "cuda" if torch.cuda.is_available() and config["gpus"] else "cpu"
    if device == "cpu":
        torch.use_deterministic_algorithms(True, warn_only=True)
    model, trained = _train(unit, store, config, shared, send, device)
    _predict(unit, store, config, shared, model, trained, device)
    send({"event": "done"})


def _train(unit: Unit, store: Store, config: dict, shared: dict, send: Report, device: str):
    """The unit's network with its best weights, and a record of how it came about."""
    from members import fit, models
    from members.dataset import with_statistics
    from members.errors import BadInput

    photographs = shared["photographs"]
    recipe = unit.member.recipe
    n_classes = len(codec_of(unit.member, photographs.codec).classes)
    weights = f"{unit.path}/model.safetensors"
    if store.exists(f"{unit.path}/unit.json"):  # only the test photographs are new
        model = models.build(recipe, n_classes, pretrained=False)
        models.load_bytes(model, store.read(weights))
        return model, store.read_json(f"{unit.path}/unit.json")
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
    state = _read_state(unit, store)
    try:
        epochs = fit.fit(recipe, *parts, n_classes, **how, state=state)
    except BadInput:  # a state that another version of the project left: begin again
        if state is None:
            raise
        state, epochs = None, fit.fit(recipe, *parts, n_classes, **how)
    resumed = len(state["history"]) if state else 0
    for row in state["history"] if state else ():
        send({"event": "epoch", **_progress(row, config["metric"], state["history"])})
    prepared = time.perf_counter()
    for epoch in epochs:
        state = epoch.state()
        _write_state(unit, store, state)
        send({"event": "epoch", **_progress(epoch.metrics, config["metric"], state["history"])})
    model = models.build(recipe, n_classes, pretrained=False)
    model.load_state_dict(fit.best_weights(state))
    history = state["history"]
    record = {
        "member": unit.member.model_dump(mode="json"),
        "fold": unit.fold,
        "seed": unit.seed,
        "hash": unit.hash,
        "rows": {"train": len(train_rows), "validation": len(valid_rows)},
        "best_epoch": state["best_epoch"],
        "metrics": history[state["best_epoch"] - 1],
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
    return model, record


def _predict(unit: Unit, store: Store, config, shared, model, record: dict, device: str) -> None:
    """Probabilities for the held-out rows and the test photographs; `unit.json` last."""
    from ensembles import evaluation, metrics, tables
    from members import models
    from members.predict import for_test, predict
    from members.recipe_blocks import Statistics

    photographs: Photographs = shared["photographs"]
    path = unit.path
    recipe = unit.member.recipe
    if recipe.normalize == "computed":
        recipe = recipe.model_copy(update={"normalize": Statistics(**record["normalize"])})
    codec = codec_of(unit.member, photographs.codec)
    started = time.perf_counter()
    model = model.to(device)

    def write(name: str, frame: pd.DataFrame, photos: Photos, fold: np.ndarray | None) -> None:
        labels = labels_of(frame, codec)
        how = {"device": device, "loader_workers": config["loader_workers"]}
        seen_by = for_test(recipe) if name == "test" else recipe
        tables.write(
            store.uri(f"{path}/{name}.parquet"),
            tables.Table(
                ids=frame["image_id"].to_numpy(str),
                probabilities=predict(model, photos, seen_by, **how),
                fold=fold,
                label=labels if (labels >= 0).all() else None,
                meta=table_meta(photographs, unit.member.name, codec),
            ),
        )

    _, valid_rows = in_fold(photographs.train, unit.fold)
    if len(valid_rows) and not store.exists(f"{path}/oof.parquet"):
        photos = _photos(photographs.train, unit, config, shared, "train").take(valid_rows)
        frame = photographs.train.iloc[valid_rows]
        write("oof", frame, photos, frame["fold"].to_numpy(np.int16))
    if len(valid_rows):
        oof = tables.read(store.uri(f"{path}/oof.parquet"))
        targets = evaluation.target_indices(oof.meta, len(codec.classes))
        record["per_target"] = metrics.by_marginals(oof.label, oof.probabilities, targets)
    if photographs.test is not None:
        write(
            "test", photographs.test, _photos(photographs.test, unit, config, shared, "test"), None
        )
    if not store.exists(f"{path}/model.safetensors"):
        store.write(f"{path}/model.safetensors", models.to_bytes(model))
    record["seconds"]["predict"] = round(time.perf_counter() - started, 3)
    record["test_hash"] = photographs.asked_hash(unit.member.photos)
    store.write_json(f"{path}/unit.json", record)
    store.delete(f"{path}/state.pt")
    store.delete(f"{path}/failed.txt")


def table_meta(photographs: Photographs, name: str, codec: Codec) -> dict[str, Any]:
    """What a probability table of member or join `name` says about itself."""
    classes = list(codec.classes)
    return {
        "member": name,
        "classes": classes,
        "targets": [[name, list(names)] for name, names in codec.targets.items()],
        # a competition wants class numbers; people with labels of their own get those back
        "answers": classes
        if list(codec.targets) == ["label"]
        else list(map(str, range(len(classes)))),
        "data_hash": photographs.data_hash,
        "folds_hash": photographs.folds_hash,
    }


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


def _progress(row: dict[str, Any], metric: str, history: list[dict]) -> dict[str, Any]:
    """The report of one epoch. The score is the best so far, since the best weights are kept."""
    values = [h[metric] for h in history[: int(row["epoch"])] if metric in h]
    sign = -1 if metric == "loss" else 1
    best = max((sign * v for v in values), default=0.0) * sign
    return {"epoch": int(row["epoch"]), "score": best, "seconds": row["seconds"]}


def _read_state(unit: Unit, store: Store) -> dict[str, Any] | None:
    """What an interrupted unit left behind, or None where there is nothing that can be read."""
    import torch

    if not store.exists(f"{unit.path}/state.pt"):
        return None
    content = io.BytesIO(store.read(f"{unit.path}/state.pt"))
    try:
        return torch.load(content, map_location="cpu", weights_only=True)
    except Exception:  # torch raises what it likes on a damaged file; the unit begins again
        return None


def _write_state(unit: Unit, store: Store, state: dict[str, Any]) -> None:
    import torch

    content = io.BytesIO()
    torch.save(state, content)
    store.write(f"{unit.path}/state.pt", content.getbuffer())
    history = pd.DataFrame(state["history"])
    store.write(f"{unit.path}/history.csv", history.to_csv(index=False))


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in ("torch", "timm", "albumentations", "numpy")}


def history_of(unit: Unit, store: Store) -> list[dict[str, Any]]:
    """The epochs a unit has behind it, from its `history.csv`; empty where it never ran."""
    try:
        content = store.read(f"{unit.path}/history.csv")
    except FileNotFoundError:
        return []
    return json.loads(pd.read_csv(io.BytesIO(content)).to_json(orient="records"))
