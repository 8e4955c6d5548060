"""What rules say of a stack's rows, from logs that are there already where they are log-linear."""

from __future__ import annotations

import numpy as np

from ensembles.rules import pools
from ensembles.rules.mean import AnyRule, MeanRule, OneRule, mean_of
from ensembles.rules.pools import Rule
from ensembles.rules.stacker import Features, Stacker, of_members, of_pool, stacked
from ensembles.weights.stack import Stack


def predicted(stack: Stack, rule: AnyRule | OneRule) -> np.ndarray:
    """(N, K) float32, as `rule.apply`, of log-linear pools but for float32 rounding."""
    if isinstance(rule, MeanRule):
        parts = [predicted(stack, part) for part in rule.parts.values()]
        return pools.adjust(mean_of(parts, rule.shares), None, rule.temperature)
    if isinstance(rule, Stacker):
        pooled = log_linear_said(stack, rule.base)
        said = stacked(
            pooled, features_of(stack, rule.base, rule.features, pooled), rule.coefficients
        )
    elif rule.pool == "log_linear":
        said = log_linear_said(stack, rule)
    else:
        return rule.apply(stack.probabilities)
    return pools.adjust(np.ascontiguousarray(said.T), None, rule.temperature)


def log_linear_said(stack: Stack, rule: Rule) -> np.ndarray:
    """(K, N) float32: the pool with its offsets, without its temperature."""
    return pools.mix_logs(stack.logs(rule.floor, rule.epsilon), rule.weights, rule.offsets)


def features_of(stack: Stack, base: Rule, features: Features, pooled: np.ndarray) -> np.ndarray:
    """(D, N) float32, a stacker's; pooled: (K, N) what its base says."""
    if features == "pool":
        return of_pool(pooled, base.floor)
    return of_members(stack.logs(base.floor, base.epsilon))
