"""Centre crop of a photo, and its resize to the size of the network's input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

Pair = tuple[float, float]


def crop_problems(scanned: pd.DataFrame, crop: Pair | None) -> list[str]:
    """What is wrong with `crop` for photos of these sizes, before anything is decoded."""
    problems = crop_value_problems(crop)
    if crop is None or problems:
        return problems
    shapes = zip(scanned["path"], scanned["height"], scanned["width"], strict=True)
    return too_small_problems(
        [(p, h, w) for p, h, w in shapes if h and not fits((h, w), crop)], crop
    )


def crop_value_problems(crop: Pair | None) -> list[str]:
    """What is wrong with the numbers of a crop, whatever the photos."""
    if crop is None or (len(crop) == 2 and all(side > 0 for side in crop)):
        return []
    return [f"crop: {crop!r}, but must be [height, width], each above 0 (up to 1: a fraction)."]


def fits(shape: tuple[int, int], crop: Pair) -> bool:
    """Whether a photo of `shape` (height, width) is large enough."""
    return all(part <= 1 or part <= side for part, side in zip(crop, shape, strict=True))


def too_small_problems(photos: list[tuple[str, int, int]], crop: Pair) -> list[str]:
    """The problem of `photos` (path, height, width) that are smaller than `crop`, if there are any."""
    if not photos:
        return []
    examples = ", ".join(f"{path} is {h}x{w}" for path, h, w in photos[:3])
    return [
        f"crop: {crop[0]:g}x{crop[1]:g} (height x width) is larger than {len(photos)} photos: "
        f"{examples}. Choose a smaller crop, or fractions up to 1."
    ]


def crop_box(shape: tuple[int, int], crop: Pair | None) -> tuple[int, int, int, int]:
    """(top, left, height, width) of the part of a photo of `shape` (height, width) that is seen."""
    if crop is None:
        return 0, 0, *shape
    height, width = (
        max(1, round(part * side)) if part <= 1 else round(part)
        for part, side in zip(crop, shape, strict=True)
    )
    return (shape[0] - height) // 2, (shape[1] - width) // 2, height, width


def crop_and_resize(photo: np.ndarray, size: tuple[int, int], crop: Pair | None) -> np.ndarray:
    """Centre crop, then resize: (H, W, 3) -> (h, w, 3) uint8."""
    import cv2

    if crop is not None:
        top, left, high, wide = crop_box((photo.shape[0], photo.shape[1]), crop)
        photo = photo[top : top + high, left : left + wide]
    height, width = size
    shrunk = (min(height, photo.shape[0]), min(width, photo.shape[1]))
    if shrunk != photo.shape[:2]:
        photo = cv2.resize(photo, shrunk[::-1], interpolation=cv2.INTER_AREA)
    if shrunk != (height, width):
        photo = cv2.resize(photo, (width, height), interpolation=cv2.INTER_LINEAR)
    return photo
