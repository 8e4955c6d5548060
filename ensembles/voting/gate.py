"""Which kind of vote: the simplest that is as good as the best on rows it was not fitted to.

Every candidate is fitted without each fold and scored on it. "As good" means: behind the best by no
more than one standard error of the difference between the two, over groups (Breiman et al. 1984's
rule, with the paired error, since all candidates err on the same rows). First in macro F1; of those
that are, in log-loss: where few rows cannot tell two votes apart by their decisions, they often can
by their probabilities. The estimate is nested once more: for each fold the choice itself is made
without it, from fits without two folds.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ensembles.errors import BadInput
from ensembles.judging.estimate import apply_held_out, folds_for_weights
from ensembles.judging.steps import Progress, Steps
from ensembles.rules import pools
from ensembles.rules.pools import Rule
from ensembles.scores import metrics, scorers
from ensembles.scores.influence import standard_error
from ensembles.weights.fit import best_member, fit_stack, solo_scores
from ensembles.weights.log_linear import log_linear_weights
from ensembles.weights.offsets import bagged_offsets, bagged_offsets_each, fit_temperature
from ensembles.weights.stack import Stack

# Of those as good in the first, those as good in the second.
OBJECTIVE, SECOND = "macro_f1", "log_loss"
# All candidates are fitted folds x (folds + 1) / 2 times; two thirds of many rows are enough.
FOLDS, FOLDS_OF_MANY, MANY = 5, 3, 1_000
TEMPERATURE_ROWS = 4096
# An offset is a number a class: of more classes than these only where each has so many rows. Their
# sweeps take most of the time there, and fewer rows tell no class's prior.
CLASSES, ROWS_A_CLASS = 256, 10
# Fits side by side, each with its own rows of the tables: as many as are in so many bytes.
ROOM = 1 << 29

Rules = dict[str, Rule]


def _best_single(stack: Stack, simpler: Rules) -> Rule:
    return Rule(np.eye(stack.n_members)[best_member(stack, OBJECTIVE)])


def _uniform(stack: Stack, simpler: Rules) -> Rule:
    return Rule(np.full(stack.n_members, 1 / stack.n_members))


def _top_members(stack: Stack, simpler: Rules) -> Rule:
    """The plain mean of the best k members, k the best on the same rows."""
    order = np.argsort(-solo_scores(stack, OBJECTIVE), kind="stable")
    total = np.zeros(stack.probabilities.shape[1:], np.float32)
    scores = []
    for member in order:
        total += stack.probabilities[member]
        scores.append(scorers.macro_f1(stack.labels, total.argmax(axis=1), stack.n_classes))
    weights = np.zeros(stack.n_members)
    weights[order[: int(np.argmax(scores)) + 1]] = 1
    return Rule(weights / weights.sum())


def _log_linear(stack: Stack, simpler: Rules) -> Rule:
    return Rule(log_linear_weights(stack), "log_linear")


def _log_linear_of_any_sign(stack: Stack, simpler: Rules) -> Rule:
    near = simpler["log-linear"].weights if simpler else None
    return Rule(log_linear_weights(stack, negative=True, start=near), "log_linear")


# From the simplest to the one with most to fit. A fit may start from those of simpler kinds.
KINDS: dict[str, Callable[[Stack, Rules], Rule]] = {
    "best single": _best_single,
    "uniform": _uniform,
    "top-k": _top_members,
    "log-loss weights": lambda stack, simpler: Rule(fit_stack(stack, "log_loss").weights),
    "macro-F1 weights": lambda stack, simpler: Rule(fit_stack(stack, OBJECTIVE).weights),
    "log-linear": _log_linear,
    "log-linear, any sign": _log_linear_of_any_sign,
}
WITH_OFFSETS = " + offsets"


@dataclass
class Choice:
    """name, rule: what was chosen and fitted to all rows. table: one dict a candidate, simplest
    first, with its nested scores. rules: for each fold its rows and the rule that a choice without
    them took. held_out: (N, K) float32, the votes of those rules. notes: kinds that were left out.
    """

    name: str
    rule: Rule
    table: list[dict[str, Any]]
    rules: list[tuple[np.ndarray, Rule]]
    held_out: np.ndarray
    notes: list[str] = field(default_factory=list)


def choose(
    stack: Stack,
    folds: np.ndarray,
    groups: np.ndarray | None = None,
    progress: Progress | None = None,
) -> Choice:
    """Fit all candidates, choose one, and predict every row by a choice that did not see its fold.

    folds: (N,) of the tables; merged into few where there are many, drawn by group where there are
    fewer than three. groups: (N,), for standard errors. progress: called with how many of the fits
    and choices are done, and of how many.

    Each rule's temperature is fitted to predictions of rows that its weights were not fitted to:
    on their own rows weights are surer than they should be. Raises BadInput for two groups.
    """
    folds = gate_folds(folds, groups)
    names = np.unique(folds).tolist()
    if len(names) < 3:
        raise BadInput(
            f"{len(names)} groups of OOF rows: to choose among kinds of votes takes 3 or more. Name "
            "an --objective, or vote with --mode soft."
        )
    left_out: list[tuple[int, ...]] = [(fold,) for fold in names]
    left_out += itertools.combinations(names, 2)
    with_offsets = tries_offsets(*stack.probabilities.shape[1:])
    steps = Steps(len(left_out) + len(names) + 1, progress)
    with ThreadPoolExecutor(_at_once(stack)) as threads:

        def each(do: Callable[[Any], Any], of: Iterable[Any]) -> Iterator[Any]:
            """Of many rows side by side, since numpy spends its time where others may run."""
            return map(steps.counted, threads.map(do, of))

        fits = each(lambda out: _Fitted(stack, folds, out, with_offsets), left_out)
        fitted = dict(zip(left_out, fits, strict=True))
        alone = {fold: fitted[fold,] for fold in names}

        def scored(parts: dict[int, _Fitted]) -> _Scored:
            rows = np.flatnonzero(np.isin(folds, list(parts)))
            predictions = {
                name: _in_place(
                    folds[rows], {f: part.predictions[f, name] for f, part in parts.items()}
                )
                for name in alone[names[0]].rules
            }
            return _Scored(
                predictions, stack.labels[rows], None if groups is None else groups[rows]
            )

        def chosen_without(fold: int) -> tuple[np.ndarray, Rule]:
            inner = scored({f: fitted[min(f, fold), max(f, fold)] for f in names if f != fold})
            name = inner.chosen()
            rule = replace(alone[fold].rules[name], temperature=inner.temperature(name))
            return np.flatnonzero(folds == fold), rule

        rules = list(each(chosen_without, names))
    outer = scored(alone)
    name = outer.chosen()
    rule = replace(fit_candidate(stack, name), temperature=outer.temperature(name))
    choice = Choice(name, rule, outer.table(), rules, apply_held_out(stack, rules))
    if not with_offsets:
        choice.notes.append(
            f"{stack.n_classes} classes with {len(folds) / stack.n_classes:.1f} OOF rows each: no "
            f"class offsets were tried (from {ROWS_A_CLASS} rows on they are)."
        )
    steps.counted(None)
    return choice


def tries_offsets(n_rows: int, n_classes: int) -> bool:
    """Whether candidates with class offsets are among those chosen from."""
    return n_classes <= CLASSES or n_rows >= ROWS_A_CLASS * n_classes


def fit_candidate(stack: Stack, name: str) -> Rule:
    """One candidate by name: `KINDS`, with or without ` + offsets`; no temperature."""
    rule = KINDS[name.removesuffix(WITH_OFFSETS)](stack, {})
    if name.endswith(WITH_OFFSETS):
        mixed = pools.mix(stack.probabilities, rule.weights, rule.pool)
        rule.offsets = bagged_offsets(mixed, stack.labels)
    return rule


def gate_folds(folds: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """(N,) three to FOLDS folds, whole ones of the tables where those are three or more."""
    folds = folds_for_weights(folds, groups, least=3)
    most = FOLDS if len(folds) <= MANY else FOLDS_OF_MANY
    return np.unique(folds, return_inverse=True)[1] % most


def _mix(stack: Stack, rule: Rule) -> np.ndarray:
    """(N, K) the rule's pool, from logs that are there already where it is log-linear."""
    if rule.pool == "log_linear":
        return pools.mix_logs(stack.logs, rule.weights)
    return pools.mix(stack.probabilities, rule.weights, rule.pool)


