"""timm's policies for a photo: RandAugment, AutoAugment, AugMix, 3-augment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from members.batches.drawn import drawn_from
from members.networks.timm_import import timm
from members.pixels.augment import Vary
from members.recipe.chains import Chain

Mean = tuple[float, float, float]


def policy_of(chain: Chain, size: tuple[int, int], mean: Mean) -> Vary | None:
    """The chain's policy as `vary(photo, seed) -> photo`, (h, w, 3) uint8; None where it has none.

    As timm's training has it after its crop and flip: how far a photo is moved goes by the shorter
    side of `size` (h, w), and `mean` (on the scale 0..1) fills in what is moved away; bilinear or
    bicubic, at random. A colour jitter comes after it.
    """
    if chain.policy is None:
        return None
    # the parts are its crop and flip, its policy and colours, and its conversion to a tensor
    parts = timm.data.transforms_factory.transforms_imagenet_train(
        size,
        auto_augment=chain.policy,
        color_jitter=chain.color_jitter,
        force_color_jitter=chain.color_jitter > 0,
        interpolation="random",
        mean=mean,
        separate=True,
    )
    policy = parts[1]
    for operation in _operations(policy.transforms[0]):
        if operation.name.startswith("Posterize"):
            operation.aug_fn = _posterize

    def vary(photo: np.ndarray, seed: int) -> np.ndarray:
        with drawn_from(seed):
            return np.asarray(policy(Image.fromarray(photo)))

    return vary


def _operations(policy: Any) -> Iterator[Any]:
    """timm's operations in a policy of any kind."""
    if isinstance(policy, timm.data.auto_augment.AutoAugment):
        for steps in policy.policy:
            yield from steps
    else:
        yield from policy.ops


def _posterize(photo: Image.Image, bits: int, **_: Any) -> Image.Image:
    """The upper `bits` of each level; of none or fewer black, as timm means it and Pillow 13 refuses."""
    if bits >= 8:
        return photo
    return ImageOps.posterize(photo, bits) if bits > 0 else Image.new(photo.mode, photo.size)
