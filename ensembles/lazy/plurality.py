"""Which class a hard vote can still go to, ties included."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# As `votes.hard`: counts so near are a tie.
TIE = 1e-9
# Below this share of a vote a member could stay away from a tie without ending it.
SMALL = 1e-6


@dataclass
class Plurality:
    """counts: (n, K) float64 votes so far, M in all when everybody is asked. rest: votes not cast yet.
    winners: (n,) the first of most votes. certain: (n,) bool, whether it wins whatever the rest say.
    can_win: (n, K) bool, no fewer than the classes that may win.
    leads: (n,) float64, the votes that it stays ahead by at the least; below 0 where it may be overtaken.
    """

    counts: np.ndarray
    rest: float
    winners: np.ndarray
    certain: np.ndarray
    can_win: np.ndarray
    leads: np.ndarray


def plurality(probabilities: np.ndarray, weights: np.ndarray, asked: np.ndarray) -> Plurality:
    """Of members' probabilities (M, n, K), those that are not asked unread, and weights (M,) >= 0.

    A class is overtaken by another if all of the rest can vote for the other. Where that ends in a tie
    it is told by what `votes.hard` would say if they all gave the other probability 1: no other
    answer of theirs raises its sum more, in floating point neither, as sums and products of numbers
    of 0 or more never fall where one of these rises. Not one of them may vote otherwise, or there is
    no tie; so never are more than two classes tied that are not so already.
    """
    n_members, n_rows, n_classes = probabilities.shape
    shares = weights * (n_members / np.sum(weights))
    used = np.flatnonzero(asked & (shares > 0))
    left = np.flatnonzero(~asked & (shares > 0))
    rest = float(shares[left].sum())
    choices = {int(j): probabilities[j].argmax(axis=1) for j in used}
    rows = np.arange(n_rows)
    counts = np.zeros((n_rows, n_classes))
    for j, chosen in choices.items():
        counts[rows, chosen] += shares[j]
    winners = counts.argmax(axis=1)
    # sums of votes, of which there are M, in another order than `votes.hard` has them
    error = 2.0**-50 * n_members**2
    others = counts.copy()
    others[rows, winners] = -np.inf
    leads = counts[rows, winners][:, None] - others - rest
    nearest = leads.min(axis=1)
    certain = nearest > TIE + error
    if len(left) and shares[left].min() > SMALL:
        tied = (abs(leads) <= TIE - error) & (nearest >= error - TIE)[:, None]
        row, rival = np.nonzero(tied)
        own = winners[row]
        lost = np.zeros(n_rows, bool)
        if len(row):
            wins = _wins_tie(probabilities, shares, choices, left, row, own, rival)
            np.logical_or.at(lost, row, ~wins)
        between = (abs(leads) > TIE - error) & (leads <= TIE + error)
        certain |= tied.any(axis=1) & ~lost & ~between.any(axis=1)
    can_win = counts + rest >= counts.max(axis=1, keepdims=True) - TIE - error
    return Plurality(counts, rest, winners, certain, can_win, nearest)


def _wins_tie(
    probabilities: np.ndarray,
    shares: np.ndarray,
    choices: dict[int, np.ndarray],
    left: np.ndarray,
    row: np.ndarray,
    own: np.ndarray,
    rival: np.ndarray,
) -> np.ndarray:
    """(P,) bool of pairs of a class and a rival in some rows: whether the class wins the tie that comes
    of all the rest giving the rival probability 1, summed and listed as `votes.hard` does.
    """
    support, against = np.zeros(len(row)), np.zeros(len(row))
    first = np.zeros(len(row), np.int8)  # 1: the class was voted for first; -1: the rival
    for j in sorted([*choices, *left.tolist()]):
        if j in choices:
            support += shares[j] * probabilities[j, row, own]
            against += shares[j] * probabilities[j, row, rival]
            vote = (choices[j][row] == own).astype(np.int8) - (choices[j][row] == rival)
        else:
            against += shares[j]
            vote = np.full(len(row), -1, np.int8)
        first = np.where(first == 0, vote, first)
    return (support > against) | ((support == against) & (first > 0))
