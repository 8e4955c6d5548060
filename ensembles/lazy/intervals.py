"""How far the members that were not asked yet can move the classes of one rule.

Each of them may say anything: any point of the simplex. In every pool here the worst for a class c
beside a class k is one and the same: all of them give k probability 1 and c probability 0. So the
least that the logits of c and k can be apart is low[c] - high[k], and no more caution than that.

Margins. A decision is the first largest of float32 numbers, and what bounds it here is computed from
the same tables in another order. With u = 2**-24, the rounding of float32:
- A linear pool is summed in float64 and rounded once; mixing 1/K in rounds a factor, a term, a product
  and a sum. The log of a ratio of two classes is wrong by at most 10 u: 16 u are kept.
- A log-linear pool takes its logs in float32, and no logarithm promises to be monotone or the same in
  every place of an array; up to 4 units in the last place are seen. So 8 of them, of the largest log,
  for each unit of weight. What follows is float64, rounded once.
- After the temperature two classes of a ratio of 1 + 4 u are two float32 numbers in the right order:
  32 u of the log are kept.
- Sums in float64 are wrong by 2**-52 of what they are of for each term: 2**-48 of the largest logit for
  each member.
- Rows sum to 1 within SUMS, and where 1/K is mixed in it counts as much as they do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ensembles.lazy.plurality import plurality
from ensembles.rules import pools
from ensembles.rules.pools import Rule

U = 2.0**-24
IN_ORDER = 32 * U  # of the log of a ratio, so that float32 numbers are in the same order
SUMS = 1e-4  # how far from 1 a table's row may sum
LEAST = float(np.finfo(np.float32).tiny)  # below it `pools.adjust` sees no difference
_LOG_LEAST = float(np.log(LEAST))


@dataclass
class Interval:
    """low, high: (n, K) float64 logits with offsets, before the temperature: the classes' when none of
    the rest goes to them, and when all of it does. slack: how far logits may be from what they are
    here. rest: the weight not asked yet: its share in a linear pool, sum of absolute weights in a
    log-linear one.
    """

    rule: Rule
    low: np.ndarray
    high: np.ndarray
    slack: float
    rest: float

    @property
    def error(self) -> float:
        """How far the logs of a ratio of two classes' probabilities may be from what they are here."""
        return self.slack / self.rule.temperature + IN_ORDER

    def favourites(self) -> np.ndarray:
        """(n,) the only classes that can be certain."""
        return self.low.argmax(axis=1)

    def leads(self, classes: np.ndarray) -> np.ndarray:
        """(n, K) the least by which the logits of classes (n,) are above each class's after the
        temperature; of themselves 0.
        """
        rows = np.arange(len(classes))
        leads = (self.low[rows, classes][:, None] - self.high) / self.rule.temperature
        leads[rows, classes] = 0.0
        return leads


def interval(rule: Rule, probabilities: np.ndarray, asked: np.ndarray) -> Interval:
    """Of a hard, linear or log-linear pool. probabilities: (M, n, K) float32, of which those of members
    that are not asked are not read. asked: (M,) bool.
    """
    of = {"log_linear": _log_linear, "linear": _linear, "hard": _hard}[rule.pool]
    return of(rule, probabilities, asked)


def _linear(rule: Rule, probabilities: np.ndarray, asked: np.ndarray) -> Interval:
    shares = rule.weights / rule.weights.sum()
    rest = float(shares[~asked].sum())
    said = np.zeros(probabilities.shape[1:])
    for j in np.flatnonzero(asked & (shares > 0)):
        said += shares[j] * probabilities[j].astype(np.float64)
    total = said.sum(axis=1, keepdims=True) + rest
    low, high = _mixed_in(rule, said / total), _mixed_in(rule, (said + rest) / total)
    sums = 2 * SUMS * rest if rule.epsilon else 0.0
    return _adjusted(rule, low, high, 16 * U + sums, rest)


