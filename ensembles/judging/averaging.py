"""What a vote gains on test rows from the mean over the folds' models.

An out-of-fold row is predicted by one model a member, a test row by the mean of all folds' models,
so that the OOF score says too little of the test part. No label is needed to tell by how much: each
fold's vote in turn, calibrated on out-of-fold rows, stands for the truth, by which the vote of the
other folds' mean is scored beside the votes of each of them alone. Had the vote that is judged
a part in the truth it would be flattered; so the truth's fold is left out of it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ensembles.rules.mean import AnyRule
from ensembles.rules.pools import adjust
from ensembles.scores.scorers import EPSILON

# The mean of two folds' models is the least that can be judged by a third.
LEAST_FOLDS = 3


def votes_by_fold(
    rule: AnyRule, mean: np.ndarray, by_fold: Iterable[np.ndarray], n_folds: int
) -> tuple[np.ndarray, np.ndarray]:
    """The vote by each fold's models alone, and by the mean of all others': (F, T, K) float32 each.

    mean: (M, T, K), the test tables. by_fold: for each of the `n_folds` folds the predictions
    (M, T, K) of its models, whose mean is `mean`; one at a time is held in memory.
    """
    alone, others = (np.empty((n_folds, *mean.shape[1:]), np.float32) for _ in range(2))
    for fold, own in enumerate(by_fold):
        alone[fold] = rule.apply(own)
        rest = (np.float32(n_folds) * mean - own) / np.float32(n_folds - 1)
        others[fold] = rule.apply(np.maximum(rest, 0))  # rounding leaves some just below
    return alone, others


def expected_gains(
    alone: np.ndarray, others: np.ndarray, temperature: float = 1.0
) -> dict[str, float]:
    """`macro_f1`, `accuracy` and `log_loss` of a vote by the mean of F folds' models, less those of
    a vote by one fold's: what is expected, from F >= LEAST_FOLDS folds.

    alone, others: (F, T, K), the vote by each fold's models, and by the mean of all others'.
    temperature: what calibrates the vote on labelled rows (`offsets.fit_temperature`); the truth
    is calibrated by it, the votes that are judged are as they are.

    Accuracy and log-loss are linear in the truth, so models of other folds that err independently
    of its fold's bias neither; macro F1 is taken of expected counts. The mean of F - 1 models is
    what was judged: as variance falls with the number of models, the gain of F is greater by
    (1 - 1 / F) / (1 - 1 / (F - 1)).
    """
    n_folds = len(alone)
    assert n_folds >= LEAST_FOLDS, "a mean of one fold's models is no mean"
    found: dict[str, list[float]] = {}
    for fold in range(n_folds):
        truth = adjust(alone[fold], None, temperature).astype(np.float64)
        truth /= truth.sum(axis=1, keepdims=True)
        single = [_expected(truth, alone[g]) for g in range(n_folds) if g != fold]
        for name, score in _expected(truth, others[fold]).items():
            base = float(np.mean([own[name] for own in single]))
            found.setdefault(name, []).append(score - base)
    more = (1 - 1 / n_folds) / (1 - 1 / (n_folds - 1))
    return {name: float(np.mean(gains)) * more for name, gains in found.items()}


def _expected(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Scores of (T, K) probabilities where `truth` (T, K) says how likely each class is true."""
    n_rows, n_classes = truth.shape
    guess = probabilities.argmax(axis=1)
    right = truth[np.arange(n_rows), guess]
    hits = np.bincount(guess, right, n_classes)
    occurrences = np.bincount(guess, minlength=n_classes) + truth.sum(axis=0)
    f1 = 2 * hits / np.where(occurrences > 0, occurrences, 1)
    rows = probabilities.astype(np.float64)
    logs = np.log(np.maximum(rows / rows.sum(axis=1, keepdims=True), EPSILON))
    return {
        "macro_f1": float(f1.mean()),
        "accuracy": float(right.mean()),
        "log_loss": float(-(truth * logs).sum() / n_rows),
    }
