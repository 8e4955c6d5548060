"""Curves and pictures of units for TensorBoard, in event files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from orchestrator.runs.store import Store
from orchestrator.tracking import event_file
from orchestrator.tracking.tracker import scalars_of, settings_of
from orchestrator.units.unit import Unit


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
                file.flush()
                os.fsync(file.fileno())
        else:
            self._content += record
            self._store.write(self._path, self._content)
