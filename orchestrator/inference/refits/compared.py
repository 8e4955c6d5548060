"""The vote over networks of all rows beside the vote over the folds' networks, on the run's test photographs.

No training photograph can tell: the networks of all rows have seen each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ensembles.files import places
from ensembles.files.digests import require_right
from ensembles.files.parquet import read_table
from ensembles.scores import metrics
from ensembles.scores.influence import standard_error
from orchestrator.inference.parts import Trained
from orchestrator.inference.vote import tables_of, vote_of
from orchestrator.runs.partial import folder_of
from orchestrator.runs.store import Store
from orchestrator.units.record import read_record

TEST = "test.parquet"


def compared(
    folds: Trained, refit: Trained, folders: Mapping[str, Sequence[str]], store: Store
) -> dict[str, Any]:
    """`same_answers` of both votes on the run's photographs to predict, and, where the run knows the truth of
    some, `scores` there. Without such photographs, or tables of them, `none` says why.

    folders: member -> its units of all rows, whose tables are of the same photographs.
    """
    tables = {part.name: f"{folder_of(part.name, store)}/{TEST}" for part in folds.members}
    if not store.exists(TEST) or not all(map(store.exists, tables.values())):
        return {"none": "the run has no photographs to predict"}
    require_right(store.uri(TEST))
    rows = places.read_parquet(store.uri(TEST), ["image_id", "label"])
    ids = np.array(rows["image_id"].to_pylist(), str)
    own: dict[str, np.ndarray] = {}
    others: dict[str, np.ndarray] = {}
    for name, path in tables.items():
        require_right(store.uri(path))
        own[name] = _aligned(path, ids, store)
        seeds = []
        for folder in folders[name]:
            path, digest = f"{folder}/{TEST}", read_record(folder, store).digests.get(TEST)
            if not store.exists(path) or places.file_digest(store.uri(path)) != digest:
                return {"none": f"{path} is missing or damaged"}
            seeds.append(_aligned(path, ids, store))
        others[name] = np.stack(seeds).mean(axis=0, dtype=np.float64).astype(np.float32)
    before = vote_of(folds, tables_of(folds, own))
    after = vote_of(refit, tables_of(refit, others))
    found: dict[str, Any] = {"same_answers": same_answers(before, after)}
    labels = rows["label"].to_numpy()
    known = labels >= 0
    if known.any():
        found["scores"] = paired(labels[known], before[known], after[known])
    return found


def same_answers(before: np.ndarray, after: np.ndarray) -> dict[str, float | int]:
    """How alike two votes (N, K) are: the share of photographs with the same class, and the mean of half
    the summed absolute differences (total variation, 0 to 1)."""
    apart = np.abs(before.astype(np.float64) - after).sum(axis=1) / 2
    return {
        "photographs": len(before),
        "same_class": float((before.argmax(axis=1) == after.argmax(axis=1)).mean()),
        "total_variation": float(apart.mean()),
    }


def paired(labels: np.ndarray, before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
    """Scores of two votes (N, K) on the same rows, `folds` and `refit`, and the `difference`, refit less
    folds, with paired standard errors from the rows' influences. Rows count as independent."""
    found: dict[str, Any] = {"photographs": len(labels)}
    for name, own in (("folds", before), ("refit", after)):
        errors = metrics.standard_errors(labels, own)
        found[name] = {**metrics.score_all(labels, own), "standard_error": errors}
    apart: dict[str, Any] = {"standard_error": {}}
    for name in metrics.of_votes(None):
        metric = metrics.named(name)
        apart[name] = found["refit"][name] - found["folds"][name]
        moves = metric.influence(labels, after) - metric.influence(labels, before)
        apart["standard_error"][name] = standard_error(moves)
    return {**found, "difference": apart}


def _aligned(path: str, ids: np.ndarray, store: Store) -> np.ndarray:
    """(N, k) float32, the table's rows in the order of `ids`."""
    table = read_table(store.uri(path))
    at = {image_id: row for row, image_id in enumerate(table.ids)}
    return table.probabilities[[at[image_id] for image_id in ids]]
