"""Named augmentation chains: which part of a photo is seen, and what happens to it in training.

A chain is data, so that its name can be checked without importing albumentations. Its crop belongs
to training and test alike and happens once, when photographs are decoded. Its transforms run on
each training photo of each epoch; its noise is added on the device after normalising. At test time
neither is applied.
"""

from __future__ import annotations

import inspect
import os
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from members.errors import nearest

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
# eight black squares of 8 x 8 out of 512 x 384
_HOLES = {
    "num_holes_range": (8, 8),
    "hole_height_range": (8 / 512, 8 / 512),
    "hole_width_range": (8 / 384, 8 / 384),
    "p": 0.3,
}

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
    # moved by up to a tenth, scaled, turned and sheared; black where nothing was
    "affine": Chain(
        transforms=(
            (
                "Affine",
                {
                    "translate_percent": (-0.1, 0.1),
                    "scale": (0.9, 1.1),
                    "rotate": (-15, 15),
                    "shear": (-5, 5),
                    "p": 0.5,
                },
            ),
        )
    ),
    # Gaussian noise of a tenth of the pixels' standard deviation
    "gaussian": Chain(noise_std=0.1),
    # 448 x 336 out of 512 x 384, then a little of everything: what three EfficientNet-b4 saw
    "heads": Chain(
        crop=(448 / 512, 336 / 384),
        transforms=(
            _FLIP,
            (
                "Affine",
                {
                    "translate_percent": (-0.0625, 0.0625),
                    "scale": (0.9, 1.1),
                    "rotate": (-45, 45),
                    "border_mode": 4,  # cv2.BORDER_REFLECT_101
                    "p": 0.3,
                },
            ),
            # as its authors wrote it; the unit is a level of 0..255, so it changes next to nothing
            (
                "HueSaturationValue",
                {"hue_shift_limit": 0.2, "sat_shift_limit": 0.2, "val_shift_limit": 0.2, "p": 0.3},
            ),
            (
                "RandomBrightnessContrast",
                {"brightness_limit": 0.1, "contrast_limit": 0.1, "p": 0.3},
            ),
            ("CoarseDropout", _HOLES),
            # variance 10 to 50 of levels of 0..255
            ("GaussNoise", {"std_range": (10**0.5 / 255, 50**0.5 / 255), "p": 0.3}),
            ("CoarseDropout", _HOLES),  # cutout
        ),
    ),
}


def chain_of(recipe: Recipe) -> Chain:
    """The chain that training uses: one by name, or the recipe's own list of transforms."""
    if isinstance(recipe.augmentation, str):
        return CHAINS[recipe.augmentation]
    return Chain(transforms=tuple(pair for step in recipe.augmentation for pair in step.items()))


def crop_of(recipe: Recipe) -> tuple[float, float] | None:
    """Centre crop (height, width) for training and test photos: the recipe's, else the chain's."""
    return recipe.crop if recipe.crop is not None else chain_of(recipe).crop


def compiled(chain: Chain) -> Callable[[np.ndarray, int], np.ndarray] | None:
    """`vary(photo, seed) -> photo`, (h, w, 3) uint8 in and out; None where nothing varies.

    All randomness comes from `seed`: neither earlier calls nor other generators matter.
    """
    if not chain.transforms:
        return None
    albumentations = _library()
    compose = albumentations.Compose(
        [getattr(albumentations, name)(**arguments) for name, arguments in chain.transforms]
    )

    def vary(photo: np.ndarray, seed: int) -> np.ndarray:
        # Shared by all transforms. Compose.set_random_seed would start each of them at the same
        # place of the same sequence, so that all with p=0.5 would act on the same half of photos.
        compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
        return compose(image=photo)["image"]

    return vary


def problems(recipe: Recipe) -> list[str]:
    """What is wrong with a recipe's own chain: names, arguments, or what they do to its photos.

    Imports albumentations; a chain by name has been checked without.
    """
    if isinstance(recipe.augmentation, str):
        return []
    found = [_problem(*pair, recipe.image_size) for pair in chain_of(recipe).transforms]
    return [f"augmentation: {text}" for text in found if text]


def _problem(name: str, arguments: dict[str, Any], size: tuple[int, int]) -> str | None:
    albumentations = _library()
    kinds = (albumentations.ImageOnlyTransform, albumentations.DualTransform)
    known = [
        n
        for n, kind in vars(albumentations).items()
        if inspect.isclass(kind) and issubclass(kind, kinds)
    ]
    if name not in known:
        return f"{name!r} is no transform of albumentations.{nearest(name, known)}"
    allowed = [*inspect.signature(getattr(albumentations, name)).parameters]
    for argument in arguments:
        if argument not in allowed:
            return (
                f"{name} has no argument {argument!r}.{nearest(argument, allowed)} "
                f"It takes {', '.join(allowed)}"
            )
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    certain = {**arguments, "p": 1.0} if "p" in allowed else arguments
    try:
        varied = compiled(Chain(transforms=((name, certain),)))(photo, 0)
    except Exception as error:  # whatever a transform raises, the request is what it did not like
        text = "; ".join((str(error).strip() or type(error).__name__).splitlines()[:3])
        return f"{name} with {arguments} does not work on a photo of {list(size)}: {text}"
    if varied.shape != photo.shape or varied.dtype != np.uint8:
        return (
            f"{name} with {arguments} makes {varied.dtype} {list(varied.shape)} of uint8 "
            f"{list(photo.shape)}; sizes are for image_size and crop, numbers for normalize"
        )
    return None


def _library():
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else its import asks the network
    import albumentations

    return albumentations
