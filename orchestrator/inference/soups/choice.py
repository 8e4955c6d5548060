"""Which networks are averaged, and whether their mean is as good as they are: by a judge's rows.

A choice is a set of ingredients, numbers from 0 in rising order. What is scored is never what the choice was
made on: for each part of the rows greedy chooses on all other parts, and the part is answered by what it
chose there. The mean of all (uniform) is no choice, so its rows are honest as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ensembles.scores import metrics, scorers
from ensembles.scores.influence import standard_error

ALL, UNIFORM, GREEDY, SINGLE = "all", "uniform", "greedy", "best_single"
SOUPS = (UNIFORM, GREEDY)  # in the order in which they are preferred: the first chooses nothing
NEAR = 1.0  # standard errors that a soup may be behind

# A set of ingredients -> (N, K) float32 probabilities of the judge's rows by the mean of their weights.
Answers = Callable[[tuple[int, ...]], np.ndarray]
# metric -> what the classes mean to it, (K,) int, or None (`ensembles.scores.metrics`)
Measured = Mapping[str, np.ndarray | None]


@dataclass(frozen=True)
class Rows:
    """The judge's rows. labels: (N,) int. groups: (N,), rows of one err together. parts: (N,) int, whole
    groups; what is chosen for a part is chosen on the others.
    """

    labels: np.ndarray
    groups: np.ndarray
    parts: np.ndarray


@dataclass(frozen=True)
class Judged:
    """What a judge says of a member's networks.

    tables: ALL, UNIFORM, GREEDY, SINGLE -> (N, K) float32, each row by what was chosen without it.
    chosen: UNIFORM, GREEDY, SINGLE -> the ingredients, chosen on all rows. scores: table -> metric ->
    (score, its standard error). behind: soup -> metric -> (how far behind ALL, the paired standard error).
    """

    tables: Mapping[str, np.ndarray]
    chosen: Mapping[str, tuple[int, ...]]
    scores: Mapping[str, Mapping[str, tuple[float, float]]]
    behind: Mapping[str, Mapping[str, tuple[float, float]]]

    @property
    def accepted(self) -> str | None:
        """The first of SOUPS that is near ALL in every metric; None where neither is."""
        return next((name for name in SOUPS if is_near(self.behind[name])), None)


def judge(answers: Answers, n: int, rows: Rows, measured: Measured) -> Judged:
    """Score the soups of `n` ingredients beside the mean of the networks' answers."""
    single = [answers((i,)) for i in range(n)]
    mean = np.stack(single).mean(axis=0, dtype=np.float64).astype(np.float32)
    every = tuple(range(n))
    tables = {ALL: mean, UNIFORM: answers(every)}
    chosen = {UNIFORM: every}
    choosers = {GREEDY: greedy, SINGLE: best_single}
    for name, choose in choosers.items():
        table = np.empty_like(mean)
        for part in np.unique(rows.parts):
            inside = rows.parts == part
            table[inside] = answers(choose(answers, n, rows.labels, ~inside))[inside]
        tables[name] = table
        chosen[name] = choose(answers, n, rows.labels, np.ones(len(rows.labels), bool))
    return Judged(
        tables,
        chosen,
        {name: scores_of(table, rows, measured) for name, table in tables.items()},
        {name: behind(tables[name], mean, rows, measured) for name in SOUPS},
    )


def greedy(answers: Answers, n: int, labels: np.ndarray, rows: np.ndarray) -> tuple[int, ...]:
    """The greedy soup by the log-loss of `rows`, (N,) bool: from the best network on, each in turn is
    taken where the mean with it is no worse than without (Wortsman et al. 2022, recipe 1).
    """
    losses = [_loss(answers, (i,), labels, rows) for i in range(n)]
    first, *others = np.argsort(losses, kind="stable").tolist()
    soup, least = (first,), losses[first]
    for i in others:
        tried = tuple(sorted((*soup, i)))
        loss = _loss(answers, tried, labels, rows)
        if loss <= least:
            soup, least = tried, loss
    return soup


def best_single(answers: Answers, n: int, labels: np.ndarray, rows: np.ndarray) -> tuple[int, ...]:
    """The network of the least log-loss on `rows`, (N,) bool; of equal ones the first."""
    return (int(np.argmin([_loss(answers, (i,), labels, rows) for i in range(n)])),)


def _loss(answers: Answers, chosen: tuple[int, ...], labels: np.ndarray, rows: np.ndarray) -> float:
    return scorers.log_loss(labels[rows], answers(chosen)[rows])


def scores_of(table: np.ndarray, rows: Rows, measured: Measured) -> dict[str, tuple[float, float]]:
    """metric -> the score of (N, K) and its standard error over groups."""
    return {
        name: (
            metrics.named(name).score(rows.labels, table, values),
            metrics.named(name).standard_error(rows.labels, table, values, rows.groups),
        )
        for name, values in measured.items()
    }


def behind(
    table: np.ndarray, other: np.ndarray, rows: Rows, measured: Measured
) -> dict[str, tuple[float, float]]:
    """metric -> how far `table` is behind `other`, and the standard error of that: paired, by group."""
    found = {}
    for name, values in measured.items():
        of = metrics.named(name)
        one, two = (of.score(rows.labels, own, values) for own in (table, other))
        moves = [of.influence(rows.labels, own, values) for own in (table, other)]
        error = standard_error(moves[1] - moves[0], rows.groups)
        found[name] = of.sign * (two - one) + 0.0, error  # 0 has no sign
    return found


def is_near(gaps: Mapping[str, tuple[float, float]]) -> bool:
    """Whether nothing is behind by more than NEAR standard errors."""
    return all(gap <= NEAR * error for gap, error in gaps.values())


def furthest(gaps: Mapping[str, tuple[float, float]]) -> str:
    """The metric that is behind by the most standard errors."""

    def errors(name: str) -> float:
        gap, error = gaps[name]
        return gap / error if error else np.inf * np.sign(gap) if gap else 0.0

    return max(gaps, key=errors)


def measured_by(objective: str | None, values: Mapping[str, np.ndarray]) -> Measured:
    """What a vote of this objective is judged by: it, where it has influences, and log-loss.

    values: target -> (K,) int, which of its values a class means; of a member that lacks the objective's
    target {}: then it is judged by the same metric of all its classes. None: macro F1.
    """
    name = metrics.canonical(objective or "macro_f1")
    target = name.partition(":")[2]
    own = (name, values[target]) if target in values else (metrics.base(name), None)
    return {own[0]: own[1], "log_loss": None}


def shown(name: str, gaps: Sequence[float]) -> str:
    """`log-loss by 0.0123 (error 0.0040)`."""
    gap, error = gaps
    return f"{metrics.title(name)} by {gap:.4f} (error {error:.4f})"
