"""Which kind of vote: the simplest that is as good as the best on rows it was not fitted to.

Every candidate is fitted without each fold and scored on it. "As good" means: behind the best by no
more than one standard error of the difference between the two, over groups (Breiman et al. 1984's
rule, with the paired error, since all candidates err on the same rows). The estimate is nested once
more: for each fold the choice itself is made without it, from fits without two folds.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ensembles import metrics, pools
from ensembles.estimate import apply_held_out, draw_folds
from ensembles.log_linear import log_linear_weights
from ensembles.offsets import bagged_offsets, fit_temperature
from ensembles.pools import Rule
from ensembles.stack import Stack
from ensembles.weights import best_member, fit_stack, solo_scores

MOST_FOLDS = 5


def _best_single(stack: Stack, objective: str) -> Rule:
    return Rule(np.eye(stack.n_members)[best_member(stack, objective)])


def _uniform(stack: Stack, objective: str) -> Rule:
    return Rule(np.full(stack.n_members, 1 / stack.n_members))


def top_members(stack: Stack, objective: str) -> Rule:
    """The plain mean of the best k members, k the best on the same rows."""
    order = np.argsort(-solo_scores(stack, objective), kind="stable")
    total = np.zeros(stack.probabilities.shape[1:], np.float32)
    scores = []
    for member in order:
        total += stack.probabilities[member]
        scores.append(_score(stack.labels, total, objective))
    weights = np.zeros(stack.n_members)
    weights[order[: int(np.argmax(scores)) + 1]] = 1
    return Rule(weights / weights.sum())


def _log_linear(stack: Stack, objective: str) -> Rule:
    return Rule(log_linear_weights(stack), "log_linear")


def _negative(stack: Stack, objective: str) -> Rule:
    return Rule(log_linear_weights(stack, negative=True), "log_linear")


# From the simplest to the one with most to fit.
KINDS: dict[str, Callable[[Stack, str], Rule]] = {
    "best single": _best_single,
    "uniform": _uniform,
    "top-k": top_members,
    "log-loss weights": lambda stack, _: Rule(fit_stack(stack, "log_loss").weights),
    "score weights": lambda stack, objective: Rule(fit_stack(stack, objective).weights),
    "log-linear": _log_linear,
    "log-linear, any sign": _negative,
}
WITH_OFFSETS = " + offsets"


@dataclass
class Choice:
    """name, rule: what was chosen and fitted to all rows. table: one dict a candidate, simplest
    first, with its nested scores. rules: for each fold its rows and the rule that a choice without
    them took. held_out: (N, K) float32, the votes of those rules.
    """

    name: str
    rule: Rule
    table: list[dict[str, Any]]
    rules: list[tuple[np.ndarray, Rule]]
    held_out: np.ndarray


def choose(
    stack: Stack, folds: np.ndarray, groups: np.ndarray | None = None, objective: str = "macro_f1"
) -> Choice:
    """Fit all candidates, choose one, and predict every row by a choice that did not see its fold.

    folds: (N,) of the tables; merged into MOST_FOLDS where there are more, drawn by group where
    there are fewer than three. groups: (N,), for standard errors.
    """
    folds = gate_folds(folds, groups)
    names = np.unique(folds)
    without = {(f,): _Fitted(stack, folds, (f,), objective) for f in names}
    for pair in itertools.combinations(names, 2):
        without[pair] = _Fitted(stack, folds, pair, objective)
    candidates = list(without[(names[0],)].rules)
    rules = []
    for fold in names:
        inner = [g for g in names if g != fold]
        parts = {g: without[tuple(sorted((fold, g)))] for g in inner}
        rows = folds != fold
        scored = _Scored(stack.labels, rows, folds, parts, stack.n_classes, groups, objective)
        chosen = without[(fold,)].rules[scored.chosen(candidates)]
        rules.append((np.flatnonzero(folds == fold), chosen))
    every = np.ones(len(folds), bool)
    parts = {f: without[(f,)] for f in names}
    scored = _Scored(stack.labels, every, folds, parts, stack.n_classes, groups, objective)
    name = scored.chosen(candidates)
    rule = fit_candidate(stack, name, objective)
    rule.temperature = _held_out_temperature(stack, folds, parts, name)
    return Choice(name, rule, scored.table(candidates), rules, apply_held_out(stack, rules))


def _held_out_temperature(
    stack: Stack, folds: np.ndarray, without: dict[Any, _Fitted], name: str
) -> float:
    """The temperature for rows that the weights were not fitted to: on their own rows weights look
    surer than they are.
    """
    rules = [
        (np.flatnonzero(folds == fold), replace(fitted.rules[name], temperature=1.0))
        for fold, fitted in without.items()
    ]
    return fit_temperature(apply_held_out(stack, rules), stack.labels)


def fit_candidate(stack: Stack, name: str, objective: str) -> Rule:
    """One candidate by name, calibrated: `KINDS`, with or without ` + offsets`."""
    rule = KINDS[name.removesuffix(WITH_OFFSETS)](stack, objective)
    mixed = pools.mix(stack.probabilities, rule.weights, rule.pool)
    return _finish(rule, mixed, stack.labels, objective, name.endswith(WITH_OFFSETS))


def gate_folds(folds: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """(N,) three to MOST_FOLDS folds."""
    names, number = np.unique(folds, return_inverse=True)
    if len(names) < 3:
        return draw_folds(len(folds), groups)
    return number % MOST_FOLDS


def _finish(
    rule: Rule, mixed: np.ndarray, labels: np.ndarray, objective: str, with_offsets: bool
) -> Rule:
    offsets = None
    if with_offsets:
        of = "accuracy" if objective == "accuracy" else "macro_f1"
        offsets = bagged_offsets(mixed, labels, of)
    temperature = fit_temperature(pools.adjust(mixed, offsets), labels)
    return Rule(rule.weights, rule.pool, offsets, temperature)


class _Fitted:
    """All candidates fitted without some folds, and what they say of those folds' rows."""

    def __init__(self, stack: Stack, folds: np.ndarray, left_out: tuple, objective: str):
        inside = stack.take(~np.isin(folds, left_out))
        self.rules: dict[str, Rule] = {}
        self.predicted: dict[tuple[Any, str], tuple[np.ndarray, np.ndarray]] = {}
        outside = {fold: np.flatnonzero(folds == fold) for fold in left_out}
        there = {f: np.take(stack.probabilities, rows, axis=1) for f, rows in outside.items()}
        for kind, fit in KINDS.items():
            rule = fit(inside, objective)
            mixed = pools.mix(inside.probabilities, rule.weights, rule.pool)
            mixed_there = {f: pools.mix(p, rule.weights, rule.pool) for f, p in there.items()}
            for suffix in ("", WITH_OFFSETS):
                done = _finish(rule, mixed, inside.labels, objective, bool(suffix))
                self.rules[kind + suffix] = done
                for fold, rows in outside.items():
                    said = pools.adjust(mixed_there[fold], done.offsets, done.temperature)
                    losses = metrics.row_losses(stack.labels[rows], said)
                    self.predicted[fold, kind + suffix] = said.argmax(axis=1), losses


