"""How a vote is fitted: what was asked for, checked, as a function from OOF rows to a rule."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ensembles import metrics, pools
from ensembles.log_linear import RIDGE, log_linear_weights
from ensembles.offsets import OFFSETS_FOR, bagged_offsets, fit_temperature
from ensembles.pools import Rule
from ensembles.stack import Stack
from ensembles.weights import fit_stack, solo_scores

MODES = ("hard", "soft", "weighted")


@dataclass(frozen=True)
class Request:
    """What a vote should be. mode: "hard", "soft" or "weighted".

    objective: one of `metrics.METRICS` or its aliases; what weights are fitted for and what the best
    members are best in; of one target as "macro_f1:age" where the tables' metadata names targets.
    A weighted vote of which nothing more is said is chosen among many kinds (`ensembles.gate`).
    pool: "linear" (default) or "log_linear", for a soft vote the geometric mean.
    offsets: fit one log-prior a class, bagged. temperature: fit one after the average.
    ridge: pull towards equal weights, in photographs. negative: allow weights of any sign
    (log-linear only). top: vote over the best so many members. weights: member -> weight, fixed.
    """

    mode: str
    objective: str | None = None
    pool: str | None = None
    offsets: bool = False
    temperature: bool = False
    ridge: float | None = None
    negative: bool = False
    top: int | None = None
    weights: Mapping[str, float] | None = None

    def __post_init__(self):
        if isinstance(self.objective, str):
            object.__setattr__(self, "objective", metrics.canonical(self.objective))

    @property
    def gated(self) -> bool:
        """Whether the kind of vote is left to be chosen."""
        asked = self.objective or self.pool or self.offsets or self.temperature or self.negative
        return self.mode == "weighted" and not asked and self.ridge is None and self.top is None

    @property
    def metric(self) -> str:
        by_loss = self.ridge is not None or self.pool == "log_linear"
        fitted_for = "log_loss" if self.mode == "weighted" and by_loss else "macro_f1"
        return self.objective or fitted_for

    @property
    def fitted_for(self) -> str | None:
        """What weights are fitted for; None where none are, or where the kind is to be chosen."""
        return self.metric if self.mode == "weighted" and not self.gated else None

    @property
    def needs_oof(self) -> bool:
        fitted = self.mode == "weighted" or self.top is not None
        return fitted or self.offsets or self.temperature

    def per_target(self, targets: Mapping[str, np.ndarray]) -> dict[str, np.ndarray | None]:
        """The metric where it is not reported anyway, with the values that classes mean of its
        target, or None where all classes count (`metrics.Views`).

        targets: as `evaluation.target_indices`.
        """
        target = self.metric.partition(":")[2]
        known = self.metric in metrics.REPORTED
        return {} if known else {self.metric: targets[target] if target else None}

    @property
    def _of_log_loss(self) -> bool:
        """Whether nothing else than the score that log-linear pools and ridges go by is asked for."""
        return self.objective in (None, *(m.name for m in metrics.METRICS.values() if m.convex))

    @property
    def _turnable(self) -> bool:
        """Whether class offsets have a sweep for it; log-loss goes with those for macro F1."""
        known = metrics.METRICS.get(metrics.base(self.metric))
        return known is None or known.convex or known.name in OFFSETS_FOR

    def problems(self, members: Sequence[str], targets: Sequence[str] = ()) -> list[str]:
        """Everything that is wrong with it, for these members and targets."""
        found = []
        objectives = tuple(metrics.METRICS)
        of_targets = tuple(f"{name}:{target}" for name in objectives for target in targets)
        for what, got, allowed in (
            ("mode", self.mode, MODES),
            ("objective", self.objective or "macro_f1", objectives + of_targets),
            ("pool", self.pool or "linear", ("linear", "log_linear")),
        ):
            if got not in allowed:
                near = difflib.get_close_matches(str(got), allowed, 1)
                hint = f" Did you mean {near[0]}?" if near else ""
                found.append(f"{what}: {got!r}, but must be one of {', '.join(allowed)}.{hint}")
        if self.offsets and ":" in self.metric:
            found.append("offsets: turn decisions between all classes; leave the target out.")
        if self.mode == "hard" and self.pool:
            found.append("pool: a hard vote counts votes, so it takes none. Leave --pool out.")
        if self.offsets and not self._turnable:
            found.append(
                f"offsets: they are fitted for {' or '.join(OFFSETS_FOR)}, not for {self.objective}. "
                "Leave them out, or name one of those."
            )
        if self.mode == "weighted" and self.pool == "log_linear":
            if not self._of_log_loss:
                found.append(
                    f"objective: {self.objective!r}, but the log-linear pool's weights are fitted "
                    "to log_loss. Add --offsets to turn its decisions towards macro F1."
                )
        elif self.negative:
            found.append(
                "negative: weights below 0 need the log-linear pool of a weighted vote: "
                "--mode weighted --pool log_linear."
            )
        if self.ridge is not None and (self.mode != "weighted" or not self.ridge >= 0):
            found.append(
                f"ridge: {self.ridge!r}, but must be 0 or more, and only a weighted vote takes one."
            )
        if self.ridge is not None and not self._of_log_loss:
            found.append("ridge: only log-loss weights take one. Use --objective log_loss.")
        if self.top is not None and not 1 <= self.top <= len(members):
            found.append(
                f"top: {self.top}, but must be 1 to {len(members)}, the members there are."
            )
        if self.weights is not None:
            found += _weight_problems(self, members)
        return found

    def fit(self, names: Sequence[str]) -> Callable[[Stack], Rule]:
        """OOF rows -> rule, for the members of these names."""
        return lambda stack: self._fit(stack, names)

    def _fit(self, stack: Stack, names: Sequence[str]) -> Rule:
        chosen = np.arange(stack.n_members)
        if self.top is not None:
            order = np.argsort(-solo_scores(stack, self.metric), kind="stable")
            chosen = np.sort(order[: self.top])
        part = stack if len(chosen) == stack.n_members else stack.members(chosen)
        pool = "hard" if self.mode == "hard" else self.pool or "linear"
        weights = np.zeros(stack.n_members)
        weights[chosen] = self._weights(part, [names[j] for j in chosen], pool)
        return self.finish(Rule(weights, pool), stack)

    def finish(self, rule: Rule, stack: Stack) -> Rule:
        """The rule with offsets and temperature, where they are asked for."""
        if not self.offsets and not self.temperature:
            return rule
        mixed = pools.mix(stack.probabilities, rule.weights, rule.pool)
        if self.offsets:
            of = self.metric if self.metric in OFFSETS_FOR else OFFSETS_FOR[0]
            rule.offsets = bagged_offsets(mixed, stack.labels, of)
        if self.temperature:
            rule.temperature = fit_temperature(pools.adjust(mixed, rule.offsets), stack.labels)
        return rule

    def _weights(self, stack: Stack, names: Sequence[str], pool: str) -> np.ndarray:
        if self.mode != "weighted":
            return self.fixed(names)
        if pool == "log_linear":
            ridge = RIDGE if self.ridge is None else self.ridge
            return log_linear_weights(stack, ridge, self.negative)
        return fit_stack(stack, self.metric, self.ridge or 0.0).weights

    def fixed(self, names: Sequence[str]) -> np.ndarray:
        """(M,) the weights given, sum 1; equal ones where none are."""
        given = self.weights or {}
        weights = np.array([float(given.get(name, 1.0)) for name in names])
        return weights / weights.sum()


def _weight_problems(request: Request, members: Sequence[str]) -> list[str]:
    found, weights = [], request.weights
    if request.mode == "weighted":
        found.append("weights: a weighted vote fits its own. Give them to --mode soft or hard.")
    for name in weights:
        if name not in members:
            near = difflib.get_close_matches(name, members, 1)
            hint = f" Did you mean {near[0]}?" if near else ""
            found.append(f"weights: no member {name!r}; there are {', '.join(members)}.{hint}")
    if wrong := [n for n, w in weights.items() if not 0 <= float(w) < np.inf]:
        found.append(f"weights: those of {', '.join(wrong)} must be 0 or more.")
    elif sum(float(weights.get(name, 1.0)) for name in members) == 0:
        found.append("weights: they sum to 0, so nobody votes. Give one member more than 0.")
    return found
