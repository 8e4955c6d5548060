"""From a vote's request to its rule: a function of OOF rows, which may be called for each fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ensembles.errors import BadInput
from ensembles.rules import pools
from ensembles.rules.pools import Rule
from ensembles.voting.request import VoteRequest
from ensembles.weights.fit import fit_stack, solo_scores
from ensembles.weights.log_linear import RIDGE, log_linear_weights
from ensembles.weights.offsets import OFFSETS_FOR, bagged_offsets, fit_temperature
from ensembles.weights.stack import Stack


def fitter(request: VoteRequest, names: Sequence[str]) -> Callable[[Stack], Rule]:
    """OOF rows -> rule, for the members of these names."""
    return lambda stack: _fit(request, names, stack)


def fixed_rule(request: VoteRequest, names: Sequence[str]) -> Rule:
    """The rule of a vote that fits nothing. Raises BadInput where all weights are 0."""
    given = request.weights or {}
    weights = np.array([float(given.get(name, 1.0)) for name in names])
    if not weights.any():
        raise BadInput(f"weights: those of {', '.join(names)} are all 0. Give one more than 0.")
    return Rule(weights / weights.sum(), _pool(request))


def finish(request: VoteRequest, rule: Rule, stack: Stack) -> Rule:
    """The rule with offsets and temperature, where the request has them."""
    if not request.offsets and not request.temperature:
        return rule
    mixed = pools.mix(stack.probabilities, rule.weights, rule.pool)
    if request.offsets:
        of = request.metric if request.metric in OFFSETS_FOR else OFFSETS_FOR[0]
        rule.offsets = bagged_offsets(mixed, stack.labels, of)
    if request.temperature:
        rule.temperature = fit_temperature(pools.adjust(mixed, rule.offsets), stack.labels)
    return rule


def _fit(request: VoteRequest, names: Sequence[str], stack: Stack) -> Rule:
    chosen = np.arange(stack.n_members)
    if request.top is not None:
        order = np.argsort(-solo_scores(stack, request.metric), kind="stable")
        chosen = np.sort(order[: request.top])
    part = stack if len(chosen) == stack.n_members else stack.members(chosen)
    weights = np.zeros(stack.n_members)
    weights[chosen] = _weights(request, part, [names[j] for j in chosen.tolist()])
    return finish(request, Rule(weights, _pool(request)), stack)


def _weights(request: VoteRequest, stack: Stack, names: Sequence[str]) -> np.ndarray:
    if request.mode != "weighted":
        return fixed_rule(request, names).weights
    if request.pool == "log_linear":
        ridge = RIDGE if request.ridge is None else request.ridge
        return log_linear_weights(stack, ridge, request.negative)
    return fit_stack(stack, request.metric, request.ridge or 0.0).weights


def _pool(request: VoteRequest) -> str:
    return "hard" if request.mode == "hard" else request.pool or "linear"
