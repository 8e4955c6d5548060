"""What a training process is started with, and what it is then given to train: one unit after the other."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.photographs.cache import copies_folder, own_disk
from orchestrator.photographs.streaming import Way
from orchestrator.runs.store import Store
from orchestrator.spec.spec import Spec
from orchestrator.units.unit import Unit


@dataclass(frozen=True)
class Setup:
    """Everything that a process needs for its jobs.

    Ray shows it in its state and its logs: no secret belongs here (trackers find theirs in the
    environment).

    run: root of the run folder. cache: folder of decoded photographs.
    cpus, gpus: of each of the `workers` processes that train a unit together.
    attempt: name of the call that the process belongs to, whose processes may be started again.
    session: of the command that trains into the run folder (runs/presence.py).
    process: its name, for its signs of life and for what it asks; empty: nobody looks for either.
    streamed: photographs that are decoded batch by batch; of all others there are copies in `cache`.
    own_disk, limit: whether copies there make room for others, and bytes of all together.
    grows: whether nodes may come to the Ray that it runs on.
    """

    run: str
    project: str
    tracking: tuple[str, ...]
    cache: str
    cpus: int
    gpus: float
    workers: int
    loader_workers: int
    attempt: str = ""
    session: str = ""
    process: str = ""
    streamed: tuple[Way, ...] = ()
    own_disk: bool = False
    limit: int | None = None
    grows: bool = True

    def to_config(self) -> dict[str, Any]:
        """Plain values for Ray: what `from_config` turns back."""
        ways = [list(way) for way in self.streamed]
        return {**asdict(self), "tracking": list(self.tracking), "streamed": ways}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Setup:
        ways = tuple(map(Way.from_list, config["streamed"]))
        return cls(**{**config, "tracking": tuple(config["tracking"]), "streamed": ways})


def setup_of(
    spec: Spec, store: Store, gpus: float, streamed: tuple[Way, ...] = (), grows: bool = True
) -> Setup:
    """What all processes of a run have in common. gpus: of each training process."""
    resources = spec.resources
    return Setup(
        run=store.root,
        project=spec.name,
        tracking=tuple(spec.tracking),
        cache=copies_folder(spec),
        cpus=resources.cpus,
        gpus=gpus,
        workers=resources.workers,
        loader_workers=resources.loader_workers,
        attempt=uuid.uuid4().hex,
        session=store.session,
        streamed=streamed,
        own_disk=own_disk(spec) is not None,
        limit=spec.cache.limit if spec.cache else None,
        grows=grows,
    )


@dataclass(frozen=True)
class Job:
    """A unit to train.

    metric: what a candidate's reports are scored by; None: the metric of the unit's own recipe.
    rungs: epochs after which it asks whether it goes on.
    """

    unit: Unit
    metric: str | None = None
    rungs: tuple[int, ...] = ()

    @property
    def reported_metric(self) -> str:
        return self.metric or self.unit.member.recipe.metric

    def to_config(self) -> dict[str, Any]:
        """Plain values for Ray: what `from_config` turns back."""
        return {"unit": self.unit.to_config(), "metric": self.metric, "rungs": list(self.rungs)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Job:
        return cls(Unit.from_config(config["unit"]), config["metric"], tuple(config["rungs"]))
