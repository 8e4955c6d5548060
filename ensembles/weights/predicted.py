"""What rules say of a stack's rows: many at once, from logs that are there and in one product each.

As `rule.apply`, but for float32 rounding. Rules that share weights share their pool, and what a rule
says without each of its members in turn is one product for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ensembles.rules import pools
from ensembles.rules.mean import AnyRule, MeanRule, OneRule
from ensembles.rules.pools import Rule
from ensembles.rules.stacker import Features, Stacker, of_members, of_pool
from ensembles.weights.stack import Stack

# Numbers of a pool at once.
POOLED = 1 << 18
TINY = np.finfo(np.float32).tiny
# Beyond this a probability is less than TINY, which is what a rule takes its log of at least.
LOWEST = -80.0


def predicted(stack: Stack, rule: AnyRule | OneRule) -> np.ndarray:
    """(n, K) float32, as `rule.apply`, exactly so of pools that take no logs."""
    if isinstance(rule, Rule) and rule.pool != "log_linear" and not stack.is_large:
        return rule.apply(stack.probabilities)
    return predicted_each(stack, [rule])[0]


def predicted_each(stack: Stack, rules: Sequence[AnyRule | OneRule]) -> list[np.ndarray]:
    """(n, K) float32 each, as their `apply`; class by class in memory."""
    shape = stack.n_classes, stack.n_rows
    found = [np.empty(shape, np.float32) for _ in rules]
    for at, part in stack.in_parts():
        for rows, some in _blocks(part, 1):
            place = rows if isinstance(at, slice) else at[rows]
            for own, rule in zip(found, rules, strict=True):
                own[:, place] = _said(some, rule, [None])[:, 0]
    return [own.T for own in found]


def predicted_without_each(stack: Stack, rule: AnyRule) -> tuple[np.ndarray, np.ndarray]:
    """(n, K) float32, what the rule says, and (M, n, K), what `rule.without` each member does."""
    n_members, shape = stack.n_members, (stack.n_rows, stack.n_classes)
    whole, without = np.empty(shape, np.float32), np.empty((n_members, *shape), np.float32)
    for rows, some in _blocks(stack, n_members + 1):
        said = _said(some, rule, [None, *range(n_members)])
        whole[rows], without[:, rows] = said[:, 0].T, said[:, 1:].transpose(1, 2, 0)
    return whole, without


def tempered(mixed: np.ndarray, temperature: float) -> np.ndarray:
    """(n, K) float32, as `pools.adjust`; class by class in memory."""
    across = np.ascontiguousarray(mixed.T, np.float32)
    return _adjusted(across[:, None], None, temperature)[:, 0].T


def log_linear_said(stack: Stack, rule: Rule) -> np.ndarray:
    """(K, n) float32: the pool with its offsets, without its temperature."""
    said = np.empty((stack.n_classes, len(stack.labels)), np.float32)
    for at, part in stack.in_parts():
        said[:, at] = pools.mix_logs(
            part.logs(rule.floor, rule.epsilon), rule.weights, rule.offsets
        )
    return said


def features_of(stack: Stack, base: Rule, features: Features, pooled: np.ndarray) -> np.ndarray:
    """(D, n) float32, a stacker's; pooled: (K, n) what its base says."""
    if features == "pool":
        return of_pool(pooled, base.floor)
    return of_members(stack.logs(base.floor, base.epsilon))


class _Rows:
    """Some rows of a stack, with what several rules ask for. ways: of each rule what it is without the
    members left out, the same for all rows.
    """

    def __init__(self, stack: Stack, rows: slice, ways: dict[int, list[OneRule]]):
        self.stack, self.rows, self.ways = stack, rows, ways
        self.probabilities = stack.probabilities[:, rows]
        self._kept: dict[tuple[str, float, float, bytes], np.ndarray] = {}

    @property
    def n_rows(self) -> int:
        return self.probabilities.shape[1]

    def logs(self, rule: Rule) -> np.ndarray:
        """(M, K, b) float32."""
        return self.stack.logs(rule.floor, rule.epsilon)[:, :, self.rows]

    def linear(self, weights: np.ndarray) -> np.ndarray:
        """(K, J, b) float32: the linear pools of weights (J, M)."""

        def product() -> np.ndarray:
            # Equal weights are 1 each: counts of hard votes, often tied, are whole numbers then.
            scaled = (weights / abs(weights).max(axis=1, keepdims=True)).astype(np.float32)
            mixed = scaled @ self.probabilities.reshape(len(self.probabilities), -1)
            mixed = mixed.reshape(len(weights), self.n_rows, self.stack.n_classes)
            across = np.ascontiguousarray(mixed.transpose(2, 0, 1))
            return np.divide(across, across.sum(axis=0), out=across)

        return self._once(("linear", 0, 0, weights.tobytes()), product)

    def log_linear(self, weights: np.ndarray, of: Rule) -> np.ndarray:
        """(K, J, b) float32: the logits of the log-linear pools of weights (J, M)."""
        key = "log_linear", of.floor, of.epsilon, weights.tobytes()
        across = self.logs(of).transpose(1, 0, 2)
        return self._once(key, lambda: np.matmul(weights.astype(np.float32), across))

    def _once(
        self, key: tuple[str, float, float, bytes], product: Callable[[], np.ndarray]
    ) -> np.ndarray:
        if key not in self._kept:
            self._kept[key] = product()
        return self._kept[key]


