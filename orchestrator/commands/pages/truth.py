"""The test part of a run's page: rows whose truth is known, by a file or by what the run knows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

import ensembles
from ensembles.files.digests import is_there, require_right
from ensembles.files.table import PROBABILITIES, Table
from ensembles.judging.evaluate import true_labels
from ensembles.voting.record import VoteRecord
from orchestrator.commands.run import Run, read_tables
from orchestrator.errors import WrongRequest
from orchestrator.report.material import TestPart
from orchestrator.runs.labels import known_labels


def read_test_part(
    run: Run,
    members: list[str],
    records: Mapping[str, VoteRecord],
    others: Mapping[str, bool | None],
    truth: Path | None,
    voted: Mapping[str, Table],
) -> TestPart | None:
    """The members' answers and the votes', of the rows whose label is known; None where no label is.

    Labels are taken as `evaluate` and `leaderboard` do: those of the file `truth`, else those of the list of
    photographs that the run was given, else those of the test tables. records: vote -> its record;
    others: whether it is of other tables than the run has now. voted: test tables of members that were read
    already. Raises WrongRequest for a truth of no rows.
    """

    def tables_of(names: list[str]) -> dict[str, Table]:
        lacking = [name for name in names if name not in voted]
        found = {**voted, **read_tables(run.store, lacking, "test")}
        return {name: found[name] for name in names if name in found}

    one = tables_of(members[:1])
    if not one:
        if truth is not None:
            raise WrongRequest(
                f"--truth {truth}: {run.store.root} has no photographs to predict. Leave it out."
            )
        return None
    first = one[members[0]]
    labels, source = _labels(run, first, truth)
    rows = np.flatnonzero(labels >= 0)
    if not len(rows):
        return None
    if len(rows) < len(labels):
        source += f" ({len(rows)} of {len(labels)} photographs have one)"
    test = ensembles.align(one | tables_of(members[1:]), "test")
    tables: dict[str, np.ndarray] = {
        f"member {name}": t.probabilities[rows] for name, t in test.items()
    }
    for name, record in records.items():
        place = run.store.uri(f"votes/{name}/{PROBABILITIES}")
        if others[name] or record.rows != "test" or not is_there(place):
            continue
        require_right(place)
        own = ensembles.read_table(place)
        order = {image_id: row for row, image_id in enumerate(own.ids.tolist())}
        if all(image_id in order for image_id in first.ids.tolist()):
            at = [order[image_id] for image_id in first.ids[rows].tolist()]
            tables[f"vote {name}"] = own.probabilities[at]
    groups = None if first.group is None else first.group[rows]
    return TestPart(labels[rows], tables, source, groups)


def _labels(run: Run, first: Table, truth: Path | None) -> tuple[np.ndarray, str]:
    """(T,) int64, -1 where it is not known, and where they are from, in words."""
    if truth is not None:
        return true_labels(truth, first).astype(np.int64), str(truth)
    known = known_labels(run.store)
    if known and list(known.classes) == first.classes:
        labels = np.array([known.labels.get(str(i), -1) for i in first.ids], np.int64)
        if (labels >= 0).any():
            return labels, "the list of photographs to predict that the run was given"
    if first.label is not None:
        return first.label.astype(np.int64), "the test tables"
    return np.full(len(first.ids), -1, np.int64), ""
