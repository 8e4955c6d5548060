"""From a vote's request to its rule: a function of OOF rows, which may be called for each fold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ensembles.errors import BadInput
from ensembles.judging.estimate import apply_held_out
from ensembles.rules import pools
from ensembles.rules.pools import Rule
from ensembles.scores import scorers
from ensembles.voting.request import VoteRequest
from ensembles.weights.epsilon import pool_epsilon, tables_epsilon
from ensembles.weights.fit import fit_stack, solo_scores
from ensembles.weights.log_linear import RIDGE, log_linear_fit
from ensembles.weights.offsets import OFFSETS_FOR, bagged_offsets, fit_temperature
from ensembles.weights.stack import Stack

NO_TEMPERATURE = (
    "temperature 1: fitted ones make the log-loss of rows that they were not fitted to worse."
)


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
    """The rule with offsets and temperature, where the request has them, and 1/K mixed in before them
    where it rules classes out.
    """
    if not request.offsets and not request.temperature:
        return rule
    mixed = rule.mix(stack.probabilities)
    if rule.pool != "log_linear":
        rule.epsilon = pool_epsilon(mixed, stack.labels)
        mixed = pools.smoothed(mixed, rule.epsilon)
    if request.offsets:
        of = request.metric if request.metric in OFFSETS_FOR else OFFSETS_FOR[0]
        rule.offsets = bagged_offsets(mixed, stack.labels, of)
    if request.temperature:
        rule.temperature = fit_temperature(pools.adjust(mixed, rule.offsets), stack.labels)
    return rule


def tempers_well(stack: Stack, rules: Sequence[tuple[np.ndarray, Rule]]) -> bool:
    """Whether temperatures that were fitted without each part of the rows (indices) make its log-loss
    no worse than none does.
    """
    bare = [(rows, untempered(rule)) for rows, rule in rules]
    tempered, without = (
        scorers.log_loss(stack.labels, apply_held_out(stack, own)) for own in (rules, bare)
    )
    return tempered <= without


def untempered(rule: Rule) -> Rule:
    return replace(rule, temperature=1.0)


def _fit(request: VoteRequest, names: Sequence[str], stack: Stack) -> Rule:
    chosen = np.arange(stack.n_members)
    if request.top is not None:
        order = np.argsort(-solo_scores(stack, request.metric), kind="stable")
        chosen = np.sort(order[: request.top])
    part = stack if len(chosen) == stack.n_members else stack.members(chosen)
    rule = Rule(np.zeros(stack.n_members), _pool(request))
    if rule.pool == "log_linear" and request.needs_oof and part.has_zeros:
        rule.epsilon = tables_epsilon(part.probabilities, part.labels)
    own_names = [names[j] for j in chosen.tolist()]
    rule.weights[chosen], rule.gradient = _weights(request, part, own_names, rule.epsilon)
    return finish(request, rule, stack)


def _weights(
    request: VoteRequest, stack: Stack, names: Sequence[str], epsilon: float
) -> tuple[np.ndarray, float | None]:
    """And the gradient of log-linear ones, see `Rule`."""
    if request.mode != "weighted":
        return fixed_rule(request, names).weights, None
    if request.pool == "log_linear":
        ridge = RIDGE if request.ridge is None else request.ridge
        logs = stack.logs(epsilon=epsilon)
        fit = log_linear_fit(logs, stack.labels, ridge, negative=request.negative)
        return fit.weights, fit.gradient
    return fit_stack(stack, request.metric, request.ridge or 0.0).weights, None


def _pool(request: VoteRequest) -> str:
    return "hard" if request.mode == "hard" else request.pool or "linear"
