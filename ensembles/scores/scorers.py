"""What each metric is, as a formula: of confusion counts, or of labels and probabilities.

labels, predictions: (N,) int in 0..K-1. probabilities: (N, K), rows sum to 1. counts: (K, K),
[true class, predicted class]. The list of classes is fixed: a mean over classes is over all K, and
each formula states what a class counts for which it is 0/0.
"""

from __future__ import annotations

import numpy as np

# A probability below this counts as this: a class that was ruled out costs 34.5, not infinity.
EPSILON = 1e-15


def confusion(labels: np.ndarray, predictions: np.ndarray, n_classes: int) -> np.ndarray:
    """(K, K) int64 counts, [true class, predicted class]."""
    cells = labels.astype(np.int64) * n_classes + predictions
    return np.bincount(cells, minlength=n_classes * n_classes).reshape(n_classes, n_classes)


def f1_by_class(counts: np.ndarray) -> np.ndarray:
    """(K,) float64; 0 for a class that is neither true nor predicted."""
    occurrences = counts.sum(axis=0) + counts.sum(axis=1)
    return 2 * counts.diagonal() / np.maximum(occurrences, 1)


def mean_f1(counts: np.ndarray) -> float:
    """Macro F1: the mean of the K classes' F1.

    A class that occurs nowhere counts as 0, as in scikit-learn's `f1_score(average="macro",
    labels=range(K), zero_division=0)`.
    """
    return float(f1_by_class(counts).mean())


def macro_f1(labels: np.ndarray, predictions: np.ndarray, n_classes: int) -> float:
    """`mean_f1` of these rows, without the K x K counts."""
    hits = np.bincount(labels[labels == predictions], minlength=n_classes)
    occurrences = np.bincount(predictions, minlength=n_classes)
    occurrences += np.bincount(labels, minlength=n_classes)
    return float((2 * hits / np.maximum(occurrences, 1)).mean())


def share_of_hits(counts: np.ndarray) -> float:
    """Accuracy: the share of rows whose prediction is the label."""
    return float(counts.trace() / counts.sum())


def accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """`share_of_hits` of these rows."""
    return float(np.mean(labels == predictions))


def mean_recall(hits: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Balanced accuracy: mean over the K classes (first axis) of hits / true counts.

    A class without true rows counts as 0, as in `recall_score(average="macro", labels=range(K),
    zero_division=0)`; scikit-learn's `balanced_accuracy_score` leaves it out of the mean and warns.
    """
    return (hits / np.maximum(true, 1)).mean(axis=0)


def correlation(hits: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Matthews' correlation of K classes (Gorodkin 2004), from the number of hits and the predicted
    and true counts (classes on the first axis).

    0 where all rows are of one class or predicted as one, as in `matthews_corrcoef`. A class that
    occurs nowhere makes no difference.
    """
    true, predicted = np.asarray(true, np.float64), np.asarray(predicted, np.float64)
    n = true.sum(axis=0)
    shared = hits * n - (true * predicted).sum(axis=0)
    spread = (n * n - (true * true).sum(axis=0)) * (n * n - (predicted * predicted).sum(axis=0))
    return np.where(spread > 0, shared / np.sqrt(np.where(spread > 0, spread, 1)), 0.0)


def squared_distances(n_classes: int) -> np.ndarray:
    """(K, K) float64 (i - j)^2: the classes' order is that of their numbers."""
    numbers = np.arange(n_classes, dtype=np.float64)
    return (numbers[:, None] - numbers) ** 2


def kappa(disagreement: np.ndarray, by_chance: np.ndarray) -> np.ndarray:
    """1 - disagreement / by_chance (Cohen 1968); 0 where all rows are of one class and predicted as
    it, where chance leaves nothing to disagree about (scikit-learn: NaN).
    """
    return np.where(by_chance > 0, 1 - disagreement / np.where(by_chance > 0, by_chance, 1), 0.0)


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


def roc_auc_by_class(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(K,) float64: for each class the chance that a row of it has a higher probability of it than
    a row of another class, ties half (Mann and Whitney 1947).

    A class without rows, or without others, counts as 0.5, a ranking by chance; scikit-learn warns
    and has NaN for it.
    """
    found = np.full(probabilities.shape[1], 0.5)
    for k, column in enumerate(np.ascontiguousarray(probabilities.T)):
        own, other = column[labels == k], np.sort(column[labels != k])
        if len(own) and len(other):
            # twice the number of pairs won, a tie being half a pair: whole numbers, so exact
            won = (
                np.searchsorted(other, own, "left").sum()
                + np.searchsorted(other, own, "right").sum()
            )
            found[k] = won / (2 * len(own) * len(other))
    return found


def roc_auc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of `roc_auc_by_class`: one class against the rest, all K alike, as
    `roc_auc_score(multi_class="ovr", average="macro", labels=range(K))`.
    """
    return float(roc_auc_by_class(labels, probabilities).mean())


def calibration_error(labels: np.ndarray, probabilities: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error of the top class over equal-width bins of confidence.

    Sum over bins of (share of rows) x |accuracy - mean confidence| (Guo et al. 2017).
    """
    _, confident, right = reliability(labels, probabilities, bins)
    return float(abs(right - confident).sum() / len(labels))


def reliability(
    labels: np.ndarray, probabilities: np.ndarray, bins: int = 15
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each equal-width bin of the top class's probability, (bins,) each: its rows, the sum of their
    confidences, and how many of them are right. A confidence on a border is in the lower bin.
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    correct = probabilities.argmax(axis=1) == labels
    which = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return (
        np.bincount(which, minlength=bins),
        np.bincount(which, confidence, bins),
        np.bincount(which, correct, bins),
    )
