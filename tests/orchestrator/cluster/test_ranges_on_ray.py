"""A vote whose ranges of rows are tasks of a Ray: the same files as without it."""

import numpy as np
import pytest

from ensembles import Table, cast_large, write_table
from ensembles.files import parquet
from orchestrator.cluster.connect import mapped


@pytest.mark.ray
def test_a_vote_over_a_cluster_is_the_same_bit_for_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "ROW_GROUP", 500)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 2000)
    for name in ("one", "two"):
        p = rng.dirichlet(np.ones(3), 2000).astype(np.float32)
        p = 0.5 * p + 0.5 * np.eye(3, dtype=np.float32)[(labels + (rng.random(2000) < 0.3)) % 3]
        ids = np.array([f"{i}.jpg" for i in range(2000)], object)
        folds = (np.arange(2000) % 4).astype(np.int16)
        table = Table(ids, p, folds, labels.astype(np.int16))
        write_table(tmp_path / "in" / name / "oof.parquet", table)
    how = {"mode": "weighted", "objective": "log_loss"}
    here = cast_large(tmp_path / "in", tmp_path / "here", cache=tmp_path / "c1", **how)
    with mapped(None) as run:
        there = cast_large(
            tmp_path / "in", tmp_path / "there", cache=tmp_path / "c2", run=run, **how
        )
    first, second = (
        (tmp_path / d / "probabilities.parquet").read_bytes() for d in ("here", "there")
    )
    assert first == second
    assert {**here.record(), "seconds": 0} == {**there.record(), "seconds": 0}
