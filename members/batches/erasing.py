"""timm's random erasing (Zhong et al. 2017, arXiv:1708.04896)."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from members.batches.drawn import drawn_from
from members.networks.timm_import import timm
from members.recipe.blocks import Erasing


def erase(x: Tensor, erasing: Erasing, seeds: Iterable[int]) -> Tensor:
    """`x` (B, 3, h, w) float, normalised, with rectangles erased, in place; a seed for each photo.

    What is drawn is the same on every device.
    """
    erased = timm.data.random_erasing.RandomErasing(
        erasing.probability, mode=erasing.mode, max_count=erasing.count, device="cpu"
    )
    for photo, seed in zip(x, seeds, strict=True):
        with drawn_from(seed):
            erased(photo)
    return x
