"""What averaging the folds' models gains a vote on the test photographs, from the units' own tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

import ensembles
from ensembles.errors import BadInput
from ensembles.files.reading.table import Seen
from ensembles.files.table import Table
from ensembles.judging.averaging import LEAST_FOLDS, expected_gains, votes_by_fold
from ensembles.voting.result import Vote
from ensembles.weights.offsets import fit_temperature
from orchestrator.runs.damage import MADE_FROM
from orchestrator.runs.store import Store

_UNIT = re.compile(r"fold-(\d+)(?:-seed-\d+)?")
# The stamp of tables whose units are all of one hash; those of joins and of kept units differ.
_STAMP = re.compile(r"([0-9a-f]{16}) [^\n]*\n?")
# A mean of float32 tables is stored in float32.
_WITHIN = 1e-5

# Of a fold, for each member the test tables of its units, one a seed.
Places = list[list[str]]


def averaging_gains(
    vote: Vote, oof: Mapping[str, Table], test: Mapping[str, Table], store: Store
) -> tuple[dict[str, float] | None, list[str]]:
    """`averaging.expected_gains` of a vote on a run's test tables, and notes.

    None where the folds' own tables are not there: without test photographs, of a join, of members
    whose units are partly kept ones or that lack folds, or of fewer than LEAST_FOLDS folds.
    """
    folds = _places(list(vote.weights), store) if vote.rows == "test" else []
    if len(folds) < LEAST_FOLDS:
        return None, []
    mean = _stack([test[name] for name in vote.weights], vote.ids)
    temperature = _temperature(vote, [oof[name] for name in vote.weights])
    total = np.zeros(mean.shape)

    seen = Seen()

    def each() -> Iterator[np.ndarray]:
        for places in folds:
            own = _of_fold(places, vote.ids, mean.shape, seen)
            np.add(total, own, out=total)
            yield own

    try:
        alone, others = votes_by_fold(vote.rule, mean, each(), len(folds))
    except BadInput as error:
        return None, [f"what averaging the folds' models gains is not known: {error.problems[0]}"]
    if np.abs(total / len(folds) - mean).max() > _WITHIN:
        return None, [
            "what averaging the folds' models gains is not known: the units' test tables are not "
            "those that the members' were made from. Train again: train-members makes what is missing."
        ]
    return expected_gains(alone, others, temperature), []


def _temperature(vote: Vote, oof: Sequence[Table]) -> float:
    """What calibrates the vote on the OOF rows that all members have."""
    common = set(oof[0].ids).intersection(*(table.ids for table in oof[1:]))
    inside = np.array([image_id in common for image_id in oof[0].ids])
    label = oof[0].label
    assert label is not None  # a vote with an estimate was cast with labels
    return fit_temperature(vote.rule.apply(_stack(oof, oof[0].ids[inside])), label[inside])


def _places(names: Sequence[str], store: Store) -> list[Places]:
    """Fold by fold; empty where a table is missing, or members have different folds."""
    by_member = [_of_member(name, store) for name in names]
    folds = by_member[0].keys()
    if any(own.keys() != folds for own in by_member):
        return []
    return [[own[fold] for own in by_member] for fold in sorted(folds)]


def _of_member(name: str, store: Store) -> dict[int, list[str]]:
    """fold -> the test tables of the units that `tables/<name>/` was made from."""
    stamp = f"tables/{name}/{MADE_FROM}"
    match = _STAMP.fullmatch(store.read_text(stamp)) if store.exists(stamp) else None
    if match is None:
        return {}
    folder = f"units/{name}/{match[1]}"
    found: dict[int, list[str]] = {}
    for unit in store.list(folder):
        if of_fold := _UNIT.fullmatch(unit):
            found.setdefault(int(of_fold[1]), []).append(f"{folder}/{unit}/test.parquet")
    paths = [path for own in found.values() for path in own]
    if len(store.sizes(paths)) < len(paths):
        return {}
    return {fold: [store.uri(path) for path in own] for fold, own in found.items()}


def _of_fold(places: Places, ids: np.ndarray, shape: tuple[int, ...], seen: Seen) -> np.ndarray:
    """(M, T, K) float32, the predictions of one fold's models. Raises BadInput."""
    own = np.empty(shape, np.float32)
    for member, seeds in enumerate(places):
        parts = _stack([ensembles.read_table(place, seen) for place in seeds], ids)
        if parts.shape[1:] != shape[1:]:
            raise BadInput(f"{seeds[0]}: {parts.shape[2]} classes, not {shape[2]}.")
        own[member] = parts.mean(axis=0, dtype=np.float64)
    return own


def _stack(tables: Sequence[Table], ids: np.ndarray) -> np.ndarray:
    """(S, T, K) float32, the tables' rows in the order of `ids`. Raises BadInput."""
    found = []
    for table in tables:
        if np.array_equal(table.ids, ids):
            found.append(table.probabilities)
            continue
        at = {image_id: row for row, image_id in enumerate(table.ids)}
        if any(image_id not in at for image_id in ids):
            raise BadInput("the units' test tables lack photographs that were voted on.")
        found.append(table.probabilities[[at[image_id] for image_id in ids]])
    return np.stack(found)
