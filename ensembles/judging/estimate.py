"""The score of a vote on rows to which neither its members nor its weights were fitted.

Members' out-of-fold predictions are honest already. Weights are not: their score on the rows they
were fitted to is too good. So they are fitted once more for each fold, to the rows of all the
others, and the held-out rows of all folds are scored together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor

import numpy as np

from ensembles.errors import BadInput, examples
from ensembles.files.reading.repeats import draw_folds as draw_folds
from ensembles.files.table import Table
from ensembles.judging.steps import Progress, Steps
from ensembles.rules.mean import AnyRule
from ensembles.rules.pools import Rule
from ensembles.scores import metrics
from ensembles.scores.groups import distinct
from ensembles.scores.together import scores_and_errors
from ensembles.weights.predicted import predicted
from ensembles.weights.stack import Stack

# Of more rows these are enough to tell how far two rules score apart.
REFIT_ROWS = 4096


def nested_rules(
    stack: Stack,
    folds: np.ndarray,
    fit: Callable[[Stack], Rule],
    progress: Progress | None = None,
) -> list[tuple[np.ndarray, Rule]]:
    """For each fold its rows (indices) and the rule fitted to all others."""
    names = distinct(folds)
    steps = Steps(len(names), progress)
    return [
        (np.flatnonzero(folds == fold), steps.counted(fit(stack.take(folds != fold))))
        for fold in names
    ]


def apply_held_out(
    stack: Stack,
    rules: Sequence[tuple[np.ndarray, AnyRule]],
    threads: Executor | None = None,
) -> np.ndarray:
    """(N, K) float32, each row's vote by the rule fitted without it.

    Of a large stack by `predicted`, but for float32 rounding the same, the rules side by side.
    """
    held_out = np.empty((stack.n_rows, stack.n_classes), np.float32)

    def apply(of: tuple[np.ndarray, AnyRule]) -> None:
        rows, rule = of
        part = stack if is_all(rows, stack.n_rows) else stack.take(rows)
        held_out[rows] = predicted(part, rule) if part.is_large else rule.apply(part.probabilities)

    deque((threads.map if threads and stack.is_large else map)(apply, rules), maxlen=0)
    return held_out


def is_all(rows: np.ndarray, n_rows: int) -> bool:
    """Whether rows (indices) are all of so many, in their order."""
    return len(rows) == n_rows and bool((rows == np.arange(n_rows)).all())


def refit_shifts(
    stack: Stack, rule: AnyRule, rules: Sequence[AnyRule], views: metrics.Views | None = None
) -> dict[str, float]:
    """How far apart the vote and its refitted rules score on the same rows, by metric.

    The estimate is of rules that were fitted without a fold, the vote is fitted to all rows. The
    difference of their mean scores on all rows is what Burman (1989) corrects k-fold
    cross-validation by; it is near 0 where refitting changes little. Of metrics that are means of rows'
    scores of probabilities, since decisions change by steps. rules: one for each fold, fitted without it.
    """
    refitted = list({id(own): own for own in rules if own is not rule}.values())
    wanted = [name for name in metrics.of_votes(views) if metrics.named(name).row_scores]
    if not refitted:
        return dict.fromkeys(wanted, 0.0)
    part = stack
    if len(stack.labels) > REFIT_ROWS:
        order = np.random.default_rng(0).permutation(len(stack.labels))
        part = stack.take(np.sort(order[:REFIT_ROWS]))
    found = dict.fromkeys(wanted, 0.0)
    for own, sign in ((rule, 1.0), *((own, -1.0 / len(refitted)) for own in refitted)):
        mixed = predicted(part, own)
        for name in wanted:
            score = metrics.named(name).score(part.labels, mixed, (views or {}).get(name))
            found[name] += sign * score
    return found


def estimate(
    labels: np.ndarray,
    probabilities: np.ndarray,
    groups: np.ndarray | None = None,
    views: metrics.Views | None = None,
    shifts: Mapping[str, float] | None = None,
    decided: np.ndarray | None = None,
) -> dict[str, float | dict[str, float]]:
    """`metrics.score_all` and the `standard_error` of each, of pooled held-out predictions.

    The error is `Metric.standard_error` over rows, or over `groups` (N,) where rows of one person
    err together: it needs no draws, and unlike the spread over a handful of folds it is not itself
    a guess from five numbers. shifts: `refit_shifts`, added in quadrature where weights were fitted.
    decided: (N,) int, the most probable classes, where they are known already.
    """
    scores, errors = scores_and_errors(labels, probabilities, groups, views, decided)
    return {**scores, "standard_error": with_shifts(errors, shifts)}


def with_shifts(
    errors: Mapping[str, float], shifts: Mapping[str, float] | None
) -> dict[str, float]:
    """Standard errors by metric, with what refitting adds to them."""
    return {
        name: float(np.hypot(own, (shifts or {}).get(name, 0.0))) for name, own in errors.items()
    }


def folds_for_weights(
    folds: np.ndarray, groups: np.ndarray | None = None, least: int = 2
) -> np.ndarray:
    """The tables' folds (N,), or five drawn ones where there are fewer than `least` (a hold-out).

    No member saw the row that it predicts, so any split of the groups is honest for weights.
    """
    if len(distinct(folds)) >= least:
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
