"""Scores of some rows and the standard errors of these, with what several metrics share made once."""

from __future__ import annotations

import numpy as np

from ensembles.scores import influence, metrics, scorers, smoothed
from ensembles.scores.groups import numbered


def scores_and_errors(
    labels: np.ndarray,
    probabilities: np.ndarray,
    groups: np.ndarray | None = None,
    views: metrics.Views | None = None,
    decided: np.ndarray | None = None,
) -> tuple[dict[str, float], dict[str, float]]:
    """`metrics.score_all` and `metrics.standard_errors` of the same arguments."""
    decided = probabilities.argmax(axis=1) if decided is None else decided
    numbers = None if groups is None else numbered(groups)
    scores, errors = {}, {}
    seen: dict[int, _Decisions] = {}
    for name in metrics.of_votes(views):
        metric, values = metrics.named(name), (views or {}).get(name)
        if metric.row_scores:
            rows = metric.row_scores(*metrics.of_values(labels, probabilities, values))
            scores[name] = float(rows.mean())
            errors[name] = influence.standard_error(rows - rows.mean(), numbers)
        elif metric.cell_moves:
            if id(values) not in seen:
                seen[id(values)] = _Decisions(
                    *metrics.decisions(labels, probabilities, values, decided), numbers
                )
            own = seen[id(values)]
            of_rows = own.truth, own.guess, own.counts, own.sizes, numbers
            scores[name] = metric.score_counts(own.counts)
            errors[name] = smoothed.standard_error(metric.cell_moves, metric.over_classes, *of_rows)
        else:
            given = labels, probabilities, values
            scores[name] = metric.score(*given, decided)
            errors[name] = metric.standard_error(*given, numbers, decided)
    return scores, errors


class _Decisions:
    """True and predicted classes or values (N,), their counts (K, K), and `smoothed.unit_sizes`."""

    def __init__(
        self, truth: np.ndarray, guess: np.ndarray, n_values: int, numbers: np.ndarray | None
    ):
        self.truth, self.guess = truth, guess
        self.counts = scorers.confusion(truth, guess, n_values)
        self.sizes = smoothed.unit_sizes(truth, numbers, n_values)
