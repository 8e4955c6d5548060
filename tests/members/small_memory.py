"""A device with little memory, acted: a network that takes so many photos at once and no more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from unittest import mock

import torch
from torch import nn

from members.networks import models
from members.training import loop

FULL = "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 15.77 GiB"


@dataclass
class Memory:
    """train, look: photos that fit in a pass with and without gradients; None: any number.

    free: passes with gradients before that limit holds. failed: photos of each pass that did not fit.
    seen: what those that learn took in.
    """

    train: int | None = None
    look: int | None = None
    free: int = 0
    failed: list[int] = field(default_factory=list)
    seen: list[torch.Tensor] = field(default_factory=list)

    def __deepcopy__(self, _: dict) -> Memory:
        return self  # the running mean of a network lives in the same memory

    def enter(self, network: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        (x,) = inputs
        learns = torch.is_grad_enabled()
        most = self.train if learns else self.look
        if learns and self.free > 0:
            self.free -= 1
        elif most is not None and len(x) > most:
            self.failed.append(len(x))
            self.seen = []
            raise torch.OutOfMemoryError(FULL)
        if learns:
            self.seen.append(x.clone())


@contextmanager
def small_memory(
    train: int | None = None, look: int | None = None, free: int = 0
) -> Iterator[Memory]:
    """Meanwhile all networks live on such a device."""
    memory = Memory(train, look, free)
    original = models.build_model

    def build(*arguments, **keywords):
        network = original(*arguments, **keywords)
        network.register_forward_pre_hook(memory.enter)
        return network

    with (
        mock.patch.object(loop, "build_model", build),
        mock.patch.object(models, "build_model", build),
    ):
        yield memory