def _in_place(folds: np.ndarray, parts: dict[int, np.ndarray]) -> np.ndarray:
    """(n, K) from each fold's rows."""
    out = np.empty((len(folds), next(iter(parts.values())).shape[1]), np.float32)
    for fold, part in parts.items():
        out[folds == fold] = part
    return out


def _at_once(stack: Stack) -> int:
    """How many threads may fit, each with its own rows of the tables."""
    derived = stack.favourites.nbytes + stack.logs.nbytes  # here, not by every fit anew
    room = ROOM // (stack.probabilities.nbytes + derived) if len(stack.labels) > MANY else 1
    return max(1, min(os.cpu_count() or 1, room))


class _Fitted:
    """All candidates fitted without some folds, and what they predict for those folds' rows."""

    def __init__(
        self, stack: Stack, folds: np.ndarray, left_out: tuple[int, ...], with_offsets: bool
    ):
        inside = stack.take(~np.isin(folds, left_out))
        there = {fold: stack.take(folds == fold) for fold in left_out}
        plain: Rules = {}
        for kind, fit in KINDS.items():
            plain[kind] = fit(inside, plain)
        turned = self._offsets(inside, plain) if with_offsets else {}
        self.rules: dict[str, Rule] = {}
        self.predictions: dict[tuple[int, str], np.ndarray] = {}
        for kind, rule in plain.items():
            mixed = {fold: _mix(held_out, rule) for fold, held_out in there.items()}
            self._keep(kind, rule, mixed)
            if kind in turned:
                own = turned[kind]
                adjusted = {fold: pools.adjust(part, own) for fold, part in mixed.items()}
                self._keep(kind + WITH_OFFSETS, replace(rule, offsets=own), adjusted)

    @staticmethod
    def _offsets(inside: Stack, plain: Rules) -> dict[str, np.ndarray]:
        mixed = [_mix(inside, rule) for rule in plain.values()]
        return dict(zip(plain, bagged_offsets_each(mixed, inside.labels), strict=True))

    def _keep(self, name: str, rule: Rule, predictions: dict[int, np.ndarray]) -> None:
        self.rules[name] = rule
        self.predictions |= {(fold, name): own for fold, own in predictions.items()}


