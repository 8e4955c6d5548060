"""A recipe's augmentation chain, and its transforms as a function of photo and seed."""

from __future__ import annotations

import functools
import inspect
import os
import random
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from members.errors import message_of, nearest
from members.recipe.chains import CHAINS, Chain, Transform

if TYPE_CHECKING:
    from members.recipe.recipe import Recipe

Vary = Callable[[np.ndarray, int], np.ndarray]  # photo (h, w, 3) uint8, seed -> photo


def chain_of(recipe: Recipe) -> Chain:
    """The chain that training uses: one by name, or the recipe's own list of transforms; with the
    recipe's policy of timm.
    """
    if isinstance(recipe.augmentation, str):
        chain = CHAINS[recipe.augmentation]
    else:
        steps = (pair for step in recipe.augmentation for pair in step.items())
        chain = Chain(transforms=tuple(steps))
    return replace(chain, policy=recipe.auto_augment) if recipe.auto_augment else chain


def crop_of(recipe: Recipe) -> tuple[float, float] | None:
    """Centre crop (height, width) for training and test photos: the recipe's, else the chain's."""
    return recipe.crop if recipe.crop is not None else chain_of(recipe).crop


def augmenter(chain: Chain) -> Vary | None:
    """The chain's transforms as `vary(photo, seed) -> photo`, (h, w, 3) uint8 in and out; None where
    there are none.

    All randomness comes from `seed`: neither earlier calls nor other generators matter.
    """
    return _composed(chain.transforms) if chain.transforms else None


def _composed(transforms: tuple[Transform, ...]) -> Vary:
    albumentations = _library()
    compose = albumentations.Compose(
        [getattr(albumentations, name)(**arguments) for name, arguments in transforms]
    )

    def vary(photo: np.ndarray, seed: int) -> np.ndarray:
        # Shared by all transforms. Compose.set_random_seed would start each of them at the same
        # place of the same sequence, so that all with p=0.5 would act on the same half of photos.
        compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
        return compose(image=photo)["image"]

    return vary


def augmentation_problems(recipe: Recipe) -> list[str]:
    """What is wrong with a recipe's own chain: names, arguments, or what they do to its photos.

    Imports albumentations; a chain by name has been checked without.
    """
    if isinstance(recipe.augmentation, str):
        return []
    sizes = dict.fromkeys(recipe.sizes or (recipe.image_size,))
    found = [_problem(*pair, size) for pair in chain_of(recipe).transforms for size in sizes]
    found = [*dict.fromkeys(found)]
    return [f"augmentation: {text}" for text in found if text]


@functools.cache
def transforms() -> dict[str, list[str]]:
    """Transform of albumentations that a chain may have -> the names of its arguments."""
    albumentations = _library()
    kinds = (albumentations.ImageOnlyTransform, albumentations.DualTransform)
    return {
        name: [*inspect.signature(kind).parameters]
        for name, kind in vars(albumentations).items()
        if inspect.isclass(kind) and issubclass(kind, kinds)
    }


def _problem(name: str, arguments: dict[str, Any], size: tuple[int, int]) -> str | None:
    known = transforms()
    if name not in known:
        return f"{name!r} is no transform of albumentations.{nearest(name, known)}"
    allowed = known[name]
    for argument in arguments:
        if argument not in allowed:
            return (
                f"{name} has no argument {argument!r}.{nearest(argument, allowed)} "
                f"It takes {', '.join(allowed)}"
            )
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    certain = {**arguments, "p": 1.0} if "p" in allowed else arguments
    try:
        varied = _composed(((name, certain),))(photo, 0)
    except (
        Exception
    ) as error:  # whatever a transform raises, its arguments or the size are the cause
        text = "; ".join(message_of(error).splitlines()[:3])
        return f"{name} with {arguments} does not work on a photo of {list(size)}: {text}"
    if varied.shape != photo.shape or varied.dtype != np.uint8:
        return (
            f"{name} with {arguments} makes {varied.dtype} {list(varied.shape)} of uint8 "
            f"{list(photo.shape)}; sizes are for image_size and crop, numbers for normalize"
        )
    return None


def _library():
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else its import opens a connection
    import albumentations

    return albumentations
