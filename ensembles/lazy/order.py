"""In which order members are asked, so that most answers are certain early and cheaply."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ensembles.lazy.decided import decided, needed
from ensembles.rules.mean import AnyRule, MeanRule
from ensembles.rules.pools import Rule
from ensembles.rules.stacker import Stacker

ROWS = 512  # of OOF tables every n-th beyond them is looked at
SWEEPS = 8


def order_of(rule: AnyRule, costs: Sequence[float] | np.ndarray) -> np.ndarray:
    """(m,) int: the members that are asked, those of most weight for their cost first.

    costs: (M,) > 0, as milliseconds a photograph; all alike where none are known. Members without weight
    in any part of the rule are not among them. As many votes as decide are had most cheaply so, as of a
    knapsack; of members that are alike the first listed comes first.
    """
    weights, given = influence(rule), np.asarray(costs, np.float64)
    if given.shape != weights.shape or not ((given > 0) & np.isfinite(given)).all():
        raise ValueError(f"costs: {given.tolist()}, but must be {len(weights)} numbers above 0")
    return _sorted(needed(rule), weights / given)


def _sorted(there: np.ndarray, first: np.ndarray) -> np.ndarray:
    order = np.argsort(-first, kind="stable")
    return order[there[order]]


def influence(rule: AnyRule) -> np.ndarray:
    """(M,) float64 >= 0, sum 1: each member's share of the weights; in a mean over its parts."""
    if not isinstance(rule, MeanRule):
        return _own(rule)
    parts = zip(rule.shares, rule.parts.values(), strict=True)
    return np.sum([share * _own(part) for share, part in parts], axis=0)


def _own(part: Rule | Stacker) -> np.ndarray:
    weights = abs(part.weights)
    return weights / weights.sum()


def order_on(
    rule: AnyRule, costs: Sequence[float] | np.ndarray, probabilities: np.ndarray
) -> np.ndarray:
    """(m,) int as `order_of`, of least cost on tables (M, N, K) float32, such as those that the rule was
    fitted to. From `order_of` on, as long as a row costs less for it, a member and the next one change
    places; at most SWEEPS times through all of them.
    """
    given = np.asarray(costs, np.float64)
    some = probabilities[:, :: -(-probabilities.shape[1] // ROWS)]
    known: dict[bytes, np.ndarray] = {}

    def left_by(asked: np.ndarray) -> np.ndarray:
        """(n,) bool, the rows that are open; two orders with a swap between differ in one such set."""
        if (key := asked.tobytes()) not in known:
            known[key] = ~decided(rule, some, asked)[1]
        return known[key]

    def cost(order: np.ndarray) -> float:
        left, asked, total = np.ones(some.shape[1], bool), np.zeros(len(some), bool), 0.0
        for member in order.tolist():
            total += float(given[member]) * int(left.sum())
            asked[member] = True
            left &= left_by(asked)
        return total

    order = order_of(rule, given)
    least = cost(order)
    for _ in range(SWEEPS):
        before = least
        for place in range(len(order) - 1):
            swapped = order.copy()
            swapped[place : place + 2] = order[place : place + 2][::-1]
            if (found := cost(swapped)) < least:
                order, least = swapped, found
        if least == before:
            break
    return order


def cost_of(
    rule: AnyRule, probabilities: np.ndarray, order: np.ndarray, costs: np.ndarray
) -> float:
    """What a row costs on average, of tables (M, N, K) whose members are asked in this order."""
    n_asked = n_asked_of(rule, probabilities, order)
    return float(np.cumsum(costs[order])[n_asked - 1].mean())


def n_asked_of(rule: AnyRule, probabilities: np.ndarray, order: np.ndarray) -> np.ndarray:
    """(N,) int: how many members, in this order, each row of tables (M, N, K) takes."""
    n_asked = np.full(probabilities.shape[1], len(order))
    left, asked = np.arange(len(n_asked)), np.zeros(len(probabilities), bool)
    for n, member in enumerate(order[:-1].tolist(), 1):
        asked[member] = True
        certain = decided(rule, probabilities[:, left], asked)[1]
        n_asked[left[certain]] = n
        left = left[~certain]
        if not len(left):
            break
    return n_asked
