"""The drift study's own arithmetic: what is redrawn, and how a data set is counted."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import drift


def tables(n=400, n_classes=3, seed=0):
    """Three members that know the class up to noise; test rows from the same, of one fold."""
    random = np.random.default_rng(seed)

    def drawn(labels):
        logits = 1.0 * np.eye(n_classes)[labels] + random.normal(size=(3, len(labels), n_classes))
        exp = np.exp(logits)
        return (exp / exp.sum(axis=2, keepdims=True)).astype(np.float32)

    labels, truth = random.integers(0, n_classes, n), random.integers(0, n_classes, n)
    return {
        "oof": drawn(labels),
        "labels": labels,
        "folds": np.arange(n) % 4,
        "test_folds": drawn(truth)[None],
        "test_labels": truth,
    }


def test_rows_as_they_are_show_no_drift_and_much_moved_shares_are_found_and_corrected():
    rows = drift.asked(tables(), "log-loss weights", seed=1)
    as_is = [row for row in rows if row["as_is"]]
    assert len(as_is) == 1
    assert len(rows) == 1 + len(drift.RANDOM) * drift.DRAWS
    assert not as_is[0]["said"]
    assert as_is[0]["coverage"] == pytest.approx(0.9, abs=0.05)
    far = [row for row in rows if row["moved"] > 0.3]
    assert far
    assert all(row["said"] for row in far)
    before, after = (
        np.mean([row[way, "log_loss"] for row in far]) for way in ("as voted", "--prior test")
    )
    assert after < before


def test_a_data_set_counts_once():
    rows = [{"set": "a", "size": 1.0}, {"set": "a", "size": 3.0}, {"set": "b", "size": 4.0}]
    np.testing.assert_array_equal(drift._of_sets(rows, "size"), [2.0, 4.0])
