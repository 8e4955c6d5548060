"""Small pictures of known classes, drawn in numpy: bars lying, bars standing, or a disc."""

from __future__ import annotations

import numpy as np
import torch

from members.batches.photos import Photos

torch.set_num_threads(1)

SHAPES = 3


def shapes(n: int, size: tuple[int, int] = (32, 32), seed: int = 0) -> Photos:
    """`n` photos of one of three shapes, at a random place, in random colours, under noise."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % SHAPES)
    y, x = np.mgrid[: size[0], : size[1]]
    pixels = np.empty((n, *size, 3), np.uint8)
    for i, label in enumerate(labels):
        phase, width = rng.uniform(0, 6), rng.uniform(5, 7)
        centre = rng.uniform(0.4, 0.6, 2) * size
        drawn = (
            np.sin(y / width * np.pi + phase) > 0,
            np.sin(x / width * np.pi + phase) > 0,
            np.hypot(y - centre[0], x - centre[1]) < 0.3 * min(size),
        )[label]
        colours = rng.uniform(60, 200, (2, 3))
        colours[1] = 255 - colours[0]
        noisy = colours[drawn.astype(int)] + rng.normal(0, 10, (*size, 3))
        pixels[i] = np.clip(noisy, 0, 255)
    names = np.array(["lying", "standing", "disc"])
    return Photos(pixels, labels.astype(np.int64), columns={"shape": names[labels]})
