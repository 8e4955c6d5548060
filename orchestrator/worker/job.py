"""What a training process does: units of one member, one after the other."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, fields
from typing import Any

from orchestrator.runs.store import Store
from orchestrator.spec.spec import Spec
from orchestrator.units.unit import Unit


@dataclass(frozen=True)
class Job:
    """Units, and everything that a process needs to train them.

    Ray shows it in its state and its logs: no secret belongs here (trackers find theirs in the
    environment).

    run: root of the run folder. cache: folder of decoded photographs.
    cpus, gpus: of each of the `workers` processes that train a unit together.
    metric: what reports are scored by; None: the metric of the unit's own recipe.
    attempt: name of the call that the job belongs to, whose processes may be started again.
    session: of the command that trains into the run folder (runs/presence.py).
    pulse: file of the run folder that gets signs of life; empty: none.
    """

    run: str
    project: str
    tracking: tuple[str, ...]
    cache: str
    cpus: int
    gpus: float
    workers: int
    loader_workers: int
    units: tuple[Unit, ...] = ()
    metric: str | None = None
    attempt: str = ""
    session: str = ""
    pulse: str = ""

    def metric_of(self, unit: Unit) -> str:
        return self.metric or unit.member.recipe.metric

    def to_config(self) -> dict[str, Any]:
        """Plain values for Ray: what `from_config` turns back into the job."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        plain["tracking"] = list(self.tracking)
        plain["units"] = [unit.to_config() for unit in self.units]
        return plain

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Job:
        units = tuple(map(Unit.from_config, config["units"]))
        return cls(**{**config, "tracking": tuple(config["tracking"]), "units": units})


def job_of(spec: Spec, store: Store, gpus: float, cache: str) -> Job:
    """A job of no units yet: what all jobs of a run share. gpus: of each training process."""
    resources = spec.resources
    return Job(
        run=store.root,
        project=spec.name,
        tracking=tuple(spec.tracking),
        cache=cache,
        cpus=resources.cpus,
        gpus=gpus,
        workers=resources.workers,
        loader_workers=resources.loader_workers,
        attempt=uuid.uuid4().hex,
        session=store.session,
    )
