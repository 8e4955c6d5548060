"""Curves and pictures of units for Weights & Biases."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.runs.store import Store
from orchestrator.tracking.tracker import as_file, identity, scalars_of, settings_of
from orchestrator.units.unit import Unit


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

        with as_file(png) as path:
            # the last epoch's step is closed
            self._run.log({"predictions": wandb.Image(path)}, step=epoch + 1, commit=True)

    def end(self, failed: bool) -> None:
        self._run.finish(exit_code=int(failed))
