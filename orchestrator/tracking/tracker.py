"""The trackers, one class each: TensorBoard, Weights & Biases, MLflow.

Each imports its package where it is used, and lets its errors out: tracking.py deals with them.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import yaml

from orchestrator.runs.store import Store
from orchestrator.tracking import event_file
from orchestrator.units.unit import Unit

_LONGEST_PARAMETER = 6000  # characters, of MLflow's


class Tracker(Protocol):
    """Gets what a unit does, in the order of these methods."""

    def begin(self, history: Sequence[dict[str, Any]]) -> None:
        """The unit begins or goes on; `history`: a row for each epoch behind it."""

    def epoch(self, row: dict[str, Any]) -> None: ...

    def picture(self, png: bytes, epoch: int) -> None: ...

    def end(self, failed: bool) -> None: ...


class TensorBoard:
    """Event files below `tracking/tensorboard/`: `tensorboard --logdir RUN/tracking/tensorboard`."""

    def __init__(self, unit: Unit, store: Store, project: str):
        self._unit, self._store = unit, store
        self._path = f"tracking/tensorboard/{unit.path}/events.out.tfevents.unit"

    def begin(self, history: Sequence[dict[str, Any]]) -> None:
        found = self._store.read(self._path) if self._store.exists(self._path) else b""
        size, events = event_file.whole_records(found)
        known = event_file.last_step(events)
        if known > len(history):  # the unit lost its state and begins again
            size, known = 0, 0
        self._content = found[:size]
        if not size:
            settings = yaml.safe_dump(settings_of(self._unit), sort_keys=False)
            code = "".join(f"    {line}\n" for line in settings.splitlines())
            self._content = event_file.beginning() + event_file.text("settings", code)
        if self._content != found:
            self._store.write(self._path, self._content)
        for row in history[known:]:
            self.epoch(row)

    def epoch(self, row: dict[str, Any]) -> None:
        self._append(event_file.scalars(scalars_of(row), row["epoch"]))

    def picture(self, png: bytes, epoch: int) -> None:
        self._append(event_file.image("predictions", png, epoch))

    def end(self, failed: bool) -> None:
        """Nothing: every record is in the file."""

    def _append(self, record: bytes) -> None:
        if self._store.local:  # a TensorBoard that is open reads on where it stopped
            with Path(self._store.uri(self._path)).open("ab") as file:
                file.write(record)
        else:
            self._content += record
            self._store.write(self._path, self._content)


class WeightsAndBiases:
    """A W&B run a unit. WANDB_PROJECT (else the spec's name), WANDB_ENTITY, WANDB_MODE, ... hold."""

    def __init__(self, unit: Unit, store: Store, project: str):
        self._unit, self._store = unit, store
        self._project = os.environ.get("WANDB_PROJECT") or project

    def begin(self, history: Sequence[dict[str, Any]]) -> None:
        import wandb

        folder = None
        if self._store.local and "WANDB_DIR" not in os.environ:
            folder = self._store.uri("tracking")
            Path(folder).mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            id=identity(self._unit, self._store),
            name=self._unit.title,
            group=self._unit.member.name,
            project=self._project,
            config=settings_of(self._unit),
            dir=folder,
            resume=None if os.environ.get("WANDB_MODE") == "offline" else "allow",
            reinit="create_new",
            settings=wandb.Settings(console="off", silent=True),
        )
        for row in history:
            # what W&B's server has it keeps; an offline run is a new file, and complete in itself
            if row["epoch"] >= self._run.starting_step:
                self.epoch(row)

    def epoch(self, row: dict[str, Any]) -> None:
        self._run.log(scalars_of(row), step=int(row["epoch"]), commit=True)

    def picture(self, png: bytes, epoch: int) -> None:
        import wandb

        with _as_file(png) as path:
            # the last epoch's step is closed
            self._run.log({"predictions": wandb.Image(path)}, step=epoch + 1, commit=True)

    def end(self, failed: bool) -> None:
        self._run.finish(exit_code=int(failed))


