"""The score of a vote on rows to which neither its members nor its weights were fitted.

Members' out-of-fold predictions are honest already. Weights are not: their score on the rows they
were fitted to is too good. So they are fitted once more for each fold, to the rows of all the
others, and the held-out rows of all folds are scored together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ensembles.errors import BadInput, examples
from ensembles.files.reading.repeats import draw_folds as draw_folds
from ensembles.files.table import Table
from ensembles.judging.steps import Progress, Steps
from ensembles.rules.mean import AnyRule
from ensembles.rules.pools import Rule
from ensembles.scores import metrics
from ensembles.weights.stack import Stack


def nested_rules(
    stack: Stack,
    folds: np.ndarray,
    fit: Callable[[Stack], Rule],
    progress: Progress | None = None,
) -> list[tuple[np.ndarray, Rule]]:
    """For each fold its rows (indices) and the rule fitted to all others."""
    names = np.unique(folds)
    steps = Steps(len(names), progress)
    return [
        (np.flatnonzero(folds == fold), steps.counted(fit(stack.take(folds != fold))))
        for fold in names
    ]


def apply_held_out(stack: Stack, rules: Sequence[tuple[np.ndarray, AnyRule]]) -> np.ndarray:
    """(N, K) float32, each row's vote by the rule fitted without it."""
    held_out = np.empty(stack.probabilities.shape[1:], np.float32)
    for rows, rule in rules:
        held_out[rows] = rule.apply(np.take(stack.probabilities, rows, axis=1))
    return held_out


def estimate(
    labels: np.ndarray,
    probabilities: np.ndarray,
    groups: np.ndarray | None = None,
    views: metrics.Views | None = None,
) -> dict[str, float | dict[str, float]]:
    """`metrics.score_all` and the `standard_error` of each, of pooled held-out predictions.

    The error is the delta method's over rows, or over `groups` (N,) where rows of one person err
    together (`influence.standard_error`): it needs no draws, and unlike the spread over a handful of
    folds it is not itself a guess from five numbers. It does not count that the weights, refitted,
    would differ a little.
    """
    errors = metrics.standard_errors(labels, probabilities, groups, views)
    return {**metrics.score_all(labels, probabilities, views), "standard_error": errors}


def folds_for_weights(
    folds: np.ndarray, groups: np.ndarray | None = None, least: int = 2
) -> np.ndarray:
    """The tables' folds (N,), or five drawn ones where there are fewer than `least` (a hold-out).

    No member saw the row that it predicts, so any split of the groups is honest for weights.
    """
    if len(np.unique(folds)) >= least:
        return folds
    return draw_folds(len(folds), groups).astype(folds.dtype)


def group_array(oof: Mapping[str, Table], groups: Mapping[str, str] | None) -> np.ndarray | None:
    """(N,) str, the group of each row of aligned tables; without `groups` (image id -> group) the
    column `group` of the first table that has it, or None. Raises BadInput.
    """
    ids = next(iter(oof.values())).ids
    if groups is None:
        return next((table.group for table in oof.values() if table.group is not None), None)
    without = [image_id for image_id in ids if image_id not in groups]
    if without:
        raise BadInput(f"{len(without)} OOF rows are of no group: {examples(without)}.")
    return np.array([str(groups[image_id]) for image_id in ids])
