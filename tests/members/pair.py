"""Two real processes that train together, over gloo."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed, multiprocessing

from members.training.ranks import Ranks

_PATIENCE = 300  # seconds for all of the work; a hang must end the test


def together(work: Callable[..., Any], folder: Path, *arguments: Any) -> list[Any]:
    """What `work(ranks, *arguments)` returns on each of two ranks: plain values and tensors.

    `work` is a function at the top of a module. Raises what a rank raises.
    """
    deadline = time.monotonic() + _PATIENCE
    running = multiprocessing.spawn(_one, args=(work, str(folder), arguments), nprocs=2, join=False)
    try:
        while not running.join(timeout=5):
            assert time.monotonic() < deadline, "a rank hangs"
    finally:
        for process in running.processes:
            process.kill()
    return [torch.load(folder / f"rank-{rank}.pt", weights_only=True) for rank in (0, 1)]


def meet(rank: int, place: Path | str) -> Ranks:
    """Join the other rank; `place` is a file that is not there yet."""
    distributed.init_process_group(
        "gloo",
        init_method=f"file://{place}",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=20),
    )
    return Ranks(rank, 2)


def _one(rank: int, work: Callable[..., Any], folder: str, arguments: tuple) -> None:
    torch.set_num_threads(1)
    ranks = meet(rank, f"{folder}/meeting")
    result = work(ranks, *arguments)
    torch.save(result, f"{folder}/rank-{rank}.pt")
    distributed.destroy_process_group()
