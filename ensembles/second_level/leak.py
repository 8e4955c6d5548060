"""Where a stack among the members would make the estimate of a vote too good, and what is done about it.

A vote's weights without fold g are fitted to a stack's rows of other folds, whose stackers saw the labels of
g. Where folds differ in their class shares, what a stacker makes rare in fold g is what is frequent
there, and a weight below 0 turns that round. A ridge of 10 photographs keeps weights from it, one of 1
does not; docs/voting.md has what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ensembles.files.table import OofTable
from ensembles.judging.estimate import folds_for_weights

# Random draws that folds are compared with: more even than all of them are 1 in 20 of such.
DRAWS = 19


def leak_of(oof: Mapping[str, OofTable], groups: np.ndarray | None) -> str:
    """What makes scores of weights below 0 too good, in words; empty where nothing does.

    oof: aligned tables, which say of themselves whether they are a stack's. groups: (N,) or None.
    """
    stacks = [name for name, table in oof.items() if table.meta.get("stack")]
    first = next(iter(oof.values()))
    folds = folds_for_weights(first.fold, groups, least=3)
    if not stacks or len(oof) < 2 or evenly_shared(first.label, folds, groups):
        return ""
    those = f"{stacks[0]} is a stack" if len(stacks) == 1 else f"{', '.join(stacks)} are stacks"
    return f"{those}, and the folds' class shares differ as those of folds drawn at random"


def evenly_shared(labels: np.ndarray, folds: np.ndarray, groups: np.ndarray | None = None) -> bool:
    """Whether folds share the classes as stratified ones do: each class within a row of its share, or
    with a smaller chi-square than DRAWS random draws of whole groups into them.

    labels, folds, groups: (N,).
    """
    classes = np.unique(labels, return_inverse=True)[1]
    numbers, of_fold = np.unique(folds, return_inverse=True)
    units = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    fold_of = np.zeros(int(units.max()) + 1, np.intp)
    fold_of[units] = of_fold
    shape = len(numbers), int(classes.max()) + 1

    def unevenness(fold_of: np.ndarray) -> tuple[float, float]:
        """Chi-square, and the most rows that a class has more or less than its share in a fold."""
        cells = np.bincount(fold_of[units] * shape[1] + classes, minlength=shape[0] * shape[1])
        found = cells.reshape(shape)
        share = np.outer(found.sum(axis=1), found.sum(axis=0)) / len(labels)
        return float(((found - share) ** 2 / share).sum()), float(abs(found - share).max())

    own, rows = unevenness(fold_of)
    if rows <= 1:
        return True
    rng = np.random.default_rng(0)
    return all(own < unevenness(rng.permutation(fold_of))[0] for _ in range(DRAWS))
