"""Scores of labels and probabilities, and their standard errors.

labels, predictions: (N,) int in 0..K-1. probabilities: (N, K), rows sum to 1. The list of classes
is fixed: macro F1 is the mean over all K, and a class that occurs neither in truth nor in
prediction counts as 0, as scikit-learn's `f1_score(average="macro", labels=range(K),
zero_division=0)` has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

METRICS = ("macro_f1", "accuracy", "log_loss")
# (K,) int for each metric of one target (`macro_f1:age`): the target's value that class k means.
PerTarget = Mapping[str, np.ndarray]
# A probability below this counts as this: a class that was ruled out costs 34.5, not infinity.
EPSILON = 1e-15


def confusion(labels: np.ndarray, predictions: np.ndarray, n_classes: int) -> np.ndarray:
    """(K, K) int64 counts, [true class, predicted class]."""
    cells = labels.astype(np.int64) * n_classes + predictions
    return np.bincount(cells, minlength=n_classes * n_classes).reshape(n_classes, n_classes)


def f1_by_class(counts: np.ndarray) -> np.ndarray:
    """(K,) float64 from confusion counts (K, K); 0 for a class that occurs nowhere."""
    occurrences = counts.sum(axis=0) + counts.sum(axis=1)
    return 2 * counts.diagonal() / np.maximum(occurrences, 1)


def macro_f1(labels: np.ndarray, predictions: np.ndarray, n_classes: int) -> float:
    """Mean of the K classes' F1; classes that occur nowhere count as 0."""
    return float(f1_by_class(confusion(labels, predictions, n_classes)).mean())


def accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Share of rows whose prediction is the label."""
    return float(np.mean(labels == predictions))


def row_losses(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(N,) float64, -log of each row's probability of its label.

    Rows are renormalised in float64 first: float32 rows sum to 1 only within 1e-7.
    """
    true = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    total = probabilities.sum(axis=1, dtype=np.float64)
    return -np.log(np.maximum(true / total, EPSILON))


def log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of `row_losses`."""
    return float(row_losses(labels, probabilities).mean())


def calibration_error(labels: np.ndarray, probabilities: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error of the top class over equal-width bins of confidence.

    Sum over bins of (share of rows) x |accuracy - mean confidence| (Guo et al. 2017).
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == labels
    which = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return float(abs(np.bincount(which, correct - confidence, bins)).sum() / len(labels))


def scores(
    labels: np.ndarray, probabilities: np.ndarray, per_target: PerTarget | None = None
) -> dict[str, float]:
    """`macro_f1`, `accuracy`, `log_loss` and those of `per_target`, by name.

    The predicted class is the first most probable; the predicted value of a target is its, while
    a target's log-loss is that of the summed probability of all classes that mean the value.
    """
    views = _views(labels, probabilities, per_target)
    return {name: _score(base(name), *view) for name, view in views.items()}


def base(metric: str) -> str:
    """`macro_f1` of `macro_f1:age`."""
    return metric.partition(":")[0]


def by_value(probabilities: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(N, V) summed probabilities of the classes (N, K) that mean each value; values: (K,)."""
    return probabilities @ np.eye(int(values.max()) + 1, dtype=probabilities.dtype)[values]


def by_class(counts: np.ndarray, classes: Sequence[str]) -> list[dict[str, str | float | int]]:
    """A row a class from confusion counts (K, K): precision, recall, f1, support, predicted."""
    hits, support, predicted = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    return [
        {
            "class": str(name),
            "precision": float(hits[k] / max(predicted[k], 1)),
            "recall": float(hits[k] / max(support[k], 1)),
            "f1": float(f1),
            "support": int(support[k]),
            "predicted": int(predicted[k]),
        }
        for k, (name, f1) in enumerate(zip(classes, f1_by_class(counts), strict=True))
    ]


def by_target(
    labels: np.ndarray, predictions: np.ndarray, target_of_class: Mapping[str, np.ndarray]
) -> dict[str, dict[str, float]]:
    """Accuracy and macro F1 of each target that a joint class stands for.

    target_of_class: for each target (K,) int, the target's index that joint class k means.
    """
    found = {}
    for target, index in target_of_class.items():
        index = np.asarray(index)
        truth, guess = index[labels], index[predictions]
        found[target] = {
            "accuracy": accuracy(truth, guess),
            "macro_f1": macro_f1(truth, guess, int(index.max()) + 1),
        }
    return found


def by_marginals(
    labels: np.ndarray, probabilities: np.ndarray, target_of_class: Mapping[str, np.ndarray]
) -> dict[str, dict[str, float]]:
    """As `by_target`, with each target's most probable class by its own marginal probability.

    A marginal is the sum of the joint probabilities (N, K) over the other targets' classes; its
    winner need not be part of the most probable joint class.
    """
    found = {}
    for target, index in target_of_class.items():
        index = np.asarray(index)
        marginal = probabilities.astype(np.float64) @ np.eye(int(index.max()) + 1)[index]
        truth, guess = index[labels], marginal.argmax(axis=1)
        found[target] = {
            "accuracy": accuracy(truth, guess),
            "macro_f1": macro_f1(truth, guess, marginal.shape[1]),
        }
    return found


