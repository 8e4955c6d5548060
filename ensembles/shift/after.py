"""What comes after a vote's rule, in the two steps that tables in ranges need as well: first what is
done to each row, then what is said about all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ensembles.errors import BadInput
from ensembles.shift import says
from ensembles.shift.conformal import in_set, prediction_sets
from ensembles.shift.drift import drift
from ensembles.shift.options import Options
from ensembles.shift.prior import MOST_CLASSES, Prior, prior_of
from ensembles.shift.rows import HeldOut, Rows, disagreement, step
from ensembles.shift.unknown import is_unknown, unknown_rows
from ensembles.shift.written import FIELDS


@dataclass(frozen=True)
class Known:
    """What is done to the rows that are asked about. held_out: OOF rows, at most `rows.MOST` numbers.
    prior: for which they are corrected. sets, unknown: as the record has them, so far.
    """

    held_out: HeldOut | None
    prior: Prior | None = None
    sets: dict[str, Any] | None = None
    unknown: dict[str, Any] | None = None

    @property
    def further(self) -> dict[str, dict[str, Any]]:
        """File of the vote -> the record's field that it is of, of those asked for."""
        found = {name: getattr(self, own) for name, own in FIELDS.items()}
        return {name: own for name, own in found.items() if own is not None}

    @property
    def fields(self) -> dict[str, Any]:
        """Of the record, where no test rows are asked about."""
        found = {"sets": self.sets, "unknown": self.unknown}
        return {name: own for name, own in found.items() if own is not None}

    def corrected(self, mixed: np.ndarray) -> np.ndarray:
        """(n, K) float32 from the vote's (n, K)."""
        return mixed if self.prior is None else self.prior.corrected(mixed)


def known(options: Options, held_out: HeldOut | None, asked: Callable[[], Rows]) -> Known:
    """From held-out rows. asked: the rows that are asked about, wanted for `prior` only, at most
    `rows.MOST` numbers. Raises BadInput.
    """
    unknown = None if options.unknown is None else unknown_rows(options.unknown, held_out)
    if held_out is None:
        return Known(None, unknown=unknown)
    few, prior, sets = held_out.some(), None, None
    n_classes = held_out.probabilities.shape[1]
    if options.prior is not None and n_classes > MOST_CLASSES:
        raise BadInput(
            f"prior: {n_classes:,} classes, and the shares of at most {MOST_CLASSES:,} are fitted. "
            "Leave it out."
        )
    if options.prior is not None:
        prior = prior_of(few, asked())
    if options.sets is not None:
        rows, ratios = held_out, None
        if prior is not None:
            rows = replace(rows, probabilities=prior.corrected(rows.probabilities))
            ratios = prior.ratios
        sets = prediction_sets(rows, options.sets, ratios)
    return Known(few, prior, sets, unknown)


@dataclass
class Asked:
    """The rows that were asked about, counted range by range. n_rows: of all ranges."""

    known: Known
    n_rows: int
    _mixed: list[np.ndarray] = field(default_factory=list)
    _disagreement: list[np.ndarray | None] = field(default_factory=list)
    _seen: int = 0
    _in_sets: int = 0
    _unknown: int = 0
    _changed: int = 0

    def add(self, mixed: np.ndarray, contradict: np.ndarray | None) -> np.ndarray:
        """The probabilities (n, K) of the next rows as they are written, from the vote's.

        contradict: (n,) as `Rows.disagreement`.
        """
        at = step(self.n_rows, mixed.shape[1])
        first = -self._seen % at
        self._seen += len(mixed)
        self._mixed.append(mixed[first::at])
        self._disagreement.append(None if contradict is None else contradict[first::at])
        own = self.known
        written = own.corrected(mixed)
        if own.prior is not None:
            self._changed += int((written.argmax(axis=1) != mixed.argmax(axis=1)).sum())
        if own.sets is not None:
            self._in_sets += int(in_set(written, own.sets["threshold"]).sum())
        if own.unknown is not None:
            self._unknown += int(is_unknown(written, own.unknown["below"]).sum())
        return written

    @property
    def rows(self) -> Rows:
        """At most `rows.MOST` numbers of them, not corrected."""
        parts = [own for own in self._disagreement if own is not None]
        return Rows(np.concatenate(self._mixed), np.concatenate(parts) if parts else None)

    def figures(self, mode: str, classes: list[str]) -> tuple[dict[str, Any], list[str]]:
        """The record's `drift`, `prior`, `sets` and `unknown`, where there are any, and notes."""
        own, notes = self.known, []
        found: dict[str, Any] = {}
        if own.held_out is not None:
            few = 1 < len(classes) <= MOST_CLASSES
            prior = own.prior or (prior_of(own.held_out, self.rows) if few else None)
            found["drift"] = drift(own.held_out, self.rows, prior)
            offered = mode != "hard" and own.prior is None
            notes += says.drift_note(found["drift"], classes, offered)
        if own.prior is not None:
            found["prior"] = {**own.prior.record(), "changed": self._changed, "of": self.n_rows}
            notes.append(says.prior_note(found["prior"], classes))
        if own.sets is not None:
            found["sets"] = {**own.sets, "test_mean_size": self._in_sets / self.n_rows}
        if own.unknown is not None:
            test = {"rows": self._unknown, "of": self.n_rows}
            found["unknown"] = {**own.unknown, "test": test}
        return found, notes


def after_vote(
    options: Options,
    mode: str,
    held_out: HeldOut | None,
    mixed: np.ndarray,
    favourites: np.ndarray | None,
    classes: list[str],
) -> tuple[np.ndarray, dict[str, Any], list[str]]:
    """(T, K) probabilities as they are written, and `Asked.figures`, of rows in memory.

    mixed: (T, K) of the rule. favourites: (M, T) each test row's most probable class to each member;
    None where the rows are no test rows, so that there is nothing to compare. Raises BadInput.
    """
    if favourites is None:
        own = known(options, held_out, lambda: Rows(mixed, None))
        return mixed, own.fields, []
    contradict = disagreement(favourites, mixed.argmax(axis=1))
    at = step(*mixed.shape)
    asked = Asked(known(options, held_out, lambda: Rows(mixed[::at], None)), len(mixed))
    written = asked.add(mixed, contradict)
    return written, *asked.figures(mode, classes)
