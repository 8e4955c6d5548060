import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ensembles import BadInput, cast, cast_large, read_members, read_table, tables, write_table
from ensembles.large import too_large


@pytest.fixture
def folder(tmp_path, make_tables, monkeypatch):
    """Three members with rows in several row groups."""
    monkeypatch.setattr(tables, "ROW_GROUP", 64)
    for kind, n_rows in (("oof", 300), ("test", 100)):
        for name, table in make_tables(kind=kind, n_rows=n_rows).items():
            write_table(tmp_path / "in" / name / f"{kind}.parquet", table)
    assert pq.ParquetFile(tmp_path / "in" / "a" / "oof.parquet").num_row_groups == 5
    return tmp_path / "in"


@pytest.mark.parametrize(
    "how",
    [
        {"mode": "weighted", "objective": "log_loss"},
        {"mode": "soft"},
        {"mode": "hard", "weights": {"a": 2}},
        {"mode": "weighted", "objective": "macro_f1"},
    ],
)
def test_in_ranges_the_vote_is_the_one_over_whole_tables(folder, tmp_path, how):
    """The sample is all rows here, so nothing but the way of reading differs."""
    whole = cast(read_members(folder, "oof"), read_members(folder, "test"), **how)
    record = cast_large(folder, tmp_path / "out", cache=tmp_path / "cache", **how)
    assert list(record["members"].values()) == pytest.approx(list(whole.weights.values()), abs=1e-5)
    for figures in ("oof", "estimate"):
        for metric in ("macro_f1", "accuracy", "log_loss"):
            assert record[figures][metric] == pytest.approx(getattr(whole, figures)[metric], 1e-4)
    errors = record["estimate"]["standard_error"]
    assert errors == pytest.approx(whole.estimate["standard_error"], rel=0.01)
    found = read_table(tmp_path / "out" / "probabilities.parquet")
    np.testing.assert_allclose(found.probabilities, whole.probabilities, atol=1e-5)
    np.testing.assert_array_equal(found.ids, whole.ids)
    assert json.loads((tmp_path / "out" / "vote.json").read_text()) == record
    whole.write(tmp_path / "whole")
    ours, theirs = ((tmp_path / d / "submission.csv").read_text() for d in ("out", "whole"))
    assert ours == theirs
    if how.get("objective") == "log_loss":
        assert record["gap"] <= 1e-8


def test_wherever_the_ranges_ran_the_vote_is_the_same_bit_for_bit(folder, tmp_path):
    def backwards(function, parts):
        return [function(part) for part in reversed(parts)][::-1]

    results = []
    for name, run in (("here", map), ("there", backwards)):
        out = tmp_path / name
        cast_large(folder, out, objective="log_loss", run=run, cache=tmp_path / f"cache-{name}")
        results.append(
            [(out / f).read_bytes() for f in ("probabilities.parquet", "submission.csv")]
        )
    assert results[0] == results[1]


def test_folds_at_the_step_of_the_first_solve_do_no_harm(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("ensembles.large.START_ROWS", 100)  # every third row; three folds in turn
    record = cast_large(folder, tmp_path / "out", objective="log_loss", cache=tmp_path / "cache")
    assert record["gap"] <= 1e-8
    assert record["estimate"]["log_loss"] > record["oof"]["log_loss"]


def test_uris_are_read_and_written(folder, tmp_path):
    cast_large(f"file://{folder}", tmp_path / "a", mode="soft", cache=tmp_path / "cache")
    (tmp_path / "b").mkdir()
    cast_large(folder, f"file://{tmp_path}/b", mode="soft", cache=tmp_path / "cache")
    first, second = ((tmp_path / d / "probabilities.parquet").read_bytes() for d in "ab")
    assert first == second


def test_what_was_derived_is_used_again_until_a_table_changes(folder, tmp_path, monkeypatch):
    cache, out = tmp_path / "cache", tmp_path / "out"
    first = cast_large(folder, out, objective="log_loss", cache=cache)
    monkeypatch.setattr("ensembles.large._true_of", None)
    again = cast_large(folder, out, objective="log_loss", cache=cache)
    assert again["members"] == first["members"]
    monkeypatch.undo()
    path = folder / "b" / "oof.parquet"
    table = read_table(path)
    write_table(path, replace(table, probabilities=table.probabilities[:, ::-1]))
    changed = cast_large(folder, out, objective="log_loss", cache=cache)
    assert changed["members"] != first["members"]
    assert len(list(cache.iterdir())) == 2


def test_tables_in_another_order_are_refused_by_name(folder, tmp_path):
    path = folder / "c" / "test.parquet"
    write_table(path, read_table(path).take(np.arange(100)[::-1]))
    with pytest.raises(BadInput, match=r"member c: `image_id` differs from a's.*in one order"):
        cast_large(folder, tmp_path / "out", mode="soft", cache=tmp_path / "cache")
    assert not (tmp_path / "out" / "vote.json").exists()
    table = read_table(path)
    write_table(path, table.take(np.arange(99)))
    with pytest.raises(BadInput, match="member c: 99 rows and 4 classes, but a has 100 and 4"):
        cast_large(folder, tmp_path / "out", mode="soft", cache=tmp_path / "cache")


def test_what_is_small_is_not_large(folder):
    assert not too_large(folder)
    assert too_large(folder, limit=1000)


PEAK = """
import re, sys
from pathlib import Path
from ensembles import cast_large
cast_large(sys.argv[1], sys.argv[2], mode="weighted", objective="log_loss", cache=sys.argv[3])
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux counts the peak")
def test_twice_the_rows_do_not_take_twice_the_memory(tmp_path, make_tables):
    peaks = []
    for n_rows in (200_000, 400_000):
        folder = tmp_path / str(n_rows)
        for name, table in make_tables(n_rows=n_rows, n_classes=6).items():
            write_table(folder / name / "oof.parquet", table)
        out = [str(folder), str(tmp_path / "out"), str(tmp_path / "cache")]
        environment = {**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"}
        done = subprocess.run(
            [sys.executable, "-c", PEAK, *out], capture_output=True, text=True, env=environment,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] < peaks[0] * 1.25, peaks