def influence(
    labels: np.ndarray, probabilities: np.ndarray, per_target: PerTarget | None = None
) -> dict[str, np.ndarray]:
    """(N,) float64 for each metric of `scores`: how much one row moves it, times N. Sums to 0.

    Accuracy and log-loss are means over rows; for macro F1 see `f1_influence`.
    """
    views = _views(labels, probabilities, per_target)
    return {name: _influence(base(name), *view) for name, view in views.items()}


def score_with_influence(
    metric: str, labels: np.ndarray, probabilities: np.ndarray, values: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """One metric's score and (N,) influence, of a target where `values` (K,) are given."""
    per_target = None if values is None else {metric: values}
    view = _view(metric, labels, probabilities.argmax(axis=1), probabilities, per_target)
    return _score(base(metric), *view), _influence(base(metric), *view)


def f1_influence(labels: np.ndarray, predictions: np.ndarray, n_classes: int) -> np.ndarray:
    """(N,) float64, how much one row moves macro F1, times N: `cell_influence` of its cell."""
    return _f1_moves(confusion(labels, predictions, n_classes))[labels, predictions]


def scores_of_counts(counts: np.ndarray, per_target: PerTarget | None = None) -> dict[str, float]:
    """`macro_f1`, `accuracy` and those of `per_target` from confusion counts (K, K)."""
    views = {"macro_f1": counts, "accuracy": counts}
    views |= {name: _merged(counts, values) for name, values in (per_target or {}).items()}
    return {
        name: float(
            f1_by_class(own).mean() if base(name) == "macro_f1" else own.trace() / own.sum()
        )
        for name, own in views.items()
    }


def cell_influence(
    counts: np.ndarray, per_target: PerTarget | None = None
) -> dict[str, np.ndarray]:
    """For each metric of `scores_of_counts` (K, K) float64: how much one row of each true and
    predicted class moves it, times N.

    F1 of class k is 2 tp / (true + predicted), so with occ_k = (true + predicted) / N a row adds
    (2 [tp] - F1_k ([true = k] + [predicted = k])) / occ_k: the derivative of the ratio in the row's
    weight (the delta method).
    """
    found = {"macro_f1": _f1_moves(counts), "accuracy": _accuracy_moves(counts)}
    for name, values in (per_target or {}).items():
        moves = _f1_moves if base(name) == "macro_f1" else _accuracy_moves
        found[name] = moves(_merged(counts, values))[np.ix_(values, values)]
    return found


def _f1_moves(counts: np.ndarray) -> np.ndarray:
    f1 = f1_by_class(counts)
    occurs = np.maximum(counts.sum(axis=0) + counts.sum(axis=1), 1) / counts.sum()
    return (np.diag(2 / occurs) - (f1 / occurs)[:, None] - f1 / occurs) / len(counts)


def _accuracy_moves(counts: np.ndarray) -> np.ndarray:
    return np.eye(len(counts)) - counts.trace() / counts.sum()


def _merged(counts: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(V, V) counts of a target's values from those of the classes (K, K)."""
    means = np.eye(int(values.max()) + 1, dtype=counts.dtype)[values]
    return means.T @ counts @ means


def standard_errors(
    labels: np.ndarray,
    probabilities: np.ndarray,
    groups: np.ndarray | None = None,
    per_target: PerTarget | None = None,
) -> dict[str, float]:
    """Standard error of each metric by the delta method, which needs no draws and no seed.

    groups: (N,) ids of what was sampled, a person with several photographs say: rows of a group
    err together, so their influences are summed first. Without groups rows count as independent,
    and where they are not the error comes out too small.
    """
    return {
        metric: standard_error(moves, groups)
        for metric, moves in influence(labels, probabilities, per_target).items()
    }


def _views(
    labels: np.ndarray, probabilities: np.ndarray, per_target: PerTarget | None
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For each metric by name the labels, predictions and probabilities that it looks at."""
    guess = probabilities.argmax(axis=1)
    names = [*METRICS, *(per_target or {})]
    return {name: _view(name, labels, guess, probabilities, per_target) for name in names}


def _view(
    metric: str,
    labels: np.ndarray,
    guess: np.ndarray,
    probabilities: np.ndarray,
    per_target: PerTarget | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if not per_target or metric not in per_target:
        return labels, guess, probabilities
    values = per_target[metric]
    return values[labels], values[guess], by_value(probabilities, values)


def _score(
    metric: str, labels: np.ndarray, predictions: np.ndarray, probabilities: np.ndarray
) -> float:
    if metric == "macro_f1":
        return macro_f1(labels, predictions, probabilities.shape[1])
    if metric == "accuracy":
        return accuracy(labels, predictions)
    return log_loss(labels, probabilities)


def _influence(
    metric: str, labels: np.ndarray, predictions: np.ndarray, probabilities: np.ndarray
) -> np.ndarray:
    if metric == "macro_f1":
        return f1_influence(labels, predictions, probabilities.shape[1])
    if metric == "accuracy":
        moves = (labels == predictions).astype(np.float64)
    else:
        moves = row_losses(labels, probabilities)
    return moves - moves.mean()


def standard_error(moves: np.ndarray, groups: np.ndarray | None = None) -> float:
    """Standard error of a metric from its rows' influences (N,), or of a difference from theirs."""
    n_rows = len(moves)
    if groups is not None:
        moves = np.bincount(np.unique(groups, return_inverse=True)[1], moves)
    if len(moves) < 2:
        return 0.0
    return float(np.sqrt(moves @ moves * len(moves) / (len(moves) - 1)) / n_rows)
