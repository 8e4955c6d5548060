"""A running mean of a network's weights, often better than the weights themselves."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from members.networks.timm_import import timm
from members.recipe.blocks import RunningMean


class Average:
    """Exponential moving average of every weight and buffer of a network.

    mean <- d mean + (1 - d) weight, with d = min(decay, (1 + t) / (10 + t)) after t updates.
    The rise of d keeps the random start out of a short training (TensorFlow's
    ExponentialMovingAverage with num_updates). Whole numbers are copied.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.network = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay, self.updates = decay, 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in `model`'s weights, after each optimiser step."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        weights = model.state_dict()
        for name, mean in self.network.state_dict().items():
            if mean.is_floating_point():
                mean.lerp_(weights[name], 1 - decay)
            else:
                mean.copy_(weights[name])
        self.updates += 1

    def state_dict(self) -> dict[str, Any]:
        """The mean weights (not copied) and the number of updates."""
        return {"weights": self.network.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned; its tensors are copied."""
        self.network.load_state_dict(state["weights"])
        self.updates = state["updates"]


class TimmAverage:
    """timm's moving average of every weight and buffer of a network, ModelEmaV3.

    mean <- d mean + (1 - d) weight; d is 0 at the first update, so that nothing of the random start
    is in it, then `decay`, or min(decay, 1 - (1 + t / gamma)^-power) after t updates.
    """

    def __init__(self, model: nn.Module, settings: RunningMean):
        power = settings.warmup_power
        self._of_timm = timm.utils.ModelEmaV3(  # type: ignore[attr-defined]  # which its types lack
            model,
            decay=settings.decay,
            use_warmup=power is not None,
            warmup_power=power or 1.0,
            warmup_gamma=settings.warmup_gamma,
        )
        self.network: nn.Module = self._of_timm.module.requires_grad_(False)
        self.updates = 0

    def update(self, model: nn.Module) -> None:
        """Take in `model`'s weights, after each optimiser step."""
        self.updates += 1
        self._of_timm.update(model, step=self.updates)

    def state_dict(self) -> dict[str, Any]:
        """The mean weights (not copied) and the number of updates."""
        return {"weights": self.network.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned; its tensors are copied."""
        self.network.load_state_dict(state["weights"])
        self.updates = state["updates"]


def running_mean(model: nn.Module, ema: float | RunningMean) -> Average | TimmAverage:
    """The mean that the recipe's `ema` asks for."""
    return Average(model, ema) if isinstance(ema, float) else TimmAverage(model, ema)
