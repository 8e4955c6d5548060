"""What the page is written from: everything of a run that was read, and by which vote it is explained."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ensembles.files.table import OofTable
from ensembles.files.targets import target_indices
from ensembles.rules import votes
from ensembles.scores import metrics
from ensembles.voting.record import VoteRecord
from orchestrator.audit.contradictions import Contradiction
from orchestrator.report.thumbnails import Kept
from orchestrator.search.record import SearchRecord
from orchestrator.spec.spec import Spec
from orchestrator.units.record import UnitRecord

SOFT = "the plain mean of the members"


@dataclass
class TestPart:
    """Rows whose truth is known. labels: (T,) int. probabilities: member or vote -> (T, K), of those
    that have all these rows. source: where the truth is from, in words.
    """

    labels: np.ndarray
    probabilities: dict[str, np.ndarray]
    source: str
    groups: np.ndarray | None = None


@dataclass
class Material:
    """rows: as of `commands.leaderboard.standings`. records: vote -> its record; others: whether it is of
    other tables than the run has now. vote: the one that the page explains, None where there is none.
    oof: the members' tables in one order of rows, {} where there are none or they are too large:
    `why_no_rows` says so in a sentence. groups: (N,) of these rows. widest: the table with most
    rows, of which those of `oof` may be a part; all_groups: of its rows. mixed: (N, K) of the vote on these
    rows, None where the plain mean of the members stands in for it; `how` says of which rules, a sentence,
    and `nested` whether of such that did not see the row. copies: look-alikes under two labels, None where
    nobody looked for them. front: what `vote --pareto` fitted for the vote, None where it did not.
    paths: image id -> its file. thumbnails: of earlier pages, to which this one adds its own. units: member
    -> unit -> record. maps: image id -> as of `blocks.Card`; `about_maps`: sentences on them.
    """

    name: str
    place: str
    spec: Spec
    rows: list[dict[str, Any]]
    records: dict[str, VoteRecord]
    others: dict[str, bool | None]
    vote: str | None
    oof: dict[str, OofTable] = field(default_factory=dict)
    why_no_rows: str = ""
    groups: np.ndarray | None = None
    widest: OofTable | None = None
    all_groups: np.ndarray | None = None
    mixed: np.ndarray | None = None
    how: str = ""
    nested: bool = False
    copies: list[Contradiction] | None = None
    test: TestPart | None = None
    front: dict[str, Any] | None = None
    paths: dict[str, str] = field(default_factory=dict)
    thumbnails: Kept = field(default_factory=dict)
    units: dict[str, dict[str, UnitRecord]] = field(default_factory=dict)
    searches: dict[str, SearchRecord] = field(default_factory=dict)
    timing: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    maps: dict[str, list[tuple[str, str, int, int]]] = field(default_factory=dict)
    about_maps: list[str] = field(default_factory=list)

    @property
    def record(self) -> VoteRecord | None:
        return self.records[self.vote] if self.vote else None

    @cached_property
    def first(self) -> OofTable:
        return next(iter(self.oof.values()))

    @cached_property
    def classes(self) -> list[str]:
        return list(map(str, self.first.classes))

    @cached_property
    def labels(self) -> np.ndarray:
        """(N,) int."""
        return np.asarray(self.first.label).astype(np.int64)

    @cached_property
    def probabilities(self) -> np.ndarray:
        """(M, N, K) float32 of the members in `oof`."""
        return np.stack([table.probabilities for table in self.oof.values()])

    @cached_property
    def decided(self) -> np.ndarray:
        """(M, N) int, each member's most probable class."""
        return self.probabilities.argmax(axis=2)

    @cached_property
    def mean(self) -> np.ndarray:
        """(N, K) float32, the plain mean of the members."""
        return votes.soft(self.probabilities)

    @cached_property
    def answered(self) -> np.ndarray:
        """(N, K) float32: the vote, or the plain mean of the members where there is none."""
        return self.mean if self.mixed is None else self.mixed

    @property
    def gives_probabilities(self) -> bool:
        """Whether `mixed` are probabilities of rows that nothing was fitted to, and no shares of votes."""
        return self.nested and self.record is not None and self.record.mode != "hard"

    @property
    def subject(self) -> str:
        """What `answered` is."""
        return f"the vote {self.vote}" if self.mixed is not None else SOFT

    @cached_property
    def targets(self) -> dict[str, np.ndarray]:
        """Target -> (K,) int, its value of each class; empty where classes stand for nothing more."""
        return dict(target_indices(self.first.meta, self.first.n_classes))

    def values_of(self, target: str) -> list[str]:
        named = dict(self.first.meta.get("targets") or ())
        return list(map(str, named[target]))

    @cached_property
    def metric(self) -> str:
        """What the vote is judged by: its objective, or macro F1."""
        return (self.record and self.record.objective) or "macro_f1"

    @cached_property
    def metric_values(self) -> np.ndarray | None:
        """(K,) of the metric's target, where it is of one."""
        return self.targets.get(self.metric.partition(":")[2])

    @property
    def metric_title(self) -> str:
        return metrics.title(self.metric)

    def row_of(self, kind: str, name: str) -> dict[str, Any] | None:
        found = (row for row in self.rows if row["kind"] == kind and row["name"] == name)
        return next(found, None)
