"""What a network would cost, and whether it takes the photos at all; nothing is allocated."""

from __future__ import annotations

import functools

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from members.errors import BadInput, first_line
from members.networks.checkpointing import checkpoint
from members.networks.models import build_model, pretrained_config
from members.networks.timm_import import timm
from members.recipe.recipe import Recipe


def require_network(recipe: Recipe) -> None:
    """Raise BadInput where the network cannot be built or does not take photos of the recipe's sizes,
    where the weights to start from do not fit, or where it lacks what the recipe asks for. Nothing is
    allocated.
    """
    n_classes = 2
    model = build_model(recipe, n_classes, device="meta")
    checkpoint(model, recipe)
    _forward(recipe, model, n_classes)
    for size in dict.fromkeys(recipe.sizes):
        if size != recipe.image_size:
            _forward(recipe, model, n_classes, size)


def multiply_accumulates(recipe: Recipe, n_classes: int) -> float:
    """Multiply-accumulates of one forward pass with one photo (ResNet-50 at 224: 4.1e9).

    Raises BadInput where the network cannot be built or does not take photos of this size.
    """
    return _multiply_accumulates(recipe.model, recipe.image_size, n_classes)


@functools.lru_cache(maxsize=256)
def _multiply_accumulates(name: str, image_size: tuple[int, int], n_classes: int) -> float:
    recipe = Recipe(model=name, image_size=image_size)
    counter = FlopCounterMode(display=False)  # counts multiplication and addition apart
    model = build_model(recipe, n_classes, device="meta")
    with counter:
        _forward(recipe, model, n_classes)
    return counter.get_total_flops() / 2


def _patch_problem(recipe: Recipe, model: nn.Module, size: tuple[int, int], key: str) -> str | None:
    """A network that cuts photos into patches drops the edge that is no whole patch, silently."""
    embed = getattr(model, "patch_embed", None)
    if not isinstance(embed, timm.layers.patch_embed.PatchEmbed) or embed.dynamic_img_pad:
        return None
    sizes = [*zip(size, embed.patch_size, strict=True)]
    if all(side % patch == 0 for side, patch in sizes):
        return None
    near = [max(1, round(side / patch)) * patch for side, patch in sizes]
    patch = " x ".join(map(str, embed.patch_size))
    return (
        f"{key}: {recipe.model} does not take {list(size)}: the sides must be "
        f"divisible by its patches of {patch}. Nearest: {near}"
    )


def _forward(
    recipe: Recipe, model: nn.Module, n_classes: int, other: tuple[int, int] | None = None
) -> None:
    """other: a size of training photos; None: image_size."""
    key, size = ("image_size", recipe.image_size) if other is None else ("sizes", other)
    if problem := _patch_problem(recipe, model, size, key):
        raise BadInput(problem)
    photo = torch.empty(1, 3, *size, device="meta")
    try:
        # the default device too: some networks make their position tables in forward
        with torch.no_grad(), torch.device("meta"):
            logits = model.eval().requires_grad_(False)(photo)
    except (AssertionError, RuntimeError, ValueError) as error:
        native = list(pretrained_config(recipe).input_size[1:])
        then = f"Its own size is {native}"
        if other is not None:
            then = (
                f"Networks with tables of positions are made for one size, here image_size "
                f"{list(recipe.image_size)}, unless timm fits them to each. Leave sizes out, or "
                "take another network"
            )
        raise BadInput(
            f"{key}: {recipe.model} does not take {list(size)}: "
            f"{first_line(error).rstrip('.')}. {then}"
        ) from error
    shape = getattr(logits, "shape", None)
    if shape != (1, n_classes):
        raise BadInput(
            f"model: {recipe.model} gives {tuple(shape) if shape else type(logits)} for one "
            f"photo instead of (1, {n_classes}) logits; it is no plain classifier, choose another"
        )
