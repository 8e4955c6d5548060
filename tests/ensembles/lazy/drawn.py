"""Tables and rules of every kind, drawn: what lazy votes are tried on."""

from __future__ import annotations

import numpy as np

from ensembles.rules.mean import MeanRule
from ensembles.rules.pools import Rule

KINDS = ("hard", "linear", "log_linear", "mean")


def tables(rng, n_members, n_rows, n_classes):
    """(M, N, K) float32: sure or unsure members, ones that agree or do not, zeros, rounded, one-hot."""
    logits = rng.normal(size=(n_members, n_rows, n_classes)) * rng.choice([0.5, 2, 6])
    logits += rng.normal(size=(1, n_rows, n_classes)) * rng.choice([0, 1, 6])
    powers = np.exp(logits - logits.max(axis=2, keepdims=True))
    found = powers / powers.sum(axis=2, keepdims=True)
    style = rng.integers(4)
    if style == 0:
        return one_hot(found.argmax(axis=2), n_classes)
    if style == 1:  # ties of sums and of favourites
        found = np.round(found * rng.choice([4, 10]))
        found[found.sum(axis=2) == 0, 0] = 1
    if style == 2:
        found[found < 0.05] = 0
    return (found / found.sum(axis=2, keepdims=True)).astype(np.float32)


def one_hot(choices, n_classes):
    return np.eye(n_classes, dtype=np.float32)[choices]


def pool(rng, n_members, n_classes, kind):
    weights = rng.dirichlet(np.ones(n_members))
    if rng.random() < 0.6:  # equal ones, and some of 0
        weights = rng.choice([np.ones(n_members), rng.integers(0, 3, n_members).astype(float)])
    if not weights.any():
        weights[rng.integers(n_members)] = 1
    rule = Rule(weights / weights.sum(), kind)
    if kind == "log_linear":
        rule.weights = rule.weights * rng.choice([0.5, 1, 3])
        rule.weights *= np.where(rng.random(n_members) < rng.choice([0, 0.3]), -1, 1)
        rule.floor = float(rng.choice([1e-6, 1e-3, 0.05]))
    if rng.random() < 0.5:
        rule.offsets = rng.normal(size=n_classes) * rng.choice([0.3, 1, 3])
    if rng.random() < 0.5:
        rule.temperature = float(rng.choice([0.05, 0.3, 0.8, 1.5, 20]))
    if rng.random() < 0.4:
        rule.epsilon = float(rng.choice([1e-4, 0.01, 0.3]))
    return rule


def rule_of(rng, n_members, n_classes, kind):
    if kind != "mean":
        return pool(rng, n_members, n_classes, kind)
    kinds = rng.choice(["linear", "log_linear", "hard"], rng.integers(1, 4), p=[0.45, 0.45, 0.1])
    parts = {f"{i}": pool(rng, n_members, n_classes, str(own)) for i, own in enumerate(kinds)}
    shares = rng.dirichlet(np.ones(len(parts)))
    return MeanRule(parts, shares, float(rng.choice([0.3, 1, 1, 3])))
