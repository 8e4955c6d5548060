"""Class-activation maps of a network: for each cell of a photograph, how much it raises a class.

torchcam keeps the layer's output and the gradient by it; what is made of the two stands here.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from members.activation_maps.layer import Layer
from members.batches.loader import to_input
from members.batches.photos import Photos
from members.errors import BadInput
from members.networks.models import statistics_of
from members.recipe.recipe import Recipe
from members.training.predict import require_size

PACKAGE = "torchcam"
INSTALL = "pip install 'ensemble-of-image-classifiers[why]'"
AT_ONCE = 8  # photographs: the whole pass is kept for its gradients


def require_package() -> None:
    """Raise BadInput where torchcam is not installed."""
    if importlib.util.find_spec(PACKAGE) is None:
        raise BadInput(
            f"class-activation maps need {PACKAGE}, which is not installed. Install: {INSTALL}"
        )


def class_maps(
    model: nn.Module,
    pixels: np.ndarray,
    recipe: Recipe,
    classes: Sequence[int],
    layer: Layer,
    *,
    device: str = "cpu",
) -> np.ndarray:
    """(N, rows, columns) float32 in [0, 1]: a map a photograph, over the cells of `layer`.

    model: in eval mode on `device`. pixels: (N, h, w, 3) uint8 of the recipe's size, as `predict` takes
    them, looked at as they are (`plain`). classes: (N,) int, the network's class that each map is of. The
    greatest cell of a map is 1, or all are 0 where no cell raises the class. Raises BadInput without
    torchcam, and for pictures of another size.
    """
    require_package()
    require_size(Photos(pixels), recipe, "photos to make maps of")
    statistics = statistics_of(recipe)
    found = [np.empty((0, *layer.grid), np.float32)]
    for start in range(0, len(pixels), AT_ONCE):
        some = torch.from_numpy(np.ascontiguousarray(pixels[start : start + AT_ONCE])).to(device)
        x = to_input(some, statistics, channels_last=recipe.channels_last)
        raised = raising(model, x, classes[start : start + AT_ONCE], layer)
        found.append(scaled(raised.cpu().numpy()))
    return np.concatenate(found)


def raising(model: nn.Module, x: Tensor, classes: Sequence[int], layer: Layer) -> Tensor:
    """(B, rows, columns) float32, at least 0: what in each cell raises the logit of a class, to first order.

    x: (B, 3, h, w) as the network takes it. Output times gradient, what raises the class summed over the
    channels: Grad-CAM by element (Pillai & Pirsiavash 2021). Grad-CAM itself (Selvaraju et al. 2017) takes
    the mean of the gradient over all cells first, which is right where a mean over the cells follows, and
    there alone: at the tokens of a ViT it does not find what decides (benchmarks/activation_maps.py).
    """
    outputs, gradients = outputs_and_gradients(model, x, classes, layer)
    return (outputs * gradients).clamp_min(0).sum(1)


def outputs_and_gradients(
    model: nn.Module, x: Tensor, classes: Sequence[int], layer: Layer
) -> tuple[Tensor, Tensor]:
    """(B, C, rows, columns) float32 each: what the layer says, and the gradient of the logit by it."""
    from torchcam.methods import GradCAM

    with torch.enable_grad(), GradCAM(model, layer.name, reshape_transform=layer.to_map) as kept:
        logits = model(x.detach().requires_grad_(True))
        kept(list(map(int, classes)), logits)
        output, gradient = kept.hook_a[0], kept.hook_g[0]
        assert output is not None and gradient is not None  # noqa: PT018
        return output.float(), gradient.float()


def scaled(maps: np.ndarray) -> np.ndarray:
    """(N, rows, columns) of at least 0 -> the same, the greatest of each 1; a map of zeros stays."""
    most = maps.reshape(len(maps), -1).max(axis=1, initial=0)[:, None, None]
    return np.divide(maps, most, out=np.zeros_like(maps, np.float32), where=most > 0)