class _Scored:
    """Held-out scores of all candidates on some rows, and the choice among them."""

    def __init__(self, labels, rows, folds, parts, n_classes, groups, objective):
        self.labels, self.groups = labels[rows], None if groups is None else groups[rows]
        self.n_classes, self.objective = n_classes, objective
        self._parts, self._where = parts, {f: folds[rows] == f for f in parts}
        self._found: dict[str, tuple[dict[str, float], dict[str, np.ndarray]]] = {}

    def scores(self, name: str) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Each metric, and each row's influence on it."""
        if name not in self._found:
            predictions, losses = np.empty(len(self.labels), np.intp), np.empty(len(self.labels))
            for fold, where in self._where.items():
                predictions[where], losses[where] = self._parts[fold].predicted[fold, name]
            correct = predictions == self.labels
            values = {
                "macro_f1": metrics.macro_f1(self.labels, predictions, self.n_classes),
                "accuracy": float(correct.mean()),
                "log_loss": float(losses.mean()),
            }
            moves = {
                "macro_f1": metrics.f1_influence(self.labels, predictions, self.n_classes),
                "accuracy": correct - correct.mean(),
                "log_loss": losses - losses.mean(),
            }
            self._found[name] = values, moves
        return self._found[name]

    def behind(self, name: str, best: str, metric: str) -> tuple[float, float]:
        """How far a candidate is behind the best, and the standard error of that."""
        (one, moves), (other, best_moves) = self.scores(name), self.scores(best)
        gap = other[metric] - one[metric]
        error = metrics.standard_error(best_moves[metric] - moves[metric], self.groups)
        return (-gap if metric == "log_loss" else gap), error

    def best(self, names: list[str]) -> str:
        sign = -1 if self.objective == "log_loss" else 1
        return max(names, key=lambda name: sign * self.scores(name)[0][self.objective])

    def chosen(self, names: list[str]) -> str:
        """The first, so the simplest, within one standard error of the best.

        A candidate that a simpler one beats is never taken: the error of its difference from the
        best may be large just because it is so different.
        """
        best = self.best(names)
        record = np.inf
        for name in names:
            gap, error = self.behind(name, best, self.objective)
            if gap <= error and gap < record:
                break
            record = min(record, gap)
        return name

    def table(self, names: list[str]) -> list[dict[str, Any]]:
        best, chosen = self.best(names), self.chosen(names)
        rows = []
        for name in names:
            gap, error = self.behind(name, best, self.objective)
            rows.append(
                {
                    "name": name,
                    **self.scores(name)[0],
                    "behind": gap,
                    "standard_error": error,
                    "chosen": name == chosen,
                }
            )
        return rows


def _score(labels: np.ndarray, mixed: np.ndarray, objective: str) -> float:
    if objective == "log_loss":
        return -metrics.log_loss(labels, mixed)
    predictions = mixed.argmax(axis=1)
    if objective == "accuracy":
        return metrics.accuracy(labels, predictions)
    return metrics.macro_f1(labels, predictions, mixed.shape[1])
