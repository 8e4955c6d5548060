"""The registry of metrics: one entry a metric, and everything that goes by a metric asks it.

A metric of one target of several is named with it, `macro_f1:age`, and looks at the target's values
in place of the classes. To add one: its formula in ensembles/scores/scorers.py, its derivative in
ensembles/scores/influence.py, an entry in METRICS, and a line in the test file
tests/ensembles/scores/test_metric_registry.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ensembles.scores import influence, scorers, smoothed
from ensembles.scores.by_part import by_value
from ensembles.scores.groups import numbered

# Metrics beside REPORTED by name: of one target with the values (K,) int that its classes mean, or
# None where all classes count.
Views = Mapping[str, np.ndarray | None]


@dataclass(frozen=True)
class Sums:
    """A decision metric as a function of d sums over rows, which a sweep can carry along.

    of_all: (K, K) counts -> (d,) sums. of_rows: from the true counts (K,), which no prediction
    changes, and rows' true and predicted classes (n,) to (d, n), what each row adds to each sum; whole
    numbers, so that running sums are exact.
    score: (d, ...) sums and the true counts -> (...) scores.
    """

    of_all: Callable[[np.ndarray], np.ndarray]
    of_rows: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    score: Callable[[np.ndarray, np.ndarray], np.ndarray]

    def of_counts(self, counts: np.ndarray) -> float:
        """The score of (K, K) counts."""
        return float(self.score(self.of_all(counts), counts.sum(axis=1)))


@dataclass(frozen=True)
class Metric:
    """What is known of a metric. Either the first three functions are there or the next two.

    title: for screens. aliases: other names that are understood, scikit-learn's among them.
    of_counts, cell_moves: a decision metric's score of confusion counts (K, K), and (K, K) the
    influence of a row of each cell. sums: what its sweeps need; None for those with a sweep of
    their own (ensembles/weights/line_search.py).
    of_probabilities, row_moves: score and (N,) influences from labels and probabilities.
    row_scores: (N,) what the score is the mean of, where it is a mean over rows.
    convex: in the members' weights, so that these are fitted to the certified optimum.
    over_classes: a mean over the classes, in which a rare one counts as much as any.
    """

    name: str
    title: str
    greater_is_better: bool = True
    aliases: tuple[str, ...] = ()
    of_counts: Callable[[np.ndarray], float] | None = None
    cell_moves: Callable[[np.ndarray], np.ndarray] | None = None
    sums: Sums | None = None
    of_probabilities: Callable[[np.ndarray, np.ndarray], float] | None = None
    row_moves: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    row_scores: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    convex: bool = False
    over_classes: bool = False

    @property
    def takes(self) -> str:
        """`decisions` or `probabilities`."""
        return "decisions" if self.of_counts else "probabilities"

    @property
    def sign(self) -> int:
        """1 where greater is better, else -1."""
        return 1 if self.greater_is_better else -1

    def score(
        self,
        labels: np.ndarray,
        probabilities: np.ndarray,
        values: np.ndarray | None = None,
        decided: np.ndarray | None = None,
    ) -> float:
        """Of (N,) labels and (N, K) probabilities, or of the values (K,) that the classes mean.

        Decided is the first most probable class, or its value, whatever the others' values sum to.
        decided: (N,) int, these classes, where they are known already; here and below.
        """
        if self.of_probabilities:
            return self.of_probabilities(*of_values(labels, probabilities, values))
        return self.score_decisions(*decisions(labels, probabilities, values, decided))

    def score_decisions(self, truth: np.ndarray, guess: np.ndarray, n_values: int) -> float:
        """Of true and predicted classes or values (N,), of a metric that takes decisions."""
        if self.name == "macro_f1":  # of many classes the counts of all pairs take long
            return scorers.macro_f1(truth, guess, n_values)
        return self.score_counts(scorers.confusion(truth, guess, n_values))

    def score_counts(self, counts: np.ndarray) -> float:
        """Of confusion counts (K, K), of a metric that takes decisions."""
        assert self.of_counts, f"{self.name} takes probabilities"
        return self.of_counts(counts)

    def influence(
        self,
        labels: np.ndarray,
        probabilities: np.ndarray,
        values: np.ndarray | None = None,
        decided: np.ndarray | None = None,
    ) -> np.ndarray:
        """(N,) float64, how much one row moves `score`, times N; sums to 0."""
        if self.row_moves:
            return self.row_moves(*of_values(labels, probabilities, values))
        return self.influence_decisions(*decisions(labels, probabilities, values, decided))

    def influence_decisions(
        self, truth: np.ndarray, guess: np.ndarray, n_values: int
    ) -> np.ndarray:
        """`influence` of true and predicted classes or values (N,)."""
        assert self.cell_moves, f"{self.name} has no influence function"
        return self.cell_moves(scorers.confusion(truth, guess, n_values))[truth, guess]

    def standard_error(
        self,
        labels: np.ndarray,
        probabilities: np.ndarray,
        values: np.ndarray | None = None,
        groups: np.ndarray | None = None,
        decided: np.ndarray | None = None,
    ) -> float:
        """Of `score`, over rows, or over `groups` (N,) where rows of one err together.

        By the delta method (`influence.standard_error`); of a metric that takes decisions with
        pseudo-units (ensembles/scores/smoothed.py), so that a class that is always right counts, too.
        Differences of two scores have paired errors instead, from `influence`.
        """
        if not self.cell_moves:
            return influence.standard_error(self.influence(labels, probabilities, values), groups)
        truth, guess, n_values = decisions(labels, probabilities, values, decided)
        numbers = None if groups is None else numbered(groups)
        counts = scorers.confusion(truth, guess, n_values)
        sizes = smoothed.unit_sizes(truth, numbers, n_values)
        of_rows = truth, guess, counts, sizes, numbers
        return smoothed.standard_error(self.cell_moves, self.over_classes, *of_rows)


def decisions(
    labels: np.ndarray,
    probabilities: np.ndarray,
    values: np.ndarray | None,
    decided: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, int]:
    """True and predicted classes or values (N,), and how many of them there are."""
    guess = probabilities.argmax(axis=1) if decided is None else decided
    if values is None:
        return labels, guess, probabilities.shape[1]
    return values[labels], values[guess], int(values.max()) + 1


def of_values(
    labels: np.ndarray, probabilities: np.ndarray, values: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """True classes or values (N,), and the probabilities of them."""
    if values is None:
        return labels, probabilities
    return values[labels], by_value(probabilities, values)


def _along(true: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """True counts (K,) as (K, 1, ...), to stand beside (K, ...) sums."""
    return true.reshape(-1, *(1,) * (sums.ndim - 1))


def _each_hit(true: np.ndarray, truth: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """(K, n): the hits of each class."""
    hits = np.zeros((len(true), len(truth)))
    hits[truth, np.arange(len(truth))] = truth == guess
    return hits


def _hits_and_predicted(true: np.ndarray, truth: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """(1 + K, n): all hits, and how often each class is predicted."""
    found = np.zeros((1 + len(true), len(truth)))
    found[0] = truth == guess
    found[1 + guess, np.arange(len(truth))] = 1
    return found


def _disagreements(true: np.ndarray, truth: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """(2, n): squared distances, and N times those expected by chance for a predicted class."""
    distances = scorers.squared_distances(len(true))
    return np.stack([distances[truth, guess], (true @ distances)[guess]])


def _all_disagreements(counts: np.ndarray) -> np.ndarray:
    distances = scorers.squared_distances(len(counts))
    by_chance = counts.sum(axis=1) @ distances @ counts.sum(axis=0)
    return np.array([(distances * counts).sum(), by_chance])


_BALANCED_ACCURACY = Sums(
    lambda counts: counts.diagonal(),
    _each_hit,
    lambda s, true: scorers.mean_recall(s, _along(true, s)),
)
_MCC = Sums(
    lambda counts: np.append(counts.trace(), counts.sum(axis=0)),
    _hits_and_predicted,
    lambda s, true: scorers.correlation(s[0], s[1:], _along(true, s)),
)
_QUADRATIC_KAPPA = Sums(
    _all_disagreements, _disagreements, lambda s, true: scorers.kappa(s[0], s[1] / true.sum())
)

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "log_loss",
            "log-loss",
            greater_is_better=False,
            aliases=("neg_log_loss",),
            of_probabilities=scorers.log_loss,
            row_moves=influence.loss_moves,
            row_scores=scorers.row_losses,
            convex=True,
        ),
        Metric(
            "macro_f1",
            "macro F1",
            aliases=("f1_macro",),
            of_counts=scorers.mean_f1,
            cell_moves=influence.f1_moves,
            over_classes=True,
        ),
        Metric(
            "accuracy",
            "accuracy",
            of_counts=scorers.share_of_hits,
            cell_moves=influence.accuracy_moves,
        ),
        Metric(
            "balanced_accuracy",
            "balanced accuracy",
            aliases=("recall_macro",),
            cell_moves=influence.balanced_accuracy_moves,
            over_classes=True,
            of_counts=_BALANCED_ACCURACY.of_counts,
            sums=_BALANCED_ACCURACY,
        ),
        Metric(
            "mcc",
            "MCC",
            aliases=("matthews_corrcoef",),
            cell_moves=influence.mcc_moves,
            of_counts=_MCC.of_counts,
            sums=_MCC,
        ),
        Metric(  # classes are ordinal: their order is that of the labels
            "quadratic_kappa",
            "quadratic kappa",
            aliases=("quadratic_weighted_kappa",),
            cell_moves=influence.kappa_moves,
            of_counts=_QUADRATIC_KAPPA.of_counts,
            sums=_QUADRATIC_KAPPA,
        ),
        Metric(
            "roc_auc",
            "ROC AUC",
            aliases=("roc_auc_ovr", "roc_auc_ovr_macro"),
            of_probabilities=scorers.roc_auc,
            row_moves=influence.roc_auc_moves,
        ),
    )
}
# Of every vote and member; any other only where it is what a vote is fitted for.
REPORTED = ("macro_f1", "accuracy", "log_loss")
ALIASES = {alias: metric.name for metric in METRICS.values() for alias in metric.aliases}


def canonical(name: str) -> str:
    """`macro_f1:age` of `f1_macro:age`; a name that is no metric's as it is."""
    metric, colon, target = name.partition(":")
    return ALIASES.get(metric, metric) + colon + target


