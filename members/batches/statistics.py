"""Mean and standard deviation of the pixels of a training part."""

from __future__ import annotations

import numpy as np

from members.batches.photos import Photos
from members.recipe.blocks import Statistics
from members.recipe.recipe import Recipe


def with_statistics(recipe: Recipe, train: Photos) -> Recipe:
    """The recipe, `normalize: computed` replaced by the figures of `train`."""
    if recipe.normalize != "computed":
        return recipe
    return recipe.model_copy(update={"normalize": pixel_statistics(train)})


def pixel_statistics(photos: Photos) -> Statistics:
    """Mean and standard deviation of red, green, blue over all pixels of all photos.

    Sums of whole numbers, so the order of the photos does not matter. A colour that never changes
    counts as spread by one level.
    """
    total, squares, pixels = np.zeros(3, np.int64), np.zeros(3, np.int64), 0
    for begin in range(0, len(photos), 256):
        rows = np.arange(begin, min(begin + 256, len(photos)))
        levels = photos.read(rows).reshape(-1, 3).astype(np.int64)
        total += levels.sum(0)
        squares += (levels * levels).sum(0)
        pixels += len(levels)
    mean = total / pixels
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 1.0))
    return Statistics(mean=tuple((mean / 255).tolist()), std=tuple((std / 255).tolist()))
