"""Attributes of the photos by column, for sampling, mixing and folds.

For each target the name of its class, and where years of age are known `age_group`. The classes are
those of the scoring, whatever boundaries a member trains with.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from members.data.codec import Codec

if TYPE_CHECKING:
    import pandas as pd

AGE_STARTS = (25, 30, 35, 40, 45, 50, 55, 60)
AGE_GROUPS = (
    "<25",
    *(f"{a}-{b - 1}" for a, b in itertools.pairwise(AGE_STARTS)),
    ">=60",
)


def age_groups(years: np.ndarray) -> np.ndarray:
    """Years (N,) int -> index (N,) int into the nine AGE_GROUPS, five years each."""
    return np.searchsorted(AGE_STARTS, np.asarray(years), side="right")


def columns_of(frame: pd.DataFrame, codec: Codec) -> dict[str, np.ndarray]:
    """Column -> class name of each photo (N,) str; "" where unknown.

    frame: N rows of the table of members/data/layouts.py.
    """
    columns = {
        target: np.array([*names, ""])[frame[target].to_numpy()]
        for target, names in codec.targets.items()
    }
    if "age_years" in frame:
        columns["age_group"] = np.array(AGE_GROUPS)[age_groups(frame["age_years"].to_numpy())]
    return columns


def age_class(years: int, bounds: tuple[int, int] = (30, 60)) -> int:
    """Class of an age in years: 0 below the first boundary, 1 below the second, 2 from there on."""
    return sum(years >= bound for bound in bounds)
