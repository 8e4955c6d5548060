"""Which photo is in which fold. A group (a person, a module) is never divided between two.

`fold` is an int16 array (N,): a photograph with fold f is validated by the model of fold f and
trained on by every other; -1 is trained on by all and validated by none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from members.data.codec import Codec
from members.data.columns import AGE_GROUPS, age_groups
from members.data.folds.stratified import stratified_group_folds
from members.errors import BadInput, nearest

if TYPE_CHECKING:
    import pandas as pd


def assign_folds(
    frame: pd.DataFrame,
    scheme: str,
    *,
    k: int | None = None,
    seed: int = 42,
    ratio: float = 0.2,
    n: int = 50,
) -> np.ndarray:
    """Folds (N,) int16 of the rows of `frame`; same seed, same folds, in whatever order they come.

    `kfold`: k folds 0..k-1, by group, stratified by class (those of scikit-learn's StratifiedGroupKFold,
    where `seed` decides only among groups of equally uneven classes). `holdout`: fold 0 is about
    `ratio` of the photos, by group, stratified; the rest is -1. `balanced_holdout`: fold 0 is `n`
    groups of each of the nine age groups of members/data/columns.py; the rest is -1. `all`: -1
    everywhere.
    Raises BadInput for an unknown scheme, a wrong k or ratio, more folds than groups, or age groups
    that are unknown or too small.
    """
    if scheme not in SCHEMES:
        raise BadInput(
            f"folds.scheme: {scheme!r}, but allowed are {', '.join(SCHEMES)}."
            f"{nearest(scheme, SCHEMES)}"
        )
    order = np.argsort(frame["image_id"].to_numpy(dtype=object), kind="stable")
    labels = frame["label"].to_numpy()[order]
    groups = np.unique(frame["group"].to_numpy(dtype=object)[order], return_inverse=True)[1]
    fold = np.empty(len(frame), dtype=np.int16)
    years = frame["age_years"].to_numpy()[order] if "age_years" in frame else None
    fold[order] = SCHEMES[scheme](labels, groups, k=k, seed=seed, ratio=ratio, n=n, years=years)
    require_whole_groups(frame, fold)
    return fold


def _kfold(labels: np.ndarray, groups: np.ndarray, *, k: int | None, seed: int, **_) -> np.ndarray:
    k = _require_k(k, labels, groups)
    fold = stratified_group_folds(labels, groups, k, seed)
    missing = sorted(set(range(k)) - set(fold.tolist()))
    if missing:
        raise BadInput(
            f"folds.k: {k}, but with {groups.max() + 1} groups of uneven size {len(missing)} folds "
            "stay empty. Choose a smaller k."
        )
    return fold


def _require_k(k: int | None, labels: np.ndarray, groups: np.ndarray) -> int:
    """k itself. Raises BadInput where these photos cannot be put into k folds."""
    number = int(groups.max()) + 1 if len(groups) else 0
    if not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 2:
        raise BadInput(f"folds.k: {k!r}, but must be a whole number >= 2.")
    if k > number:
        raise BadInput(
            f"folds.k: {k}, but the photos have {number} groups, and a group is never divided. "
            f"Choose k <= {number}."
        )
    largest = int(np.unique(labels, return_counts=True)[1].max())
    if k > largest:
        raise BadInput(
            f"folds.k: {k}, but no class has more than {largest} photos. Choose k <= {largest}."
        )
    return k


def _holdout(labels: np.ndarray, groups: np.ndarray, *, seed: int, ratio: float, **_) -> np.ndarray:
    """Takes groups in random order while each brings the classes' held-out shares nearer `ratio`.

    The distance is the sum over classes of (held-out photos - ratio * photos)^2 / photos.
    """
    if isinstance(ratio, bool) or not isinstance(ratio, int | float) or not 0 < ratio < 1:
        raise BadInput(f"folds.ratio: {ratio!r}, but must lie between 0 and 1, e.g. 0.2.")
    number = int(groups.max()) + 1 if len(groups) else 0
    if number < 2:
        raise BadInput(f"folds: the photos have {number} groups, but a hold-out needs at least 2.")
    classes = np.unique(labels, return_inverse=True)[1]
    counts = np.zeros((number, classes.max() + 1))
    np.add.at(counts, (groups, classes), 1)
    total = counts.sum(axis=0)
    short = ratio * total  # photos of each class that are still to be held out
    held = np.zeros(number, dtype=bool)
    order = np.random.default_rng(seed).permutation(number)
    for group in order:
        change = (counts[group] ** 2 - 2 * counts[group] * short) / total
        if change.sum() < 0 and held.sum() < number - 1:
            held[group] = True
            short = short - counts[group]
    if not held.any():
        held[order[0]] = True
    return np.where(held[groups], 0, -1)


def _balanced_holdout(
    labels: np.ndarray, groups: np.ndarray, *, seed: int, n: int, years: np.ndarray | None, **_
) -> np.ndarray:
    if years is None:
        raise BadInput(
            "folds.scheme: balanced_holdout needs ages in years, which only the layout `profiles` "
            "has. Use holdout."
        )
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise BadInput(f"folds.n: {n!r}, but must be a whole number >= 1.")
    first_row = np.unique(groups, return_index=True)[1]
    ages = age_groups(years[first_row])  # (groups,)
    short = [
        f"{AGE_GROUPS[age]}: {count}"
        for age, count in zip(*np.unique(ages, return_counts=True), strict=True)
        if count <= n
    ]
    if short:
        raise BadInput(
            f"folds.n: {n}, but these age groups have no more people, so none would be left to "
            f"train on: {', '.join(short)}. Choose a smaller n."
        )
    rng = np.random.default_rng(seed)
    held = np.concatenate(
        [rng.choice(np.flatnonzero(ages == age), n, replace=False) for age in np.unique(ages)]
    )
    return np.where(np.isin(groups, held), 0, -1)


def _all(labels: np.ndarray, groups: np.ndarray, **_) -> np.ndarray:
    return np.full(len(labels), -1)


SCHEMES: dict[str, Callable[..., np.ndarray]] = {
    "kfold": _kfold,
    "holdout": _holdout,
    "balanced_holdout": _balanced_holdout,
    "all": _all,
}


def n_folds(fold: np.ndarray) -> int:
    """Models that one member trains by `fold` (N,) int: k; 1 for a hold-out or no hold-out."""
    return max(1, int(np.max(fold, initial=-1)) + 1)


def require_whole_groups(frame: pd.DataFrame, fold: np.ndarray) -> None:
    """Raise BadInput where a group has two folds. fold: (N,) int, of the rows of `frame`."""
    pairs = frame[["group"]].assign(fold=fold).drop_duplicates()
    split = pairs["group"][pairs["group"].duplicated()].unique()
    if len(split):
        raise BadInput(
            f"folds: {len(split)} groups stand in more than one fold: {', '.join(split[:3])}. "
            "Every photo of a group must have the same fold."
        )


def photos_by_class(frame: pd.DataFrame, fold: np.ndarray, codec: Codec) -> pd.DataFrame:
    """Number of photos by class (rows, named) and fold (columns, int; -1 first where it occurs).

    fold: (N,) int, of the rows of `frame`.

    Rows without a label are counted in a last row "unknown" if there are any.
    """
    import pandas as pd

    names = pd.Index([*codec.classes, "unknown"], name="class")
    labels = frame["label"].to_numpy()
    rows = np.where(labels < 0, len(codec.classes), labels)
    columns = [-1] * bool((fold == -1).any()) + list(range(int(np.max(fold, initial=-1)) + 1))
    counts = {f: np.bincount(rows[fold == f], minlength=len(names)) for f in columns}
    table = pd.DataFrame(counts, index=names)
    table.columns.name = "fold"
    return table if (labels < 0).any() else table.iloc[:-1]


def absent_classes(frame: pd.DataFrame, fold: np.ndarray, codec: Codec) -> list[str]:
    """A warning for each class without photos, and each that a fold's training part lacks.

    fold: (N,) int, of the rows of `frame`.
    """
    table = photos_by_class(frame, fold, codec).loc[list(codec.classes)]
    total = table.sum(axis=1)
    texts = [f"class {name} has no photos." for name in table.index[total == 0]]
    for number in range(int(np.max(fold, initial=-1)) + 1):
        lost = table.index[(total > 0) & (table[number] == total)]
        texts += [
            f"class {name} is absent from the training part of fold {number}: "
            f"all its {total[name]} photos are held out there."
            for name in lost
        ]
    return texts
