import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ensembles import BadInput, cast, cast_large, read_members, read_table, write_table
from ensembles.files import parquet as tables
from ensembles.files.digests import unsealed
from ensembles.large.derived import stratified_rows
from ensembles.large.footers import too_large

TARGETS = {"targets": [["cover", ["off", "on"]], ["age", ["young", "old"]]]}


@pytest.fixture
def folder(tmp_path, make_tables, monkeypatch):
    """Three members with rows in several row groups, whose four classes mean two targets."""
    monkeypatch.setattr(tables, "ROW_GROUP", 64)
    for kind, n_rows in (("oof", 300), ("test", 100)):
        for name, table in make_tables(kind=kind, n_rows=n_rows, meta=TARGETS).items():
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
        {"mode": "weighted", "objective": "log_loss", "offsets": True, "temperature": True},
        {"mode": "weighted", "objective": "log_loss:age"},
        {"mode": "weighted", "objective": "accuracy:cover"},
        {"mode": "weighted", "objective": "mcc"},
        {"mode": "weighted", "objective": "quadratic_kappa:age"},
        {"mode": "weighted", "objective": "roc_auc"},
        {"mode": "weighted", "objective": "roc_auc:cover"},
    ],
)
def test_in_ranges_the_vote_is_the_one_over_whole_tables(folder, tmp_path, how):
    """The sample is all rows here, so nothing but the way of reading differs."""
    whole = cast(read_members(folder, "oof"), read_members(folder, "test"), **how)
    record = cast_large(folder, tmp_path / "out", cache=tmp_path / "cache", **how).record()
    assert list(record["members"].values()) == pytest.approx(list(whole.weights.values()), abs=1e-5)
    for figures in ("oof", "estimate"):
        for metric, score in getattr(whole, figures).items():
            if metric != "standard_error":
                assert record[figures][metric] == pytest.approx(score, 1e-4)
    errors = record["estimate"]["standard_error"]
    assert errors == pytest.approx(whole.estimate["standard_error"], rel=0.01)
    found = read_table(tmp_path / "out" / "probabilities.parquet")
    np.testing.assert_allclose(found.probabilities, whole.probabilities, atol=1e-5)
    np.testing.assert_array_equal(found.ids, whole.ids)
    assert unsealed(json.loads((tmp_path / "out" / "vote.json").read_text())) == record
    whole.write(tmp_path / "whole")
    ours, theirs = ((tmp_path / d / "submission.csv").read_text() for d in ("out", "whole"))
    assert ours == theirs
    if how.get("objective") == "log_loss":
        assert record["gap"] <= 1e-8
    if how.get("offsets"):
        weights, rest = record["notes"]
        assert weights == "weights fitted to all 300 rows."
        assert rest == "offsets and temperature to a stratified sample, 300 of 300 rows."


def with_groups(folder):
    """Groups of unequal size within the folds; all rows of a group have one label."""
    for name in "abc":
        path = folder / name / "oof.parquet"
        table = read_table(path)
        group = np.array([f"{f}-{i // 9 % 20}" for i, f in enumerate(table.fold)], object)
        write_table(path, replace(table, group=group))
    return group


@pytest.mark.parametrize("mode", ["soft", "weighted"])
def test_groups_of_the_tables_count_in_ranges_too(folder, tmp_path, mode):
    with_groups(folder)
    how = {"mode": mode} if mode == "soft" else {"mode": mode, "objective": "macro_f1"}
    whole = cast(read_members(folder, "oof"), read_members(folder, "test"), **how)
    record = cast_large(folder, tmp_path / "out", cache=tmp_path / "cache", **how).record()
    for metric, error in whole.estimate["standard_error"].items():
        assert record["estimate"]["standard_error"][metric] == pytest.approx(error, rel=1e-3)
    path = folder / "a" / "oof.parquet"
    table = read_table(path)
    table.group[0] = table.group[1]
    write_table(path, table)
    with pytest.raises(BadInput, match=r"1 of 60 groups stand in several folds.*row 0"):
        cast_large(folder, tmp_path / "out", cache=tmp_path / "cache", **how)