class _Scored:
    """Scores of all candidates on rows held out from their fits, and the choice among them.

    predictions: name -> (n, K), simplest first.
    """

    def __init__(
        self, predictions: dict[str, np.ndarray], labels: np.ndarray, groups: np.ndarray | None
    ):
        self._predictions, self._labels, self._groups = predictions, labels, groups
        self._temperatures: dict[str, float] = {}
        self._moves: dict[tuple[str, str], tuple[float, np.ndarray]] = {}

    def temperature(self, name: str) -> float:
        if name not in self._temperatures:
            rows = np.random.default_rng(0).permutation(len(self._labels))[:TEMPERATURE_ROWS]
            self._temperatures[name] = fit_temperature(
                self._predictions[name][rows], self._labels[rows]
            )
        return self._temperatures[name]

    def score(self, name: str, metric: str) -> tuple[float, np.ndarray]:
        """A metric, of probabilities with the temperature, and each row's influence on it."""
        if (name, metric) not in self._moves:
            mixed, labels, of = self._predictions[name], self._labels, metrics.named(metric)
            if of.takes == "probabilities":
                mixed = pools.adjust(mixed, None, self.temperature(name))
            self._moves[name, metric] = of.score(labels, mixed), of.influence(labels, mixed)
        return self._moves[name, metric]

    def behind(self, name: str, best: str, metric: str) -> tuple[float, float]:
        """How far a candidate is behind the best, and the standard error of that."""
        (one, moves), (other, best_moves) = self.score(name, metric), self.score(best, metric)
        gap = metrics.named(metric).sign * (other - one) + 0.0  # 0 has no sign
        return gap, standard_error(best_moves - moves, self._groups)

    def best(self, names: list[str], metric: str) -> str:
        sign = metrics.named(metric).sign
        return max(names, key=lambda name: sign * self.score(name, metric)[0])

    def as_good(self, names: list[str], metric: str) -> list[str]:
        """Those within one standard error of the best of them, simplest first."""
        best = self.best(names, metric)
        gaps = {name: self.behind(name, best, metric) for name in names}
        return [name for name, (gap, error) in gaps.items() if gap <= error]

    def chosen(self) -> str:
        return self.as_good(self.as_good(list(self._predictions), OBJECTIVE), SECOND)[0]

    def table(self) -> list[dict[str, Any]]:
        """A dict a candidate; how far behind in log-loss only where macro F1 is as good."""
        names, chosen = list(self._predictions), self.chosen()
        good = self.as_good(names, OBJECTIVE)
        best, surest = self.best(names, OBJECTIVE), self.best(good, SECOND)
        rows = []
        for name in names:
            guess = self._predictions[name].argmax(axis=1)
            gap, error = self.behind(name, best, OBJECTIVE)
            row: dict[str, Any] = {"name": name, OBJECTIVE: self.score(name, OBJECTIVE)[0]}
            row |= {"accuracy": scorers.accuracy(self._labels, guess)}
            row |= {SECOND: self.score(name, SECOND)[0]}
            row |= {"behind": gap, "standard_error": error, "as_good": name in good}
            in_loss = self.behind(name, surest, SECOND) if name in good else (None, None)
            row |= {"loss_behind": in_loss[0], "loss_standard_error": in_loss[1]}
            row |= {"chosen": name == chosen}
            rows.append(row)
        return rows
