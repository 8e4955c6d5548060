"""Named augmentation chains: which part of a photo is seen, and what happens to it in training.

A chain is data, so that its name can be checked without importing albumentations. Its crop belongs
to training and test alike and happens once, when photographs are decoded. Its transforms run on
each training photo of each epoch; its noise is added on the device after normalising. At test time
neither is applied.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from members.recipe import Recipe

Transform = tuple[str, dict[str, Any]]  # name in albumentations, its arguments


@dataclass(frozen=True)
class Chain:
    """One way to vary photographs.

    crop: centre crop (height, width), fractions of the photo where <= 1, else pixels; None: all.
    transforms: on uint8 pixels, in order.
    noise_std: standard deviation of Gaussian noise on the normalised input; 0: none.
    """

    crop: tuple[float, float] | None = None
    transforms: tuple[Transform, ...] = ()
    noise_std: float = 0.0


_FLIP: Transform = ("HorizontalFlip", {"p": 0.5})

CHAINS: dict[str, Chain] = {
    # resize and normalise only
    "base": Chain(),
    # left and right swapped for every second photo
    "flip": Chain(transforms=(_FLIP,)),
    # small changes of pose and light that leave most labels as they are
    "light": Chain(
        transforms=(
            _FLIP,
            (
                "Affine",
                {
                    "translate_percent": (-0.05, 0.05),
                    "scale": (0.9, 1.1),
                    "rotate": (-10, 10),
                    "border_mode": 1,  # cv2.BORDER_REPLICATE: no black wedges at the edges
                    "p": 0.5,
                },
            ),
            ("RandomBrightnessContrast", {"brightness_limit": 0.1, "contrast_limit": 0.1}),
        )
    ),
    # 320 x 256 out of 512 x 384, as fractions so that other sizes keep the same part of the picture
    "custom": Chain(
        crop=(320 / 512, 256 / 384),
        transforms=(
            (
                "ColorJitter",
                {
                    "brightness": (0.9, 1.1),
                    "contrast": (0.9, 1.1),
                    "saturation": (0.9, 1.1),
                    "hue": (-0.1, 0.1),
                    "p": 1.0,
                },
            ),
        ),
        noise_std=1.0,
    ),
}


def chain_of(recipe: Recipe) -> Chain:
    """The chain that training uses."""
    return CHAINS[recipe.augmentation]


def crop_of(recipe: Recipe) -> tuple[float, float] | None:
    """Centre crop (height, width) for training and test photos: the recipe's, else the chain's."""
    return recipe.crop if recipe.crop is not None else chain_of(recipe).crop


def compiled(chain: Chain) -> Callable[[np.ndarray, int], np.ndarray] | None:
    """`vary(photo, seed) -> photo`, (h, w, 3) uint8 in and out; None where nothing varies.

    All randomness comes from `seed`: neither earlier calls nor other generators matter.
    """
    if not chain.transforms:
        return None
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else its import asks the network
    import albumentations

    compose = albumentations.Compose(
        [getattr(albumentations, name)(**arguments) for name, arguments in chain.transforms]
    )

    def vary(photo: np.ndarray, seed: int) -> np.ndarray:
        # Shared by all transforms. Compose.set_random_seed would start each of them at the same
        # place of the same sequence, so that all with p=0.5 would act on the same half of photos.
        compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
        return compose(image=photo)["image"]

    return vary