def base(name: str) -> str:
    """`macro_f1` of `macro_f1:age`."""
    return name.partition(":")[0]


def named(name: str) -> Metric:
    """The entry of a name or an alias, with or without a target."""
    return METRICS[base(canonical(name))]


def title(name: str) -> str:
    """`macro F1`, or of one target `macro F1 of age`."""
    target = name.partition(":")[2]
    return named(name).title + (f" of {target}" if target else "")


def score_all(
    labels: np.ndarray,
    probabilities: np.ndarray,
    views: Views | None = None,
    decided: np.ndarray | None = None,
) -> dict[str, float]:
    """REPORTED and the metrics of `views`, by name. decided: as of `Metric.score`."""
    decided = probabilities.argmax(axis=1) if decided is None else decided
    return {
        name: named(name).score(labels, probabilities, (views or {}).get(name), decided)
        for name in of_votes(views)
    }


def standard_errors(
    labels: np.ndarray,
    probabilities: np.ndarray,
    groups: np.ndarray | None = None,
    views: Views | None = None,
    decided: np.ndarray | None = None,
) -> dict[str, float]:
    """For each metric of `score_all` its `Metric.standard_error`."""
    decided = probabilities.argmax(axis=1) if decided is None else decided
    return {
        name: named(name).standard_error(
            labels, probabilities, (views or {}).get(name), groups, decided
        )
        for name in of_votes(views)
    }


def of_votes(views: Views | None) -> list[str]:
    """The names of REPORTED and of the metrics of `views`."""
    return list(dict.fromkeys((*REPORTED, *(views or {}))))


def merged(counts: np.ndarray, values: np.ndarray | None) -> np.ndarray:
    """(V, V) counts of a target's values from those of the classes (K, K)."""
    if values is None:
        return counts
    means = np.eye(int(values.max()) + 1, dtype=counts.dtype)[values]
    return means.T @ counts @ means
