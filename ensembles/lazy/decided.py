"""Whether the members that were not asked yet can still change a vote's answer."""

from __future__ import annotations

import numpy as np

from ensembles.lazy.averaged import mean_leads
from ensembles.lazy.intervals import IN_ORDER, U, interval
from ensembles.lazy.plurality import plurality
from ensembles.rules.mean import AnyRule, MeanRule
from ensembles.rules.pools import Rule
from ensembles.rules.stacker import Stacker


def decided(
    rule: AnyRule, probabilities: np.ndarray, asked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) int classes, and (n,) bool whether they are the vote's answers whatever the others say.

    probabilities: (M, n, K) float32, each in [0, 1], rows of sum 1 within 1e-4; those of members that
    are not asked are not read. asked: (M,) bool. The answer of a vote is the first largest of
    `rule.apply`. A class is certain where no table of the others can make another one the answer, by more
    than the rounding of `rule.apply` (`intervals`). Where a class is not certain, some table of the others
    makes another one the answer, up to that rounding: of hard votes without offsets, of linear and of
    log-linear pools. Of hard votes with offsets and of means a class may be safe that is not found so.

    A rule must have bounds, see `refused.unbounded`.
    """
    classes, ahead = leads(rule, probabilities, asked)
    return classes, ahead > 0


def leads(
    rule: AnyRule, probabilities: np.ndarray, asked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) int classes, and (n,) float64 how far ahead they stay at the least: certain above 0. In logs of
    probabilities, in probabilities of a mean, in votes of a hard vote. Arguments as of `decided`.
    """
    n_rows, n_classes = probabilities.shape[1:]
    if not (needed(rule) & ~asked).any():
        there = np.where(asked[:, None, None], probabilities, np.float32(0))
        return rule.apply(there).argmax(axis=1), np.full(n_rows, np.inf)
    if n_classes == 1:
        return np.zeros(n_rows, int), np.full(n_rows, np.inf)
    if isinstance(rule, MeanRule):
        return mean_leads(rule, probabilities, asked)
    if rule.pool == "hard" and rule.offsets is None:
        return _hard(rule, probabilities, asked)
    found = interval(rule, probabilities, asked)
    classes = found.favourites()
    ahead = found.leads(classes)
    ahead[np.arange(n_rows), classes] = np.inf
    return classes, ahead.min(axis=1) - found.error


def needed(rule: AnyRule) -> np.ndarray:
    """(M,) bool: the members that have weight in any part of the rule; the others are never asked."""
    if not isinstance(rule, MeanRule):
        return rule.weights != 0
    return np.any([_needed(part) for part in rule.parts.values()], axis=0)


def _needed(part: Rule | Stacker) -> np.ndarray:
    own = part.weights != 0
    if isinstance(part, Stacker) and part.features == "members":
        n_classes = len(part.coefficients)
        own |= part.coefficients[:, :-1].reshape(n_classes, len(own), n_classes).any(axis=(0, 2))
    return own


def _hard(
    rule: Rule, probabilities: np.ndarray, asked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The winner of the votes, where it keeps its place through what is mixed in and the temperature."""
    found = plurality(probabilities, rule.weights, asked)
    n_members, n_classes = len(asked), probabilities.shape[2]
    # the nearest that two classes can be: half of the votes each, and one more for the winner
    values = np.array([n_members / 2 + 1, n_members / 2]) / (n_members + 1)
    first, second = np.log((1 - rule.epsilon) * values + rule.epsilon / n_classes)
    if (first - second - 16 * U) / rule.temperature <= IN_ORDER:
        return found.winners, np.full(len(found.winners), -np.inf)
    return found.winners, np.where(
        found.certain, np.maximum(found.leads, 1e-12), np.minimum(found.leads, 0)
    )