class MLflow:
    """An MLflow run a unit, in MLFLOW_TRACKING_URI (else a SQLite file below `tracking/`).

    The experiment is MLFLOW_EXPERIMENT_NAME, else the spec's name.
    """

    def __init__(self, unit: Unit, store: Store, project: str):
        self._unit, self._store, self._project = unit, store, project

    def begin(self, history: Sequence[dict[str, Any]]) -> None:
        from mlflow.entities import Param

        self._client, experiment = mlflow_client(self._store, self._project)
        unit = identity(self._unit, self._store)
        self._run, known = None, 0
        for run in self._client.search_runs([experiment], f"tags.unit = '{unit}'"):
            metrics = self._client.get_metric_history(run.info.run_id, "train_loss")
            known = max((metric.step for metric in metrics), default=0)
            if known <= len(history):
                self._run = run.info.run_id
                self._client.update_run(self._run, status="RUNNING")
                break
            self._client.delete_run(run.info.run_id)  # the unit lost its state and begins again
        if self._run is None:
            tags = {"unit": unit, "member": self._unit.member.name}
            made = self._client.create_run(experiment, tags=tags, run_name=self._unit.title)
            self._run, known = made.info.run_id, 0
            settings = settings_of(self._unit)
            self._client.log_batch(
                self._run,
                params=[Param(k, str(v)[:_LONGEST_PARAMETER]) for k, v in settings.items()],
            )
        for row in history[known:]:
            self.epoch(row)

    def epoch(self, row: dict[str, Any]) -> None:
        from mlflow.entities import Metric

        now, step = int(time.time() * 1000), int(row["epoch"])
        metrics = [Metric(name, value, now, step) for name, value in scalars_of(row).items()]
        self._client.log_batch(self._run, metrics=metrics)

    def picture(self, png: bytes, epoch: int) -> None:
        with _as_file(png) as path:
            self._client.log_artifact(self._run, path)

    def end(self, failed: bool) -> None:
        self._client.set_terminated(self._run, "FAILED" if failed else "FINISHED")


TRACKERS: dict[str, Callable[[Unit, Store, str], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
    "mlflow": MLflow,
}


# -- what they get -------------------------------------------------------------------------------


def settings_of(unit: Unit) -> dict[str, Any]:
    """Everything that decides the unit's result, flat: names -> plain values."""
    plain = unit.to_config()
    member = plain.pop("member")
    recipe = member.pop("recipe")
    return {"member": member.pop("name"), **plain, **member, **recipe}


def scalars_of(row: dict[str, Any]) -> dict[str, float]:
    """The numbers of an epoch's row that make a curve."""
    return {
        name: float(value)
        for name, value in row.items()
        if name not in ("epoch", "seconds") and isinstance(value, int | float)
    }


def identity(unit: Unit, store: Store) -> str:
    """The unit's name among all units of all run folders: a resumed unit has it again."""
    seed = "" if unit.seed is None else f"-seed-{unit.seed}"
    where = hashlib.blake2b(f"{store.root} {unit.member.name}".encode(), digest_size=4)
    return f"{unit.hash}-fold-{unit.fold}{seed}-{where.hexdigest()}"


# -- MLflow --------------------------------------------------------------------------------------


def mlflow_uri(store: Store) -> str:
    own = f"sqlite:///{store.uri('tracking/mlflow.db')}"
    return os.environ.get("MLFLOW_TRACKING_URI") or own


def mlflow_client(store: Store, project: str):
    """A client, and the id of the experiment, made where it is not there yet."""
    for noisy in ("mlflow", "alembic"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    where = None
    if "MLFLOW_TRACKING_URI" not in os.environ:
        Path(store.uri("tracking")).mkdir(parents=True, exist_ok=True)
        where = Path(store.uri("tracking/mlflow-artifacts")).as_uri()
    client = MlflowClient(mlflow_uri(store))
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or project
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return client, client.create_experiment(name, artifact_location=where)
        except MlflowException:  # another process made it meanwhile
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    return client, found.experiment_id


@contextmanager
def _as_file(png: bytes) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "predictions.png"
        path.write_bytes(png)
        yield str(path)
