"""The kinds of votes that a choice is made among, each fitted to OOF rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ensembles.rules.mean import OneRule
from ensembles.rules.pools import FLOOR, Rule
from ensembles.rules.stacker import Features, Stacker
from ensembles.scores import metrics
from ensembles.voting.kinds import PLAIN, STACKERS, WITH_OFFSETS
from ensembles.weights.epsilon import ROWS as EPSILON_ROWS
from ensembles.weights.epsilon import pool_epsilon, tables_epsilon
from ensembles.weights.fit import fit_stack, solo_scores
from ensembles.weights.log_linear import RIDGE, log_linear_fit
from ensembles.weights.offsets import OFFSETS_FOR, bagged_offsets_each, drawn_bags
from ensembles.weights.predicted import features_of, log_linear_said, predicted_each
from ensembles.weights.simplex import log_loss_without_each
from ensembles.weights.stack import Stack
from ensembles.weights.stacker import stacker_coefficients

# Of ridge pools and stackers: what a probability counts at least, and the pull of a class bias to 0.
SOFT_FLOOR, BIAS_RIDGE = 1e-3, 3.0
# The work of a stacker's step, N M K^2, up to which it is of all members' log-probabilities; beyond it,
# of the pool's own, and none at all where even that is more.
MOST_WORK = 2e7
# An offset is a number a class: of more classes than these only where each has so many rows. Their
# sweeps take most of the time there, and fewer rows tell no class's prior.
CLASSES, ROWS_A_CLASS = 256, 10


class Fits:
    """All kinds of votes fitted to the same rows, each when it is first asked for.

    objective: what the best members are best in and weights are searched for. removable: whether rules
    are to know their weights without each member. starts: of log-linear pools fitted to some of these
    rows, their `starts`.
    """

    def __init__(
        self,
        stack: Stack,
        objective: str = "macro_f1",
        removable: bool = False,
        starts: Mapping[str, np.ndarray] | None = None,
    ):
        self.stack, self.objective, self.removable = stack, objective, removable
        self.starts: dict[str, np.ndarray] = {}
        self._given = starts or {}
        self._plain: dict[str, OneRule] = {}
        self._offsets: dict[str, np.ndarray] = {}
        self._solo: np.ndarray | None = None
        self._epsilon: float | None = None
        self._soft: dict[float, Rule] = {}
        self._stackers: dict[float, tuple[Features, np.ndarray]] = {}

    def rule(self, name: str) -> OneRule:
        """A candidate by name: of KINDS, with or without ` + offsets`; no temperature."""
        kind = name.removesuffix(WITH_OFFSETS)
        if kind not in self._plain:
            self._plain[kind] = KINDS[kind](self)
        rule = self._plain[kind]
        if kind == name:
            return rule
        assert isinstance(rule, Rule), f"{kind} takes no offsets"
        if kind not in self._offsets:
            self.fit_offsets([kind])
        own = self._offsets[kind]
        return replace(rule, offsets=own if rule.offsets is None else rule.offsets + own)

    def fit_offsets(self, kinds: Sequence[str]) -> None:
        """The offsets of several kinds in one sweep."""
        if not kinds:
            return
        target = self.objective if self.objective in OFFSETS_FOR else OFFSETS_FOR[0]
        rules, drawn = [self.rule(kind) for kind in kinds], drawn_bags(self.stack.n_rows)
        part = self.stack
        if part.is_large:  # no other rows are looked at
            rows = np.unique(drawn)
            part, drawn = self.stack.take(rows), np.searchsorted(rows, drawn)
        mixed = predicted_each(part, rules)
        found = bagged_offsets_each(mixed, part.labels, target, drawn)
        self._offsets |= dict(zip(kinds, found, strict=True))

    @property
    def solo(self) -> np.ndarray:
        """(M,) each member's own score, higher is better."""
        if self._solo is None:
            self._solo = solo_scores(self.stack, self.objective)
        return self._solo

    @property
    def epsilon(self) -> float:
        """The share of 1/K in every table before logs."""
        if self._epsilon is None:
            self._epsilon = 0.0
            if self.stack.has_zeros:
                part = self._for_epsilon()
                self._epsilon = tables_epsilon(part.probabilities, part.labels)
        return self._epsilon

    def _for_epsilon(self) -> Stack:
        """The rows that such shares are of: all, or of a large stack as many as are looked at."""
        if not self.stack.is_large:
            return self.stack
        step = max(1, self.stack.n_rows // EPSILON_ROWS)
        return self.stack.copied(np.arange(0, self.stack.n_rows, step))

    def linear(self, weights: np.ndarray, left_out: np.ndarray | None = None) -> Rule:
        """A linear pool, with 1/K mixed in where it rules classes out."""
        rule = Rule(weights, left_out=left_out)
        if self.stack.has_zeros:
            part = self._for_epsilon()
            rule.epsilon = pool_epsilon(rule.mix(part.probabilities), part.labels)
        return rule

    def log_linear(
        self,
        name: str,
        ridge: float,
        floor: float = FLOOR,
        bias_ridge: float | None = None,
        negative: bool = True,
        start: np.ndarray | None = None,
    ) -> Rule:
        """A log-linear pool, from where one of the same name ended on some of the rows."""
        logs, labels = self.stack.log_parts(floor, self.epsilon), self.stack.labels
        start = self._given.get(name, start)
        fit = log_linear_fit(logs, labels, ridge, bias_ridge, negative, start)
        self.starts[name] = fit.at
        left, bias = fit.without_each() if self.removable else (None, None)
        return Rule(
            fit.weights,
            "log_linear",
            fit.bias,
            epsilon=self.epsilon,
            floor=floor,
            left_out=left,
            left_out_offsets=bias,
            gradient=fit.gradient,
        )

    def ridge_pool(self, ridge: float) -> Rule:
        if ridge not in self._soft:
            # of another ridge: near
            near = next((self.starts[f"ridge {other}"] for other in self._soft), None)
            name = f"ridge {ridge}"
            self._soft[ridge] = self.log_linear(
                name, ridge, SOFT_FLOOR, BIAS_RIDGE, negative=True, start=near
            )
        return self._soft[ridge]

    def stacker(self, ridge: float) -> Stacker:
        """Beside the first ridge pool."""
        features, coefficients = self._stacker_fit(ridge)
        return Stacker(self.ridge_pool(RIDGES[0]), features, coefficients)

    def _stacker_fit(self, ridge: float) -> tuple[Features, np.ndarray]:
        if ridge not in self._stackers:
            strongest = STACKER_RIDGES[-1]
            start = None if ridge == strongest else self._stacker_fit(strongest)[1]
            base, labels = self.ridge_pool(RIDGES[0]), self.stack.labels
            work = len(labels) * self.stack.n_members * self.stack.n_classes**2
            features: Features = "members" if work <= MOST_WORK else "pool"
            pooled = log_linear_said(self.stack, base)
            given = features_of(self.stack, base, features, pooled)
            found = stacker_coefficients(pooled, given, labels, ridge, start)
            self._stackers[ridge] = features, found
        return self._stackers[ridge]


def _best_single(fits: Fits) -> Rule:
    n_members = fits.stack.n_members
    order = np.argsort(-fits.solo, kind="stable")
    left = np.tile(np.eye(n_members)[order[0]], (n_members, 1))
    if n_members > 1:
        left[order[0]] = np.eye(n_members)[order[1]]
    return fits.linear(np.eye(n_members)[order[0]], left)


def _uniform(fits: Fits) -> Rule:
    return fits.linear(np.full(fits.stack.n_members, 1 / fits.stack.n_members))


def _top_members(fits: Fits) -> Rule:
    """The plain mean of the best k members, k the best on the same rows."""
    stack, of = fits.stack, metrics.named(fits.objective)
    order = np.argsort(-fits.solo, kind="stable")
    if of.takes == "decisions":
        decided = np.empty((stack.n_members, stack.n_rows), np.intp)
        for at, part in stack.in_blocks():
            for own, mean in zip(decided, _running_means(part, order), strict=True):
                own[at] = mean.argmax(axis=1)
        scores = [of.score_decisions(stack.labels, own, stack.n_classes) for own in decided]
    else:
        scores = [of.score(stack.labels, mean) for mean in _running_means(stack, order)]
    weights = np.zeros(stack.n_members)
    weights[order[: int(np.argmax(of.sign * np.array(scores))) + 1]] = 1
    return fits.linear(weights / weights.sum())


def _running_means(stack: Stack, order: np.ndarray) -> Iterator[np.ndarray]:
    """(N, K) float32, of the first member, the first two and so on."""
    total = np.zeros((stack.n_rows, stack.n_classes), np.float32)
    for n, member in enumerate(order.tolist(), start=1):
        total += stack.member(member)
        yield total / np.float32(n)


def _log_loss(fits: Fits) -> Rule:
    weights = fit_stack(fits.stack, "log_loss").weights
    left = log_loss_without_each(weights, fits.stack.true) if fits.removable else None
    return fits.linear(weights, left)


def _searched(fits: Fits) -> Rule:
    return fits.linear(fit_stack(fits.stack, fits.objective).weights)


def _log_linear(fits: Fits, negative: bool = False) -> Rule:
    return fits.log_linear("any sign" if negative else "positive", RIDGE, negative=negative)


# Pulls of ridge pools to equal weights and of stackers to a ridge pool, in photographs.
RIDGES, STACKER_RIDGES = (10.0, 100.0), (100.0, 300.0)
# From the simplest to the one with most to fit. A fit may start from those of simpler kinds.
KINDS: dict[str, Callable[[Fits], OneRule]] = {
    "best single": _best_single,
    "uniform": _uniform,
    "top-k": _top_members,
    "log-loss weights": _log_loss,
    "macro-F1 weights": _searched,
    "log-linear": _log_linear,
    "log-linear, any sign": lambda fits: _log_linear(fits, negative=True),
    "ridge pool": lambda fits: fits.ridge_pool(RIDGES[0]),
    "strong ridge pool": lambda fits: fits.ridge_pool(RIDGES[1]),
    "strong stacker": lambda fits: fits.stacker(STACKER_RIDGES[1]),
    "stacker": lambda fits: fits.stacker(STACKER_RIDGES[0]),
}


def candidates_of(kinds: Sequence[str], n_rows: int, n_classes: int, objective: str) -> list[str]:
    """The kinds that tables of this size allow, simplest first: each without and with offsets, where
    the objective takes decisions.
    """
    decides = metrics.named(objective).takes == "decisions"
    turned = PLAIN if decides and tries_offsets(n_rows, n_classes) else ()
    found = []
    for kind in kinds:
        if kind in STACKERS and too_much_to_stack(n_rows, n_classes):
            continue
        found += [kind, kind + WITH_OFFSETS] if kind in turned else [kind]
    return found


def tries_offsets(n_rows: int, n_classes: int) -> bool:
    """Whether candidates with class offsets are among those chosen from."""
    return n_classes <= CLASSES or n_rows >= ROWS_A_CLASS * n_classes


def too_much_to_stack(n_rows: int, n_classes: int) -> bool:
    """Whether a stacker's steps would take too long, and none is tried."""
    return n_rows * n_classes**2 > MOST_WORK
