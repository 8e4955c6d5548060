"""A member's networks with their weights averaged, asked about a judge's photographs, and written."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import nn

from members.batches.photos import Photos
from members.errors import BadInput
from members.networks import saving
from members.networks.mean_weights import mean_weights, norms_that_differ
from members.networks.models import build_model
from members.recipe.blocks import Statistics
from members.recipe.recipe import Recipe
from members.training.predict import predict_each
from members.training.swa import retake_from_photos
from orchestrator.inference.networks import load_network
from orchestrator.inference.parts import Network
from orchestrator.inference.weights import read_weights

BATCH_NORM_PHOTOS = 1024  # training photographs that statistics are taken from, at most


@dataclass(frozen=True)
class Pot:
    """Networks that are averaged with each other. rows: (n,) int, the judge's rows that none of them
    was trained on. training: pixels (m, h, w, 3) uint8 that batch norm is measured on, when it is needed.
    """

    networks: tuple[Network, ...]
    rows: np.ndarray
    training: Callable[[], np.ndarray]


class Soups:
    """`Soups(...)(chosen)`: (N, K) float32 by the mean of the ingredients `chosen` of each pot.

    pixels: (N, h, w, 3) uint8 of the judge. on_new: called after each table that was not asked before.
    """

    def __init__(
        self,
        pots: Sequence[Pot],
        pixels: np.ndarray,
        n_classes: int,
        device: str = "cpu",
        on_new: Callable[[], None] = lambda: None,
    ):
        self._pots, self._pixels, self._n_classes = pots, pixels, n_classes
        self._device, self._on_new = device, on_new
        self._tables: dict[tuple[int, ...], np.ndarray] = {}

    def __call__(self, chosen: tuple[int, ...]) -> np.ndarray:
        if chosen not in self._tables:
            table = np.empty((len(self._pixels), self._n_classes), np.float32)
            for pot in self._pots:
                model, recipe = averaged(pot, chosen, self._n_classes, self._device)
                photos = Photos(self._pixels, rows=pot.rows)
                (table[pot.rows],) = predict_each(
                    model, photos, recipe, [recipe.views], device=self._device
                )
            self._tables[chosen] = table
            self._on_new()
        return self._tables[chosen]

    def write(self, chosen: tuple[int, ...], folder: Path, names: Sequence[str]) -> list[Network]:
        """The networks of a choice, one a pot, below `folder`; one that stands alone is where it was.

        names: of the pots' files.
        """
        found = []
        for pot, name in zip(self._pots, names, strict=True):
            if len(chosen) == 1:
                found.append(pot.networks[chosen[0]])
                continue
            model, _ = averaged(pot, chosen, self._n_classes, self._device)
            content = saving.to_bytes(model)
            file = folder / name / "model.safetensors"
            file.parent.mkdir(parents=True)
            file.write_bytes(content)
            recipe = mean_recipe([pot.networks[i].recipe for i in chosen])
            found.append(Network(str(file), hashlib.sha256(content).hexdigest(), recipe))
        return found


def averaged(
    pot: Pot, chosen: Sequence[int], n_classes: int, device: str
) -> tuple[nn.Module, Recipe]:
    """The network whose weights are the mean of those `chosen`, to be asked, and its recipe.

    Statistics of batch norm that the networks share, frozen ones, stay; others are taken anew from
    training photographs. Raises BadInput where weights are damaged or do not fit each other.
    """
    networks = [pot.networks[i] for i in chosen]
    model, recipe = load_network(networks[0], n_classes, device)
    if len(networks) == 1:
        return model, recipe
    own = mean_recipe([network.recipe for network in networks])
    recipe = recipe.model_copy(update={"normalize": own.normalize})
    try:
        weights = mean_weights(map(weights_of, networks))
    except BadInput as error:
        places = ", ".join(network.place for network in networks)
        raise BadInput(f"{places}: {error.problems[0]}") from None
    model.load_state_dict(weights)
    if norms := norms_that_differ(map(weights_of, networks)):
        photos = Photos(pot.training())
        retake_from_photos(model, norms, photos, recipe, device)
    return model.requires_grad_(False).eval(), recipe


def weights_of(network: Network) -> dict[str, torch.Tensor]:
    return safetensors.torch.load(read_weights(network))


def mean_recipe(recipes: Sequence[Recipe]) -> Recipe:
    """The first, with the mean of the statistics that photographs are normalised by, where each has
    those of its own training photographs.
    """
    own = [recipe.normalize for recipe in recipes]
    if all(one == own[0] for one in own):
        return recipes[0]
    means, stds = (
        [getattr(one, name) for one in own if isinstance(one, Statistics)]
        for name in ("mean", "std")
    )
    mean = Statistics(
        mean=tuple(np.mean(means, axis=0).tolist()), std=tuple(np.mean(stds, axis=0).tolist())
    )
    return recipes[0].model_copy(update={"normalize": mean})


def has_batch_norm(recipe: Recipe, n_classes: int) -> bool:
    """Whether a network of this recipe keeps statistics of its photographs."""
    names = build_model(recipe, n_classes, pretrained=False).state_dict()
    return any(name.endswith(".running_mean") for name in names)
