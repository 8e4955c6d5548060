"""A vote that asks one member after the other, each only for the rows whose answer is still open."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ensembles.errors import BadInput
from ensembles.lazy.decided import decided, needed
from ensembles.lazy.intervals import SUMS
from ensembles.lazy.order import influence
from ensembles.rules import votes
from ensembles.rules.mean import AnyRule

# (member, rows (n,) int ascending) -> (n, K) float32 probabilities
Ask = Callable[[int, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class LazyVote:
    """classes: (N,) int, those of the vote of all members. probabilities: (N, K) float32. asked: (M, N)
    bool, which members were. order: (m,) int, in which order, those without weight not among them.

    Where all with weight were asked a row's probabilities are the vote's, bit for bit. Where not
    (`early`) they are the vote's if each member that was not asked said what those that were say on
    average, by weight: of a linear pool the vote of those that were asked. Their largest is the vote's
    answer, as whatever the others say it is; how large it is the whole vote may say otherwise.
    """

    classes: np.ndarray
    probabilities: np.ndarray
    asked: np.ndarray
    order: np.ndarray

    @property
    def early(self) -> np.ndarray:
        """(N,) bool: rows that were certain before all members with weight were asked."""
        return ~self.asked[self.order].all(axis=0)

    @property
    def passes_saved(self) -> np.ndarray:
        """(M,) int: rows that a member was not asked for; 0 of members without weight."""
        saved = np.zeros(len(self.asked), int)
        saved[self.order] = (~self.asked[self.order]).sum(axis=1)
        return saved


def lazy_vote(
    rule: AnyRule, ask: Ask, n_rows: int, n_classes: int, order: Sequence[int] | np.ndarray
) -> LazyVote:
    """The vote's answers for N rows, members asked in `order` (`order.order_of`), which holds each that
    has weight once. ask: called with a member's place and the rows that are open, and at least once for
    every row. The tables of all rows are kept: give a block of photographs at a time.

    Raises BadInput for what is no table of probabilities, since bounds hold of these only, and
    ValueError for an order of other members. A rule must have bounds, see `refused.unbounded`.
    """
    order = np.asarray(order, int)
    if sorted(order.tolist()) != np.flatnonzero(needed(rule)).tolist():
        raise ValueError(
            f"order: {order.tolist()}, but must hold once each member that has weight: "
            f"{np.flatnonzero(needed(rule)).tolist()}"
        )
    n_members = len(needed(rule))
    tables = np.zeros((n_members, n_rows, n_classes), np.float32)
    asked = np.zeros((n_members, n_rows), bool)
    left, so_far = np.arange(n_rows), np.zeros(n_members, bool)
    for member in order.tolist():
        if not len(left):
            break
        tables[member, left] = _checked(ask(member, left), member, (len(left), n_classes))
        asked[member, left] = so_far[member] = True
        if member != order[-1]:
            certain = decided(rule, tables[:, left], so_far)[1]
            _fill(tables, left[certain], so_far, order, influence(rule))
            left = left[~certain]
    probabilities = rule.apply(tables)
    return LazyVote(probabilities.argmax(axis=1), probabilities, asked, order)


def _fill(
    tables: np.ndarray, rows: np.ndarray, asked: np.ndarray, order: np.ndarray, weights: np.ndarray
) -> None:
    """What members that were not asked are taken to say. One of the tables that they may have, so that the
    answer stays."""
    if len(rows):
        there = np.flatnonzero(asked)
        mean = votes.weighted(tables[np.ix_(there, rows)], weights[there])
        for member in order[~asked[order]].tolist():
            tables[member, rows] = mean


def _checked(said: np.ndarray, member: int, shape: tuple[int, int]) -> np.ndarray:
    said = np.asarray(said, np.float32)
    if said.shape != shape:
        raise BadInput(
            f"member {member}: probabilities of shape {said.shape}, but must be {shape}, a row for "
            "each photograph asked for and a column a class."
        )
    if not ((said >= 0) & (said <= 1)).all() or (abs(said.sum(axis=1) - 1) > SUMS).any():
        raise BadInput(
            f"member {member}: no probabilities. Each must be in [0, 1], and a row must sum to 1 "
            f"within {SUMS:g}."
        )
    return said
