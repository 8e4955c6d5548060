"""What happens where a batch does not fit the memory: fewer photos go through the network at once.

Half as many each time. Without gradients that is all: a batch is predicted in parts. In training the
parts' gradients add up to the batch's, as with half the batch_size and twice accumulate
(members/training/loop.py). With one photo at once there is nothing left to halve, and OutOfMemory says
what to change.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from members.errors import BadInput, first_line

if TYPE_CHECKING:  # processes that lead training know these errors and never import torch
    from torch import Tensor

# of torch's allocators, the driver, cuBLAS and cuDNN; torch.OutOfMemoryError is but the first's
_TEXTS = (
    "out of memory",
    "can't allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)


_OF_CUDA = 512 << 20  # bytes that a process takes of a GPU before any tensor


class OutOfMemory(RuntimeError):
    """Not even the smallest part of a batch fits."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch raised `error` because a device, or this machine, had no memory left."""
    if not isinstance(error, RuntimeError):
        return False
    import torch

    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in _TEXTS)


@dataclass
class AtOnce:
    """How many photos one process takes through the network at once; None: a whole batch.

    train: in training, since epoch `since` (from 1). look: without gradients.
    """

    train: int | None = None
    since: int | None = None
    look: int | None = None

    def to_state(self) -> dict[str, int | None]:
        """Plain values: what `AtOnce(**values)` turns back."""
        return asdict(self)


def halved(now: int, least: int, why: str) -> int:
    """Half of `now` photos, at least `least`. Raises OutOfMemory where `now` is no more than that.

    why: torch's words.
    """
    if now <= least:
        photos = "1 photo" if now == 1 else f"{now} photos"
        few = ", the fewest that batch norm takes," if least > 1 else ""
        raise OutOfMemory(
            f"out of memory with {photos} at once{few} where there is nothing left to halve ({why}). What "
            "takes less: a smaller image_size, `grad_checkpointing: true` while training, or another model"
        )
    return max(least, -(-now // 2))


def in_parts(compute: Callable[[Tensor], Tensor], batch: Tensor, at_once: AtOnce) -> list[Tensor]:
    """`compute` of `batch` (B, ...), whole or in as large parts as fit; `at_once.look` remembers.

    Raises OutOfMemory where not even one photo fits.
    """
    while True:
        size = min(at_once.look or len(batch), len(batch))
        try:
            return [compute(part) for part in batch.split(size)]
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            why = first_line(error)
        at_once.look = halved(size, 1, why)
        free_memory()


def free_memory() -> None:
    """What a failed pass left behind, its exception included."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def limit_gpu_memory(share: float) -> None:
    """Have this process take no more than `share` (0 to 1) of its GPU's memory, so that it runs out of memory
    where it takes more, and not its neighbours.

    Raises BadInput where that share is less than a process takes without a network.
    """
    import torch

    if share >= 1:
        return
    _, total = torch.cuda.mem_get_info()
    fraction = share - _OF_CUDA / total
    if fraction <= 0:
        raise BadInput(
            f"gpus: {share:g} of this GPU's {total / 2**30:.0f} GiB is less than a process takes before it "
            f"has a network, {_OF_CUDA / 2**30:g} GiB. Give each a larger share"
        )
    torch.cuda.set_per_process_memory_fraction(fraction)
