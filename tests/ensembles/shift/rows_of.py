"""Draws with a known truth: votes whose probabilities are right, and groups that err together."""

from __future__ import annotations

import numpy as np

from ensembles.shift.rows import HeldOut, Rows, disagreement
from tests.ensembles.conftest import softmax


def votes(rng, shares, n_rows, group_size=1, sharpness=1.5, members=3):
    """Members' probabilities (M, N, K) and labels (N,): logits of unit noise, half of it shared by a
    group, and `sharpness` for the true class. Right for classes of equal shares.
    """
    n_classes = len(shares)
    labels = rng.choice(n_classes, n_rows, p=shares)
    groups = np.arange(n_rows) // group_size
    shared = rng.normal(size=(groups.max() + 1, n_classes))[groups] if group_size > 1 else 0.0
    own = rng.normal(size=(n_rows, n_classes))
    logits = sharpness * (own + shared + sharpness * np.eye(n_classes)[labels])
    noise = rng.normal(size=(members, n_rows, n_classes)) * 0.7
    return softmax(logits + noise), labels


def held_out(members, labels, groups=None) -> HeldOut:
    mixed = members.mean(axis=0)
    against = disagreement(members.argmax(axis=2), mixed.argmax(axis=1))
    return HeldOut(mixed, against, labels, np.arange(len(labels)) % 5, groups)


def rows(members) -> Rows:
    mixed = members.mean(axis=0)
    return Rows(mixed, disagreement(members.argmax(axis=2), mixed.argmax(axis=1)))
