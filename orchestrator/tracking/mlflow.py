"""Curves and pictures of units for MLflow."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.runs.store import Store
from orchestrator.tracking.tracker import as_file, identity, scalars_of, settings_of
from orchestrator.units.unit import Unit

if TYPE_CHECKING:
    from mlflow import MlflowClient

_LONGEST_PARAMETER = 6000  # characters, of MLflow's


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
        found, known = None, 0
        for run in self._client.search_runs([experiment], f"tags.unit = '{unit}'"):
            metrics = self._client.get_metric_history(run.info.run_id, "train_loss")
            known = max((metric.step for metric in metrics), default=0)
            if known <= len(history):
                found = run.info.run_id
                self._client.update_run(found, status="RUNNING")
                break
            self._client.delete_run(run.info.run_id)  # the unit lost its state and begins again
        if found is None:
            tags = {"unit": unit, "member": self._unit.member.name}
            made = self._client.create_run(experiment, tags=tags, run_name=self._unit.title)
            found, known = made.info.run_id, 0
            settings = settings_of(self._unit)
            self._client.log_batch(
                found,
                params=[Param(k, str(v)[:_LONGEST_PARAMETER]) for k, v in settings.items()],
            )
        self._run: str = found
        for row in history[known:]:
            self.epoch(row)

    def epoch(self, row: dict[str, Any]) -> None:
        from mlflow.entities import Metric

        now, step = int(time.time() * 1000), int(row["epoch"])
        metrics = [Metric(name, value, now, step) for name, value in scalars_of(row).items()]
        self._client.log_batch(self._run, metrics=metrics)

    def picture(self, png: bytes, epoch: int) -> None:
        with as_file(png) as path:
            self._client.log_artifact(self._run, path)

    def end(self, failed: bool) -> None:
        self._client.set_terminated(self._run, "FAILED" if failed else "FINISHED")


def mlflow_uri(store: Store) -> str:
    own = f"sqlite:///{store.uri('tracking/mlflow.db')}"
    return os.environ.get("MLFLOW_TRACKING_URI") or own


def mlflow_client(store: Store, project: str) -> tuple[MlflowClient, str]:
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
