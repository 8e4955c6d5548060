"""Members' probabilities of photographs -> the vote's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ensembles.shift.prior import corrected_as_recorded
from members.data.codec import joint
from orchestrator.inference.parts import Trained


def tables_of(trained: Trained, members: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """name -> (N, K) float32 of every member, join and stack that `trained` has.

    members: name -> (N, k) of all members.
    """
    found = dict(members)
    if not len(next(iter(members.values()))):  # nothing to multiply or to ask a second level about
        made = (*trained.joins, *trained.stacks)
        empty = np.empty((0, len(trained.classes)), np.float32)
        return found | dict.fromkeys(made, empty)
    codecs = {part.name: trained.codec_of(part) for part in trained.members}
    for name, of in trained.joins.items():
        parts = {own: found[own] for own in of}
        found[name] = joint(parts, {own: codecs[own] for own in of}, trained.codec)
    for name, stack in trained.stacks.items():
        found[name] = stack.predict(np.stack([found[own] for own in stack.of]))
    return found


def vote_of(trained: Trained, tables: Mapping[str, np.ndarray]) -> np.ndarray:
    """(N, K) float32: the vote over `tables_of`. A voter without a table has no influence on it."""
    n_rows = len(next(iter(tables.values())))
    n_classes = len(trained.classes)
    if not n_rows:
        return np.empty((0, n_classes), np.float32)
    absent = np.full((n_rows, n_classes), 1 / n_classes, np.float32)
    mixed = trained.rule.apply(np.stack([tables.get(name, absent) for name in trained.voters]))
    prior = trained.record.prior
    return mixed if not prior else corrected_as_recorded(mixed, prior)