def _hard(rule: Rule, probabilities: np.ndarray, asked: np.ndarray) -> Interval:
    """As `votes.vote_shares`: the winner holds a vote more, where it is known, or may be had."""
    found = plurality(probabilities, rule.weights, asked)
    n_members, rows = len(asked), np.arange(len(found.winners))
    sure = np.zeros(found.counts.shape, bool)
    sure[rows, found.winners] = found.certain
    possible = np.where(found.certain[:, None], sure, found.can_win)
    low = _mixed_in(rule, (found.counts + sure) / (n_members + 1))
    high = _mixed_in(rule, (found.counts + found.rest + possible) / (n_members + 1))
    return _adjusted(rule, low, high, 16 * U, found.rest / n_members)


def _mixed_in(rule: Rule, mixed: np.ndarray) -> np.ndarray:
    """As `pools.smoothed`, in float64."""
    return (1 - rule.epsilon) * mixed + rule.epsilon / mixed.shape[1]


def _adjusted(rule: Rule, low: np.ndarray, high: np.ndarray, slack: float, rest: float) -> Interval:
    """From probabilities. A class so improbable that `pools.adjust` counts it as LEAST may have more than
    its own, and is never certain: its low is -inf.
    """
    with np.errstate(divide="ignore"):
        low = np.where(low > 2 * LEAST, np.log(low), -np.inf)
    high = np.log(np.maximum(high, LEAST))
    largest = -_LOG_LEAST
    if rule.offsets is not None:
        low, high = low + rule.offsets, high + rule.offsets
        largest += float(abs(rule.offsets).max())
    return Interval(rule, low, high, slack + 2.0**-48 * largest * len(rule.weights), rest)


def _log_linear(rule: Rule, probabilities: np.ndarray, asked: np.ndarray) -> Interval:
    weights = rule.weights
    n_classes = probabilities.shape[2]
    logits = np.zeros(probabilities.shape[1:])
    for j in np.flatnonzero(asked & (weights != 0)):
        logits += weights[j] * pools.log(probabilities[j], rule.floor, rule.epsilon)
    none, whole = extremes(rule, n_classes)
    rest, every = float(abs(weights[~asked]).sum()), float(abs(weights).sum())
    reach = (whole - none) * rest
    largest = max(abs(none), abs(whole))
    slack = 4 * U + 8 * float(np.spacing(np.float32(largest))) * every
    offsets = np.zeros(n_classes) if rule.offsets is None else rule.offsets
    slack += 2.0**-48 * len(weights) * (every * largest + float(abs(offsets).max()))
    low, high = logits + offsets, logits + offsets + reach
    if rule.offsets is not None or rule.temperature != 1:
        low, high = _above_least(logits, offsets, low, high, reach)
    return Interval(rule, low, high, slack, rest)


def extremes(rule: Rule, n_classes: int) -> tuple[float, float]:
    """The logs of probabilities 0 and 1, as a log-linear pool takes them of a row of K classes."""
    one_hot = np.zeros(max(2, n_classes), np.float32)
    one_hot[-1] = 1
    if n_classes < 2:
        return 0.0, 0.0
    logs = pools.log(one_hot, rule.floor, rule.epsilon)
    return float(logs[0]), float(logs[-1])


def _above_least(
    logits: np.ndarray, offsets: np.ndarray, low: np.ndarray, high: np.ndarray, reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """Offsets and temperatures meet probabilities that count as LEAST or more: a class is above those that
    fall below it by no more than it is above LEAST itself.
    """
    top = logits.max(axis=1, keepdims=True)
    # the most that the pool's sum can be beside a class that none of the rest goes to
    total = top + np.log(np.exp(logits - top).sum(axis=1, keepdims=True)) + reach
    room = logits - total - _LOG_LEAST
    low = np.where(room > 1, low, -np.inf)
    return low, np.maximum(high, total + _LOG_LEAST + offsets)
