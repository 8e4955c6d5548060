"""Gradient checkpointing: the backward pass computes a block's activations once more, and none is kept until
then (Chen et al. 2016, arXiv:1604.06174). The updates are the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from members.errors import BadInput
from members.recipe.recipe import Recipe


def checkpoint(model: nn.Module, recipe: Recipe) -> None:
    """Have `model` train so, where the recipe says it. Raises BadInput where timm's network cannot."""
    if not recipe.grad_checkpointing:
        return
    try:
        # torch types every attribute of a module as a tensor or a module
        model.set_grad_checkpointing(True)  # type: ignore[operator]
    except (AttributeError, AssertionError, NotImplementedError):
        raise BadInput(
            f"grad_checkpointing: {recipe.model} has none in timm. Leave it out; a smaller batch_size with "
            "accumulate takes less memory, too"
        ) from None


@contextmanager
def statistics_counted_once(model: nn.Module) -> Iterator[None]:
    """For the backward pass of a network that checkpoints: batch norms that normalise by the batch do so
    again, and do not take it into their running statistics again."""
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.training]
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, tracked) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, tracked
