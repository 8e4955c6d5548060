"""What a network would cost, and whether it takes the photos at all; nothing is allocated."""

from __future__ import annotations

import functools

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from members.errors import BadInput, first_line
from members.networks.models import build_model, pretrained_config
from members.networks.timm_import import timm
from members.recipe.recipe import Recipe


def require_network(recipe: Recipe) -> None:
    """Raise BadInput where the network cannot be built or does not take photos of the recipe's size,
    or where the weights to start from do not fit. Nothing is allocated.
    """
    n_classes = 2
    _forward(recipe, build_model(recipe, n_classes, device="meta"), n_classes)


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


def _patch_problem(recipe: Recipe, model: nn.Module) -> str | None:
    """A network that cuts photos into patches drops the edge that is no whole patch, silently."""
    embed = getattr(model, "patch_embed", None)
    if not isinstance(embed, timm.layers.patch_embed.PatchEmbed) or embed.dynamic_img_pad:
        return None
    sizes = [*zip(recipe.image_size, embed.patch_size, strict=True)]
    if all(side % patch == 0 for side, patch in sizes):
        return None
    near = [max(1, round(side / patch)) * patch for side, patch in sizes]
    patch = " x ".join(map(str, embed.patch_size))
    return (
        f"image_size: {recipe.model} does not take {list(recipe.image_size)}: the sides must be "
        f"divisible by its patches of {patch}. Nearest: {near}"
    )


def _forward(recipe: Recipe, model: nn.Module, n_classes: int) -> None:
    if problem := _patch_problem(recipe, model):
        raise BadInput(problem)
    photo = torch.empty(1, 3, *recipe.image_size, device="meta")
    try:
        # the default device too: some networks make their position tables in forward
        with torch.no_grad(), torch.device("meta"):
            logits = model.eval().requires_grad_(False)(photo)
    except (AssertionError, RuntimeError, ValueError) as error:
        native = list(pretrained_config(recipe).input_size[1:])
        raise BadInput(
            f"image_size: {recipe.model} does not take {list(recipe.image_size)}: "
            f"{first_line(error).rstrip('.')}. Its own size is {native}"
        ) from error
    shape = getattr(logits, "shape", None)
    if shape != (1, n_classes):
        raise BadInput(
            f"model: {recipe.model} gives {tuple(shape) if shape else type(logits)} for one "
            f"photo instead of (1, {n_classes}) logits; it is no plain classifier, choose another"
        )
