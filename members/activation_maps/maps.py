"""Class-activation maps of a network: for each place in a photograph, how much it raises a class.

torchcam keeps the layers' outputs and the gradients by them; what is made of them stands in `candidates`.
Taken is the one whose peak the class needs most, as `covering` says, or where none finds that place, what
covering itself says.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from members.activation_maps.candidates import candidates
from members.activation_maps.covering import cover_all
from members.activation_maps.layers import Layer
from members.batches.loader import to_input
from members.batches.photos import Photos
from members.errors import BadInput
from members.networks.models import statistics_of
from members.recipe.recipe import Recipe
from members.training.predict import require_size

PACKAGE = "torchcam"
INSTALL = "pip install 'ensemble-of-image-classifiers[why]'"
AT_ONCE = 8  # photographs: the whole pass is kept for its gradients
COVERING = "covering"  # the rule of maps that no layer made
_ENOUGH = 0.5  # of the greatest fall, that a map's peak must have


@dataclass(frozen=True)
class Choice:
    """What a map was made by, and how much the class needs its peak. layer: None where `rule` is COVERING.
    before: the class's probability by this network; covered: with the peak covered, of an empty map as
    before.
    """

    layer: Layer | None
    rule: str
    before: float
    covered: float


@dataclass(frozen=True)
class ClassMap:
    """Of one photograph. cells: (h, w) float32 in [0, 1] over the picture that the network saw, its
    greatest 1, or all 0 where nothing raises the class.
    """

    cells: np.ndarray
    choice: Choice


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
    layers: Sequence[Layer],
    *,
    device: str = "cpu",
) -> list[ClassMap]:
    """A map a photograph: of the candidates by `layers` the one whose peak the class needs most, or the map
    by covering, where none has half of its fall.

    model: in eval mode on `device`. pixels: (N, h, w, 3) uint8 of the recipe's size, as `predict` takes
    them, looked at as they are (`plain`). classes: (N,) int, the network's class that each map is of. Of
    candidates alike in that, the deepest layer's counts. Raises BadInput without torchcam, and for pictures
    of another size.
    """
    require_package()
    require_size(Photos(pixels), recipe, "photos to make maps of")
    statistics = statistics_of(recipe)
    found: list[ClassMap] = []
    for start in range(0, len(pixels), AT_ONCE):
        some = torch.from_numpy(np.ascontiguousarray(pixels[start : start + AT_ONCE])).to(device)
        x = to_input(some, statistics, channels_last=recipe.channels_last)
        found += of_batch(model, x, classes[start : start + AT_ONCE], layers)
    return found


def of_batch(
    model: nn.Module, x: Tensor, classes: Sequence[int], layers: Sequence[Layer]
) -> list[ClassMap]:
    """A map each of x: (B, 3, h, w) as the network takes it."""
    made = candidates(model, x, classes, layers)
    by_covering = cover_all(model, x, torch.as_tensor(classes, device=x.device))
    fallen = torch.stack([by_covering.at_peaks(own.cells) for own in made])
    most = by_covering.falls.flatten(1).amax(1)
    found = []
    for row, number in enumerate(fallen.argmax(0).tolist()):
        own, fall = made[number], fallen[number, row]
        layer, rule, cells = own.layer, own.rule, own.cells[row]
        if not fall.isfinite() or (most[row] > 0 and fall < _ENOUGH * most[row]):
            layer, rule, fall = None, COVERING, most[row]
            cells = by_covering.falls[row].clamp_min(0).float()
        before = by_covering.before[row]
        after = before - fall if bool(cells.any()) else before
        shares = torch.stack([before, after]).sigmoid().tolist()
        size = (int(x.shape[2]), int(x.shape[3]))
        found.append(ClassMap(_over(cells, size), Choice(layer, rule, *shares)))
    return found


def _over(cells: Tensor, size: tuple[int, int]) -> np.ndarray:
    """(rows, columns) of at least 0 -> (h, w) float32 in [0, 1]."""
    larger = functional.interpolate(cells[None, None], size=size, mode="bilinear")[0]
    return scaled(larger.cpu().numpy())[0]


def scaled(maps: np.ndarray) -> np.ndarray:
    """(N, rows, columns) of at least 0 -> the same, the greatest of each 1; a map of zeros stays."""
    most = maps.reshape(len(maps), -1).max(axis=1, initial=0)[:, None, None]
    return np.divide(maps, most, out=np.zeros_like(maps, np.float32), where=most > 0)
