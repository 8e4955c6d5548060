"""Stochastic weight averaging: the mean of a network's weights after several epochs.

Izmailov, Podoprikhin, Garipov, Vetrov, Wilson 2018, Averaging Weights Leads to Wider Optima and Better
Generalization, arXiv:1803.05407. No network has been trained with the mean weights, so batch norm's
statistics belong to none of them: they are taken anew from training photos.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from members.batches.loader import to_input
from members.batches.photos import Photos
from members.networks.models import statistics_of
from members.recipe.recipe import Recipe
from members.training.precision import autocast
from members.training.ranks import ALONE, Ranks


class EpochMean:
    """The mean of all weights of a network over epochs, each epoch alike; buffers are the last's."""

    def __init__(self, model: nn.Module):
        self.network = copy.deepcopy(model).eval().requires_grad_(False)
        self.epochs = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in `model`'s weights, at the end of an epoch: mean <- mean + (weight - mean) / n."""
        self.epochs += 1
        weights, buffers = dict(model.named_parameters()), dict(model.named_buffers())
        for name, mean in self.network.named_parameters():
            mean.lerp_(weights[name], 1 / self.epochs)
        for name, buffer in self.network.named_buffers():
            buffer.copy_(buffers[name])

    def state_dict(self) -> dict[str, Any]:
        """The mean weights (not copied) and the number of epochs."""
        return {"weights": self.network.state_dict(), "updates": self.epochs}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned; its tensors are copied."""
        self.network.load_state_dict(state["weights"])
        self.epochs = state["updates"]


def learning_norms(model: nn.Module) -> list[str]:
    """Names of the batch norms that keep statistics and, in the mode `model` is in, change them."""
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm) and module.training and module.track_running_stats
    ]


@torch.no_grad()
def retake_statistics(
    network: nn.Module, norms: Iterable[str], inputs: Iterable[Tensor], ranks: Ranks
) -> None:
    """The statistics of the batch norms called `norms`: means over the batches `inputs` (b, 3, h, w).

    Each batch counts alike, as in torch.optim.swa_utils.update_bn; all else of the network is as at
    test time, dropout too. Of several ranks each gives the batches of its own, and all end alike.
    """
    found = [network.get_submodule(name) for name in norms]
    modules = [module for module in found if isinstance(module, _BatchNorm)]
    momenta = [module.momentum for module in modules]
    network.eval()
    for module in modules:
        module.reset_running_stats()
        module.momentum = None  # torch's word for a mean over all batches
        module.train()
    seen = 0
    for x in inputs:
        network(x)
        seen += 1
    _mean_over(ranks, modules, seen)
    for module, momentum in zip(modules, momenta, strict=True):
        module.momentum = momentum
    network.eval()


def retake_from_photos(
    network: nn.Module, norms: Iterable[str], photos: Photos, recipe: Recipe, device: str = "cpu"
) -> None:
    """As `retake_statistics`, of photographs as they are predicted, without augmentation and views.

    Batches are of the recipe's size and whole, so that each photograph counts alike; what is left over
    is not looked at. `network` is on `device` and ends in eval mode.
    """
    statistics = statistics_of(recipe)
    size = min(recipe.batch_size, len(photos))

    def inputs() -> Iterable[Tensor]:
        for first in range(0, len(photos) - size + 1, size):
            pixels = torch.from_numpy(photos.read(np.arange(first, first + size)))
            yield to_input(pixels.to(device), statistics, channels_last=recipe.channels_last)

    with autocast(recipe, device):
        retake_statistics(network, norms, inputs(), ALONE)


def _mean_over(ranks: Ranks, modules: list[_BatchNorm], seen: int) -> None:
    """Statistics of the batches of all ranks, of which this one has `seen`."""
    if ranks.size == 1:
        return
    buffers = [b for m in modules for b in (m.running_mean, m.running_var) if b is not None]
    if not buffers:
        return
    sums = [buffer.double() * seen for buffer in buffers]  # double: every rank ends with the same
    total = torch.tensor([float(seen)], dtype=torch.float64, device=buffers[0].device)
    ranks.add_up([*sums, total])
    for buffer, part in zip(buffers, sums, strict=True):
        buffer.copy_(part / total)
    for module in modules:
        if module.num_batches_tracked is not None:
            module.num_batches_tracked.fill_(int(total))
