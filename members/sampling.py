"""Which training photos an epoch sees, in which order, and which are rare.

Columns tell what a photo is: for each target the name of its class, and where years of age are
known `age_group`. They are those of the scoring, whatever boundaries a member trains with.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from members.codec import Codec
from members.errors import BadInput, nearest
from members.recipe import Recipe

if TYPE_CHECKING:
    import pandas as pd

    from members.dataset import Photos

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
    """Names (N,) str of what each photo is, by column; "" where unknown."""
    columns = {
        target: np.array([*names, ""])[frame[target].to_numpy()]
        for target, names in codec.targets.items()
    }
    if "age_years" in frame:
        columns["age_group"] = np.array(AGE_GROUPS)[age_groups(frame["age_years"].to_numpy())]
    return columns


def problems(recipe: Recipe, columns: Mapping[str, np.ndarray]) -> list[str]:
    """What of the recipe's sampling and mixing no photos of these columns can serve."""
    found = _column_problems(recipe, columns)
    if found or not recipe.mixing or recipe.mixing.partners == "random":
        return found
    ((column, names),) = recipe.mixing.partners.items()
    known = sorted({*columns[column].tolist()} - {""})
    return [
        f"mixing.partners: no training photo has {column} {name!r}, so the pool would be empty. "
        f"There are: {', '.join(known)}.{nearest(name, known)}"
        for name in names
        if name not in known
    ]


def _column_problems(recipe: Recipe, columns: Mapping[str, np.ndarray]) -> list[str]:
    asked = []
    if recipe.sampling != "shuffle":
        asked.append(("sampling.balance", recipe.sampling.balance, ["class", *columns]))
    if recipe.mixing and recipe.mixing.partners != "random":
        asked += [("mixing.partners", name, [*columns]) for name in recipe.mixing.partners]
    return [
        f"{key}: {name!r}, but these photos have {', '.join(known) or 'no columns'}."
        f"{nearest(name, known)}"
        for key, name, known in asked
        if name not in known
    ]


def check(recipe: Recipe, photos: Photos) -> None:
    """Raise BadInput where a training part lacks a column, or its pool is empty."""
    if found := _column_problems(recipe, photos.columns):
        raise BadInput(found)
    pool(recipe, photos.columns)


def pool(recipe: Recipe, columns: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Rows of the photos that mixing takes its partners from; None: any of the batch.

    Raises BadInput where the pool is empty.
    """
    if not recipe.mixing or recipe.mixing.partners == "random":
        return None
    ((column, names),) = recipe.mixing.partners.items()
    rows = np.flatnonzero(np.isin(columns[column], names))
    if not len(rows):
        named = " or ".join(map(repr, names))
        raise BadInput(f"mixing.partners: no training photo has {column} {named}")
    return rows


def order(recipe: Recipe, photos: Photos, seed: int) -> np.ndarray:
    """Rows (N,) in the order in which an epoch sees them; `seed` is that of the epoch.

    `shuffle`: each once. `balance`: drawn with replacement, each value of the column as likely as
    any other, so rare ones repeat and frequent ones are seen in part.
    """
    rng = np.random.default_rng(seed)
    if recipe.sampling == "shuffle":
        return rng.permutation(len(photos))
    by = recipe.sampling.balance
    values = photos.labels if by == "class" else photos.columns[by]
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return rng.choice(len(photos), len(photos), p=1 / (counts[which] * len(counts)))