def _blocks(stack: Stack, n_ways: int) -> list[tuple[slice, _Rows]]:
    """Rows at once for so many ways of each rule."""
    n_rows, n_classes = stack.n_rows, stack.n_classes
    most = max(POOLED // (n_ways * n_classes), 64)
    ways: dict[int, list[OneRule]] = {}
    parts = [slice(at, at + most) for at in range(0, n_rows, most)]
    return [(rows, _Rows(stack, rows, ways)) for rows in parts]


def _said(some: _Rows, rule: AnyRule | OneRule, left_out: Sequence[int | None]) -> np.ndarray:
    """(K, J, b) float32: what a rule says without each member left out, or with all (None)."""
    if isinstance(rule, MeanRule):
        total = np.zeros((some.stack.n_classes, len(left_out), some.n_rows), np.float32)
        for share, part in zip(rule.shares, rule.parts.values(), strict=True):
            total += np.float32(share) * _said(some, part, left_out)
        return _adjusted(total, None, rule.temperature)
    if id(rule) not in some.ways:
        some.ways[id(rule)] = [rule if j is None else rule.without(j) for j in left_out]
    ways = some.ways[id(rule)]
    if isinstance(rule, Stacker):
        return _stacked(some, rule, ways, left_out)
    return _pooled(some, [own for own in ways if isinstance(own, Rule)])


def _pooled(some: _Rows, ways: Sequence[Rule]) -> np.ndarray:
    """(K, J, b) float32, of rules that differ in weights and offsets only."""
    each = list({id(own): own for own in ways}.values())
    place = {id(own): at for at, own in enumerate(each)}
    first, weights = each[0], np.stack([own.weights for own in each])
    offsets = None
    if any(own.offsets is not None and own.offsets.any() for own in each):
        offsets = np.stack([own.offsets for own in each], axis=1)[:, :, None]  # type: ignore[misc]
    if first.pool == "log_linear":
        logits = some.log_linear(weights, first)
        shift = np.float32(0) if offsets is None else offsets.astype(np.float32)
        said = _softmax(logits + shift, first.temperature)
    elif first.pool == "linear":
        mixed, k = some.linear(weights), some.stack.n_classes
        if first.epsilon:
            mixed = mixed * np.float32(1 - first.epsilon) + np.float32(first.epsilon / k)
        said = _adjusted(mixed, offsets, first.temperature)
    else:
        said = np.stack([own.apply(some.probabilities).T for own in each], axis=1)
    if len(each) == len(ways):
        return said
    return said[:, [place[id(own)] for own in ways]]


def _stacked(
    some: _Rows, rule: Stacker, ways: Sequence[OneRule], left_out: Sequence[int | None]
) -> np.ndarray:
    """(K, J, b) float32, of a stacker without the members left out."""
    bases = [own.base for own in ways if isinstance(own, Stacker)]
    pooled = _pooled(some, bases)
    logits, coefficients = _log(pooled), rule.coefficients.astype(np.float32)
    if rule.features == "pool":
        k = len(pooled)
        given = np.log(np.maximum(pooled, np.float32(rule.base.floor)))
        given -= given.mean(axis=0)
        product = coefficients[:, :k] @ given.reshape(k, -1)
        logits += product.reshape(logits.shape) + coefficients[:, k:, None]
    else:
        logs = some.logs(rule.base)
        m, k, _ = logs.shape
        each = np.matmul(coefficients[:, :-1].reshape(k, m, k).transpose(1, 0, 2), logs)
        every = each.sum(axis=0) + coefficients[:, -1:]
        for at, j in enumerate(left_out):
            logits[:, at] += every if j is None else every - each[j]
    return _softmax(logits, rule.temperature)


def _adjusted(mixed: np.ndarray, offsets: np.ndarray | None, temperature: float) -> np.ndarray:
    """(K, J, b) float32, as `pools.adjust`. offsets: (K, J, 1)."""
    if offsets is None and temperature == 1:
        return mixed
    logits = _log(mixed)
    if offsets is not None:
        logits += offsets.astype(np.float32)
    return _softmax(logits, temperature)


def _log(mixed: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(mixed, TINY))


def _softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Over the first axis of (K, J, b), in place."""
    if temperature != 1:
        logits -= logits.max(axis=0)
        if logits.min() < LOWEST:
            logits = _log(pools.softmax_by_row(logits))
        logits *= np.float32(1 / temperature)
    return pools.softmax_by_row(logits)