def test_the_choice_among_kinds_is_the_one_over_whole_tables(folder, tmp_path):
    with_groups(folder)
    whole = cast(read_members(folder, "oof"), read_members(folder, "test"), "weighted")
    record = cast_large(folder, tmp_path / "out", cache=tmp_path / "cache").record()
    assert record["choice"] == whole.choice
    for found, expected in zip(record["candidates"], whole.candidates, strict=True):
        assert (found["name"], found["as_good"]) == (expected["name"], expected["as_good"])
        for metric in ("macro_f1", "log_loss", "behind", "standard_error"):
            assert found[metric] == pytest.approx(expected[metric], rel=1e-9)
    assert record["estimate"]["macro_f1"] == pytest.approx(whole.estimate["macro_f1"], 1e-6)
    errors = whole.estimate["standard_error"]
    assert record["estimate"]["standard_error"] == pytest.approx(errors, rel=1e-4)
    assert [r["text"] for r in record["reasons"]] == [r["text"] for r in whole.reasons]
    # the two parts are drawn with different class shares, which both ways of voting say
    sample, *drift = record["notes"]
    assert sample == "fitted to a stratified sample of whole groups, 300 of 300 rows."
    assert drift == whole.notes


@pytest.mark.parametrize("grouped", [False, True])
def test_the_sample_has_the_shares_of_all_classes_and_folds_and_whole_groups(grouped):
    rng = np.random.default_rng(0)
    n_rows = 60_000
    groups = rng.integers(0, 9000, n_rows).astype(np.int32) if grouped else None
    folds = (groups % 5 if grouped else rng.integers(0, 5, n_rows)).astype(np.int16)
    by_group = rng.choice(4, 9000, p=[0.7, 0.2, 0.09, 0.01])
    labels = by_group[groups] if grouped else rng.choice(by_group, n_rows)
    rows = stratified_rows(folds, labels, groups, 4, 6000)
    assert len(rows) == pytest.approx(6000, rel=0.05)
    for column in (folds, labels):
        whole, part = (np.bincount(column[r]) / len(column[r]) for r in (slice(None), rows))
        np.testing.assert_allclose(part, whole, rtol=0.1, atol=5e-3 if grouped else 1e-3)
    if grouped:
        assert np.isin(groups, groups[rows]).sum() == len(rows)


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
    monkeypatch.setattr(
        "ensembles.large.fit.START_ROWS", 100
    )  # every third row; three folds in turn
    record = cast_large(folder, tmp_path / "out", objective="log_loss", cache=tmp_path / "cache")
    assert record.gap <= 1e-8
    assert record.estimate["log_loss"] > record.oof["log_loss"]


def test_uris_are_read_and_written(folder, tmp_path):
    cast_large(f"file://{folder}", tmp_path / "a", mode="soft", cache=tmp_path / "cache")
    (tmp_path / "b").mkdir()
    cast_large(folder, f"file://{tmp_path}/b", mode="soft", cache=tmp_path / "cache")
    first, second = ((tmp_path / d / "probabilities.parquet").read_bytes() for d in "ab")
    assert first == second


def test_what_was_derived_is_used_again_until_a_table_changes(folder, tmp_path, monkeypatch):
    cache, out = tmp_path / "cache", tmp_path / "out"
    first = cast_large(folder, out, objective="log_loss", cache=cache)
    monkeypatch.setattr("ensembles.large.derived._true_of", None)
    again = cast_large(folder, out, objective="log_loss", cache=cache)
    assert again.weights == first.weights
    monkeypatch.undo()
    path = folder / "b" / "oof.parquet"
    table = read_table(path)
    write_table(path, replace(table, probabilities=table.probabilities[:, ::-1]))
    changed = cast_large(folder, out, objective="log_loss", cache=cache)
    assert changed.weights != first.weights
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("what", ["flipped", "cut short", "missing", "without digests"])
def test_what_was_derived_is_made_again_where_it_is_damaged(folder, tmp_path, what):
    cache, out = tmp_path / "cache", tmp_path / "out"
    first = cast_large(folder, out, objective="log_loss", cache=cache)
    (kept,) = cache.iterdir()
    before = {file.name: file.read_bytes() for file in kept.iterdir()}
    sample = kept / "sample.npy"
    if what == "flipped":
        sample.write_bytes(before["sample.npy"][:-2] + b"\x17\x40")
    elif what == "cut short":
        sample.write_bytes(before["sample.npy"][:200])
    elif what == "missing":
        sample.unlink()
    else:
        (kept / "SHA256SUMS").unlink()
    again = cast_large(folder, out, objective="log_loss", cache=cache)
    assert again.weights == first.weights
    assert {file.name: file.read_bytes() for file in kept.iterdir()} == before


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


@pytest.mark.slow
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
