"""Which training photos make up an epoch, in which order, and the pool of mixing partners.

Columns are those of members/data/columns.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from members.errors import BadInput, nearest
from members.recipe.recipe import Recipe

if TYPE_CHECKING:
    from members.batches.photos import Photos


def sampling_problems(recipe: Recipe, columns: Mapping[str, np.ndarray]) -> list[str]:
    """Columns and values of the recipe's sampling and mixing that the photos lack.

    columns: name -> (N,) str, of all photos to train on.
    """
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
    named = []
    if recipe.sampling != "shuffle":
        named.append(("sampling.balance", recipe.sampling.balance, ["class", *columns]))
    if recipe.mixing and recipe.mixing.partners != "random":
        named += [("mixing.partners", name, [*columns]) for name in recipe.mixing.partners]
    return [
        f"{key}: {name!r}, but these photos have {', '.join(known) or 'no columns'}."
        f"{nearest(name, known)}"
        for key, name, known in named
        if name not in known
    ]


def require_columns(recipe: Recipe, photos: Photos) -> None:
    """Raise BadInput where a training part lacks a column, or its pool is empty."""
    if found := _column_problems(recipe, photos.columns):
        raise BadInput(found)
    partner_pool(recipe, photos.columns)


def partner_pool(recipe: Recipe, columns: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Rows (P,) int64 of the photos that mixing draws partners from; None: any of the batch.

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


def epoch_order(recipe: Recipe, photos: Photos, seed: int) -> np.ndarray:
    """Rows (N,) int64 in the order of one epoch; `seed` is that of the epoch.

    `shuffle`: each once. `balance`: drawn with replacement, each value of the column as likely as
    any other, so photos of rare ones repeat and some of frequent ones are left out. With `repeats` r
    the first N / r of these, each r times (Hoffer et al. 2020, arXiv:1901.09335; timm's
    RepeatAugSampler).
    """
    order = _drawn(recipe, photos, np.random.default_rng(seed))
    return order if recipe.repeats == 1 else order.repeat(recipe.repeats)[: len(order)]


def _drawn(recipe: Recipe, photos: Photos, rng: np.random.Generator) -> np.ndarray:
    if recipe.sampling == "shuffle":
        return rng.permutation(len(photos))
    by = recipe.sampling.balance
    values = photos.labels if by == "class" else photos.columns[by]
    assert values is not None, "fit takes no training photos without labels"
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return rng.choice(len(photos), len(photos), p=1 / (counts[which] * len(counts)))
