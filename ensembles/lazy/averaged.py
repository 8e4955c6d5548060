"""How far a mean of several rules can still be moved: the sum over them of what each can be at the least."""

from __future__ import annotations

import numpy as np

from ensembles.lazy.intervals import IN_ORDER, LEAST, SUMS, Interval, extremes, interval
from ensembles.rules.mean import MeanRule
from ensembles.rules.pools import Rule, softmax


def mean_leads(
    rule: MeanRule, probabilities: np.ndarray, asked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) classes and the probability by which the mean has them ahead at the least, less what rounding
    may take of it. Arguments as of `intervals.interval`.

    """
    parts = {
        name: interval(part, probabilities, asked)
        for name, part in rule.parts.items()
        if isinstance(part, Rule)
    }
    if not parts:
        n_rows = probabilities.shape[1]
        return np.zeros(n_rows, int), np.full(n_rows, -np.inf)
    shares = dict(zip(rule.parts, rule.shares.tolist(), strict=True))
    said = [
        shares[name] * softmax(_finite(part.low) / part.rule.temperature)
        for name, part in parts.items()
    ]
    classes = np.sum(said, axis=0).argmax(axis=1)
    # a stacker may turn from one class to another altogether
    ahead = np.full_like(said[0], -sum(shares[name] for name in rule.parts if name not in parts))
    for name, part in parts.items():
        ahead += shares[name] * _ahead(part, classes)
    ahead[np.arange(len(classes)), classes] = np.inf
    # probabilities are at most 1, so that their logs are apart by no less than they are
    return classes, ahead.min(axis=1) - IN_ORDER * (1 + rule.temperature)


def _finite(logits: np.ndarray) -> np.ndarray:
    return np.maximum(logits, -1e100)


def _ahead(part: Interval, classes: np.ndarray) -> np.ndarray:
    """(n, K) how far a part's probability of classes (n,) is above that of each class at the least.

    Beside a class that is d behind in logits at the least, p_c - p_k is p_c (1 - exp(-d)): where d is above
    0 at least with the least p_c, where not with the greatest p_k, as -p_k (1 - exp(d)).
    """
    rows = np.arange(len(classes))
    leads = np.maximum(part.leads(classes), -1e4)
    scaled = [_finite(own) / part.rule.temperature for own in (part.low, part.high)]
    top = scaled[1].max(axis=1, keepdims=True)
    low, high = (np.exp(own - top) for own in scaled)
    own = low[rows, classes]
    others = np.minimum(_sum_beside(high, classes), _most_beside(part, low, high, top, classes))
    least = own / np.maximum(own + others, LEAST)
    part_of_lead = -np.expm1(-abs(leads))
    ahead = np.where(leads > 0, least[:, None] * part_of_lead, -_most(*scaled) * part_of_lead)
    # what is given sums to 1 within SUMS, and so each class's share of it may be as far from what is here
    sums = SUMS / part.rule.temperature if part.rule.pool == "linear" and part.rest else 0.0
    return ahead - 4 * (part.error + sums)


def _most(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(n, K) the most that each class's probability can be, the others at their least."""
    top = low.max(axis=1, keepdims=True)
    powers = np.exp(low - top)
    others = np.maximum(powers.sum(axis=1, keepdims=True) - powers, LEAST)
    return 1 / (1 + others * np.exp(np.minimum(top - high, 700)))


def _sum_beside(values: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """(n,) the sum over all classes but one a row."""
    beside = values.copy()
    beside[np.arange(len(classes)), classes] = 0
    return beside.sum(axis=1)


def _most_beside(
    part: Interval, low: np.ndarray, high: np.ndarray, top: np.ndarray, classes: np.ndarray
) -> np.ndarray:
    """(n,) the most that exp(logits - top) of all other classes can sum to, since what is given to one
    of them is not given to the others.

    Linear, up to temperature 1: convex in what is given, so all to one class. Log-linear: Hölder's
    inequality over the members, whose rows are on the simplex, up to the floor.
    """
    rule, rows = part.rule, np.arange(len(classes))
    if rule.pool == "linear" and rule.temperature <= 1:
        gain = high - low
        gain[rows, classes] = 0
        return _sum_beside(low, classes) + gain.max(axis=1)
    if rule.pool == "linear" and rule.offsets is None:
        # concave: all alike at the most
        n_others = low.shape[1] - 1
        own = np.exp(part.low[rows, classes])
        mass = np.maximum(1 - own, 0) + n_others * LEAST
        inverse = 1 / rule.temperature
        return n_others ** (1 - inverse) * mass**inverse * np.exp(-top[:, 0])
    if rule.pool == "log_linear" and bool((rule.weights >= 0).all()):
        return _norm_beside(rule, part, high, classes)
    return np.full(len(classes), np.inf)


def _norm_beside(rule: Rule, part: Interval, high: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Of weights of 0 or more: sums over classes of c_i times the product of q_ji ** v_j, where the q_j sum
    to S and the v_j to V, are at most S ** V times the norm of c of power 1 / (1 - V); a larger V counts
    as 1, as no q is above 1.
    """
    n_classes = high.shape[1]
    power = min(part.rest / rule.temperature, 1.0)
    whole = np.exp(extremes(rule, n_classes)[1])
    total = 1 + n_classes * rule.floor + rule.epsilon + SUMS
    beside = high.copy()
    beside[np.arange(len(classes)), classes] = 0
    largest = np.maximum(beside.max(axis=1), LEAST)
    if power < 1:
        scaled = (beside / largest[:, None]) ** (1 / (1 - power))
        largest = largest * scaled.sum(axis=1) ** (1 - power)
    return np.asarray(largest * (total / whole) ** power)
