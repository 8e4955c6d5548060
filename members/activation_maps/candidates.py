"""What could be the map of a class: of each layer, by several rules, all from one pass forth and back.

Each rule takes a layer's output and the gradient of the class's logit by it, both (B, C, rows, columns).
None finds what decides in every kind of network (benchmarks/activation_maps.py), so `covering` tells them
apart by what the network itself says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from members.activation_maps.layers import Layer


def elementwise(output: Tensor, gradient: Tensor) -> Tensor:
    """What raises the class in a cell, without the channels that lower it (Pillai & Pirsiavash 2021)."""
    return (output * gradient).clamp_min(0).sum(1)


def grad_cam(output: Tensor, gradient: Tensor) -> Tensor:
    """Each channel by the mean of its gradient, what is below 0 left out (Selvaraju et al. 2017)."""
    return (output * gradient.mean(dim=(2, 3), keepdim=True)).sum(1).clamp_min(0)


RULES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "elementwise": elementwise,
    "Grad-CAM": grad_cam,
}


@dataclass(frozen=True)
class Candidate:
    """A map of each picture of a batch: (B, rows, columns) float32, at least 0."""

    layer: Layer
    rule: str
    cells: Tensor


def candidates(
    model: nn.Module, x: Tensor, classes: Sequence[int], layers: Sequence[Layer]
) -> list[Candidate]:
    """The maps of each picture's class, by layer and rule in order.

    x: (B, 3, h, w) as the network takes it. classes: (B,) int.
    """
    passed = outputs_and_gradients(model, x, classes, layers)
    return [
        Candidate(layer, name, rule(output, gradient))
        for layer, (output, gradient) in zip(layers, passed, strict=True)
        for name, rule in RULES.items()
    ]


def outputs_and_gradients(
    model: nn.Module, x: Tensor, classes: Sequence[int], layers: Sequence[Layer]
) -> list[tuple[Tensor, Tensor]]:
    """Of each layer (B, C, rows, columns) float32 each, what it says and the gradient of the logits by it."""
    from torchcam.methods import GradCAM

    with torch.enable_grad(), GradCAM(model, [layer.name for layer in layers]) as kept:
        logits = model(x.detach().requires_grad_(True))
        kept(list(map(int, classes)), logits)
        return [
            (layer.to_map(output).float(), layer.to_map(gradient).float())
            for layer, output, gradient in zip(layers, kept.hook_a, kept.hook_g, strict=True)
            if output is not None and gradient is not None
        ]
