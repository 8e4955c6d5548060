"""This project's votes, through `VoteClassifier`, and what they say of themselves.

What tables of a size do not allow is left out, and said.
"""

from __future__ import annotations

from typing import Any

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
    """The fitted vote, or why there is none."""
    try:
        vote = VoteClassifier(**options)
        return vote.fit(list(split.oof), split.labels, split.groups, split.folds)
    except BadInput as missing:
        return str(missing).splitlines()[0]


def of_any(vote: VoteClassifier) -> Vote:
    return lambda tables: vote.predict_proba(list(tables))


def candidates(default: VoteClassifier) -> list[str]:
    """Those that the default vote chose from, or took the mean of."""
    return [row["name"] for row in default.vote_.candidates or []]


def candidate(split: Split, name: str) -> Vote | str:
    """One candidate fitted to all rows, with the temperature of its nested predictions, or why not."""
    found = fitted(split, {"choice": name})
    return found if isinstance(found, str) else of_any(found)
