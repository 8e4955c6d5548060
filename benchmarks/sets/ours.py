"""This project's votes, through `VoteClassifier`, and what they say of themselves.

What a version does not have (`choice`, an objective of the mean) is left out, and said.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.sets.peers import Split, Vote
from ensembles.classifier import VoteClassifier
from ensembles.errors import BadInput

DEFAULT = "default"
# name -> options of `VoteClassifier`
PRESETS: dict[str, dict[str, Any]] = {
    DEFAULT: {},
    "choice simplest": {"choice": "simplest"},
    "choice mean, log_loss": {"choice": "mean", "objective": "log_loss"},
    "choice mean, accuracy": {"choice": "mean", "objective": "accuracy"},
    "objective log_loss": {"objective": "log_loss"},
    "objective macro_f1": {"objective": "macro_f1"},
    "log-linear pool": {"pool": "log_linear"},
    "soft, temperature": {"mode": "soft", "temperature": True},
}


def fitted(split: Split, options: dict[str, Any]) -> VoteClassifier | str:
    """The fitted vote, or why this version has none."""
    try:
        vote = VoteClassifier(**options)
        return vote.fit(list(split.oof), split.labels, split.groups, split.folds)
    except (TypeError, BadInput) as missing:
        return str(missing).splitlines()[0]


def of_any(vote: VoteClassifier) -> Vote:
    return lambda tables: vote.predict_proba(list(tables))


def candidates(default: VoteClassifier) -> list[str]:
    """Those that the default vote chose from, or took the mean of."""
    return [row["name"] for row in default.vote_.candidates or []]


def candidate(split: Split, name: str) -> Vote | str:
    """One candidate fitted to all rows, with the temperature of its nested predictions."""
    if "choice" in VoteClassifier().get_params():
        found = fitted(split, {"choice": name})
        return found if isinstance(found, str) else of_any(found)
    from ensembles.voting import gate
    from ensembles.weights.offsets import fit_temperature
    from ensembles.weights.stack import stack_members

    stack = stack_members(np.ascontiguousarray(split.oof), split.labels)
    folds = gate.gate_folds(split.folds, split.groups)
    held_out = np.empty(split.oof.shape[1:], np.float32)
    for fold in np.unique(folds):
        rule = gate.fit_candidate(stack.take(folds != fold), name)
        rows = np.flatnonzero(folds == fold)
        held_out[rows] = rule.apply(np.take(split.oof, rows, axis=1))
    rule = gate.fit_candidate(stack, name)
    rule.temperature = fit_temperature(held_out, split.labels)
    return rule.apply
