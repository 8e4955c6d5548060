"""What a vote decided and how good it is, and the three files that hold it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ensembles import places, tables
from ensembles.places import Place
from ensembles.pools import Rule
from ensembles.submission import write_submission
from ensembles.tables import Table

SUBMISSION, PROBABILITIES, RECORD = "submission.csv", "probabilities.parquet", "vote.json"


@dataclass
class Vote:
    """What a vote decided, and how good it is.

    table: ids, probabilities, and fold and label where known, of the `rows` voted on: "test", or
        "oof" where there are no test tables. The most probable class is the decision.
    weights: member -> weight, sum 1. objective: None for hard and soft votes.
    oof: macro_f1, accuracy, log_loss on the rows the weights were fitted to.
    estimate: the same on rows they were not, with `standard_error`.
    best_single (with `member`), uniform: as `estimate`, and under `oof` as `oof`.
    solo: member -> its own OOF figures as `estimate`.
    These are None (solo: empty) without OOF tables. gap: log-loss only. notes: for people.
    rule: what was fitted, its weights of sum 1. choice: the kind of vote that was chosen, where it
        was, from `candidates`, with their nested scores.
    reasons: one dict a member (`reasons.member_reasons`).
    """

    mode: str
    objective: str | None
    rows: str
    table: Table
    weights: dict[str, float]
    oof: dict[str, float] | None = None
    estimate: dict[str, Any] | None = None
    best_single: dict[str, Any] | None = None
    uniform: dict[str, Any] | None = None
    solo: dict[str, dict[str, Any]] = field(default_factory=dict)
    gap: float | None = None
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    rule: Rule | None = None
    choice: str | None = None
    candidates: list[dict[str, Any]] = field(default_factory=list)
    reasons: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ids(self) -> np.ndarray:
        """(N,) str."""
        return self.table.ids

    @property
    def probabilities(self) -> np.ndarray:
        """(N, K) float32. For hard votes the shares of the votes, `vote.vote_shares`."""
        return self.table.probabilities

    @property
    def labels(self) -> np.ndarray:
        """(N,) int, the decided classes."""
        return self.table.probabilities.argmax(axis=1)

    @property
    def answers(self) -> list[str]:
        """(N) str, the decided classes as a submission shows them."""
        names = self.table.answers
        return [names[k] for k in self.labels]

    def record(self) -> dict[str, Any]:
        """What `vote.json` holds."""
        record = {
            "mode": self.mode,
            "objective": self.objective,
            "members": self.weights,
            "oof": self.oof,
            "estimate": self.estimate,
            "best_single": self.best_single,
            "uniform": self.uniform,
            "solo": self.solo,
            "rows": self.rows,
            "seconds": self.seconds,
            "notes": self.notes,
            "choice": self.choice,
            "candidates": self.candidates,
            "reasons": self.reasons,
        }
        if self.rule is not None:
            offsets = None if self.rule.offsets is None else self.rule.offsets.tolist()
            record |= {"pool": self.rule.pool, "offsets": offsets}
            record["temperature"] = self.rule.temperature
        return record if self.gap is None else {**record, "gap": self.gap}

    def write(self, folder: Place) -> dict[str, str]:
        """Write submission.csv (test rows only), probabilities.parquet and, last, vote.json.

        Each is moved into place whole; a vote.json that is there means the others fit it. Returns
        file name -> path of what was written.
        """
        paths = {name: places.join(folder, name) for name in (SUBMISSION, PROBABILITIES, RECORD)}
        places.remove(paths[RECORD])
        if self.rows == "test":
            write_submission(paths[SUBMISSION], self.ids, self.answers)
        else:
            places.remove(paths.pop(SUBMISSION))
        tables.write(paths[PROBABILITIES], self.table)
        text = json.dumps(self.record(), indent=2, allow_nan=False)
        places.write_bytes(paths[RECORD], (text + "\n").encode())
        return paths
