"""What training takes of a machine: processes, GPUs, and the disk for decoded copies."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from orchestrator.sizes import Size
from orchestrator.spec.blocks.block import Block


class Resources(Block):
    """What one training process takes, and how many train one unit together."""

    cpus: int = Field(1, ge=1, description="of each training process")
    gpus: Literal["auto"] | float = Field(
        "auto",
        description="of each process, one at most; 0.25: four processes, each with a unit of its own, share "
        "a GPU and a quarter of its memory; auto: 1 where the cluster has any, else 0",
    )
    loader_workers: int = Field(
        0, ge=0, description="processes that load and augment photos, for each training process"
    )
    workers: int = Field(
        1,
        ge=1,
        description="processes that divide each batch of a unit among them; batch_size stays that "
        "of the unit. They train what one would, but for batch norm, whose statistics are those of "
        "each process's own photos (as with smaller batches), and for dropout, which each draws for "
        "itself. More units at once use a machine better than more processes a unit: set it where "
        "a batch is too large for one GPU, or where there are fewer units than GPUs",
    )

    hang_minutes: float = Field(
        5.0,
        gt=0,
        allow_inf_nan=False,
        description="a training process that makes no step for so long is taken for one that hangs "
        "and is started again: after three times as long until its first epoch, later than that "
        "where its steps are known to take long. Raise it for photos that are read in minutes each "
        "step, or a network that takes longer to compile",
    )

    @field_validator("gpus")
    @classmethod
    def _one_at_most(cls, gpus: Literal["auto"] | float) -> Literal["auto"] | float:
        if gpus != "auto" and not 0 <= gpus <= 1:
            raise ValueError(
                "auto, 1, 0, or the share of a GPU that a training process gets, e.g. 0.25; got "
                f"{gpus:g}. A process uses one GPU at most; for several a unit write workers: 2, or more"
            )
        return gpus

    @model_validator(mode="after")
    def _each_its_own(self) -> Resources:
        if self.workers > 1 and self.gpus != "auto" and 0 < self.gpus < 1:
            raise ValueError(
                f"{self.workers} workers cannot share a GPU (NCCL wants one for each), got gpus: "
                f"{self.gpus:g}; give 1, auto, or 0 for CPUs"
            )
        return self


class Cache(Block):
    """Decoded copies of photographs. Results are the same with and without them."""

    limit: Size | None = Field(
        None,
        description="bytes that the decoded copies of all members may take together: 50 GB, 500 MB, 0 for "
        "none; photographs whose copies have no room in it, or on the disk, are decoded batch by batch; "
        "null: as many as the disk has room for",
    )
    folder: str | None = Field(
        None,
        description="a folder on a disk of each machine's own, by its whole path: each keeps copies there; "
        "those that no process has open make room, the ones opened longest ago first, also for `limit`; "
        "null: ENSEMBLE_CACHE, where nothing is removed",
    )

    @model_validator(mode="after")
    def _says_something(self) -> Cache:
        if self.limit is None and self.folder is None:
            raise ValueError("give limit, e.g. {limit: 50 GB}, or folder, or leave cache out")
        if self.folder is not None and not self.folder.startswith("/"):
            raise ValueError(
                f"folder: a whole path, as each machine has it, e.g. /local/ssd/copies; got {self.folder!r}"
            )
        if self.folder is not None and self.limit == 0:
            raise ValueError(
                "folder has no effect with limit: 0, which allows no copies; leave it out"
            )
        return self
