"""`vote.json` is the same value for every way to vote, and those of earlier versions read."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from ensembles import (
    BadInput,
    cast,
    cast_large,
    cast_submissions,
    read_members,
    read_table,
    write_table,
)
from ensembles.files import parquet
from ensembles.files.parquet import file_digests
from ensembles.files.table import Table
from ensembles.voting.record import VoteRecord

# Of two members and four rows, in memory and in ranges, as the version before `tables`, `files`
# and, in ranges, `solo`, `best_single` and `uniform` wrote them.
OLD = """{"mode": "soft", "objective": null, "members": {"a": 0.5, "b": 0.5},
"oof": {"macro_f1": 0.75, "accuracy": 0.75, "log_loss": 0.47},
"estimate": {"macro_f1": 0.75, "accuracy": 0.75, "log_loss": 0.47, "standard_error":
 {"macro_f1": 0.26, "accuracy": 0.25, "log_loss": 0.12}},
"best_single": {"member": "a", "macro_f1": 1.0, "accuracy": 1.0, "log_loss": 0.4, "standard_error":
 {"macro_f1": 0.0, "accuracy": 0.0, "log_loss": 0.07},
 "oof": {"macro_f1": 1.0, "accuracy": 1.0, "log_loss": 0.4}},
"uniform": {"macro_f1": 0.75, "accuracy": 0.75, "log_loss": 0.47, "standard_error":
 {"macro_f1": 0.26, "accuracy": 0.25, "log_loss": 0.12},
 "oof": {"macro_f1": 0.75, "accuracy": 0.75, "log_loss": 0.47}},
"solo": {"a": {"macro_f1": 1.0, "accuracy": 1.0, "log_loss": 0.4, "standard_error":
 {"macro_f1": 0.0, "accuracy": 0.0, "log_loss": 0.07}}},
"rows": "oof", "seconds": 0.02, "notes": [], "choice": null, "candidates": [], "reasons": [],
"pool": "linear", "offsets": null, "temperature": 1.0}"""
OLD_IN_RANGES = """{"mode": "soft", "objective": null, "notes": ["nothing is fitted."],
"oof": {"macro_f1": 0.75, "accuracy": 0.75, "log_loss": 0.47},
"estimate": {"macro_f1": 0.75, "accuracy": 0.75, "log_loss": 0.47, "standard_error":
 {"macro_f1": 0.26, "accuracy": 0.25, "log_loss": 0.12}},
"reasons": [], "members": {"a": 0.5, "b": 0.5}, "rows": "oof", "pool": "linear", "offsets": null,
"temperature": 1.0, "seconds": 0.1}"""
TARGETS = {"targets": [["cover", ["off", "on"]], ["age", ["young", "old"]]]}


@pytest.fixture
def folder(tmp_path, make_tables, monkeypatch):
    """Three members, one twice, in several row groups; four classes that mean two targets."""
    monkeypatch.setattr(parquet, "ROW_GROUP", 64)
    for kind, n_rows in (("oof", 300), ("test", 100)):
        made = make_tables(kind=kind, n_rows=n_rows, meta=TARGETS)
        for name, table in {**made, "twin": made["b"]}.items():
            group = np.array([f"{i % 3}-{i // 9}" for i in range(n_rows)], object)
            own = Table(table.ids, table.probabilities, table.fold, table.label, table.meta, group)
            write_table(tmp_path / "in" / name / f"{kind}.parquet", own)
    return tmp_path / "in"


def close(found, expected, where=""):
    """Equal, numbers within what another order of summing changes."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key in expected:
            close(found[key], expected[key], f"{where}/{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for i, (one, other) in enumerate(zip(found, expected, strict=True)):
            close(one, other, f"{where}/{i}")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-6), where
    else:
        assert found == expected, where


@pytest.mark.parametrize(
    "how",
    [
        {"mode": "soft"},
        {"mode": "hard", "weights": {"a": 2}},
        {"mode": "soft", "top": 2, "objective": "log_loss"},
        {"mode": "weighted"},
        {"mode": "weighted", "objective": "macro_f1"},
        {"mode": "weighted", "objective": "accuracy:age"},
        {"mode": "weighted", "objective": "log_loss:age"},
        {"mode": "weighted", "pool": "log_linear", "offsets": True},
    ],
    ids=str,
)
def test_in_ranges_the_record_is_the_one_in_memory(folder, tmp_path, how):
    """All rows are in the sample here, and neither way of summing is the other's."""
    oof, test = read_members(folder, "oof"), read_members(folder, "test")
    digests = file_digests(folder, {"oof": oof, "test": test})
    whole = cast(oof, test, **how, digests=digests)
    whole.write(tmp_path / "whole")
    ranges = cast_large(folder, tmp_path / "ranges", cache=tmp_path / "cache", **how)
    expected, found = whole.record(), ranges.record()
    if how.get("objective") == "log_loss:age":  # certified over all rows only
        del expected["gap"]
    for differs in ("seconds", "notes"):
        del expected[differs], found[differs]
    # the same rows, in other row groups and under another member's name
    assert expected["files"].pop("probabilities.parquet")
    assert found["files"].pop("probabilities.parquet")
    assert expected["files"].pop("held_out.parquet")
    assert found["files"].pop("held_out.parquet")
    one, other = (read_table(tmp_path / f"{name}/held_out.parquet") for name in ("whole", "ranges"))
    for column in ("ids", "fold", "label"):
        np.testing.assert_array_equal(getattr(one, column), getattr(other, column))
    np.testing.assert_allclose(one.probabilities, other.probabilities, rtol=1e-4, atol=1e-6)
    close(found, expected)
    assert found["best_single"]["member"] in found["solo"]
    assert not list((tmp_path / "cache").glob(".scores-*"))


def test_log_loss_weights_in_ranges_have_the_record_in_memory(folder, tmp_path):
    """Twins share their weight in any proportion, so the weights themselves may differ."""
    oof = read_members(folder, "oof")
    expected = cast(oof, None, "weighted", "log_loss").record()
    for name in oof:
        (folder / name / "test.parquet").unlink()
    out = tmp_path / "ranges"
    found = cast_large(folder, out, objective="log_loss", cache=tmp_path / "cache").record()
    assert found.keys() == expected.keys()
    for key in ("oof", "estimate", "best_single", "uniform", "solo", "rows", "pool", "objective"):
        close(found[key], expected[key], key)
    assert found["gap"] <= 1e-8
    assert list(found["files"]) == ["probabilities.parquet", "held_out.parquet"]


def test_the_digests_are_those_of_the_files(folder, tmp_path):
    def sha(path):
        return hashlib.sha256(path.read_bytes()).hexdigest()

    for name in ("whole", "ranges"):
        if name == "whole":
            cast(read_members(folder, "oof"), read_members(folder, "test"), "soft").write(
                tmp_path / name
            )
        else:
            record = cast_large(folder, tmp_path / name, mode="soft", cache=tmp_path / "cache")
            assert record.tables == {
                f"{member}/{kind}.parquet": sha(folder / member / f"{kind}.parquet")
                for kind in ("oof", "test")
                for member in ("a", "b", "c", "twin")
            }
        record = json.loads((tmp_path / name / "vote.json").read_text())
        files = ["submission.csv", "confidence.csv", "probabilities.parquet", "held_out.parquet"]
        assert record["files"] == {file: sha(tmp_path / name / file) for file in files}
    (tmp_path / "x.csv").write_text("ImageID,ans\na,1\nb,2\n")
    vote = cast_submissions([tmp_path / "x.csv"])
    assert vote.tables == {str(tmp_path / "x.csv"): sha(tmp_path / "x.csv")}


def test_tables_in_memory_have_digests_of_their_content(make_tables):
    def digests(**changes):
        oof = make_tables(**changes)
        return cast(oof, None, "soft").tables, oof

    first, oof = digests()
    assert list(first) == ["oof a", "oof b", "oof c"]
    assert digests()[0] == first
    assert all(digests(seed=1)[0][name] != own for name, own in first.items())
    oof["b"].probabilities[[0, 1]] = oof["b"].probabilities[[1, 0]]
    changed = cast(oof, None, "soft").tables
    assert [name for name in first if changed[name] != first[name]] == ["oof b"]


def test_what_is_written_reads_back_the_same(folder, tmp_path):
    record = cast_large(folder, tmp_path / "out", cache=tmp_path / "cache")
    content = (tmp_path / "out/vote.json").read_bytes()
    assert VoteRecord.from_json(content, "vote.json") == record
    assert read_table(tmp_path / "out/probabilities.parquet").ids[0] == "test-0"


@pytest.mark.parametrize("text", [OLD, OLD_IN_RANGES], ids=["in memory", "in ranges"])
def test_records_of_earlier_versions_read(text):
    old = json.loads(text)
    record = VoteRecord.from_json(text.encode(), "vote.json")
    assert record.weights == old["members"]
    assert record.estimate == old["estimate"]
    assert record.solo == old.get("solo", {})
    assert record.best_single == old.get("best_single")
    assert (record.tables, record.files, record.gap) == ({}, {}, None)
    assert record.record().items() >= old.items()


def test_keys_of_a_later_version_are_left():
    later = {**json.loads(OLD), "epsilon": 0.01}
    assert VoteRecord.from_json(json.dumps(later).encode(), "vote.json").mode == "soft"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"{", "not valid JSON"),
        (b"[]", "is no mapping"),
        (b'{"mode": "soft"}', "'members', 'rows'"),
    ],
)
def test_what_is_no_record_is_refused_by_its_name(content, text):
    with pytest.raises(BadInput, match=rf"^votes/soft/vote\.json: .*{text}.*Cast the vote again"):
        VoteRecord.from_json(content, "votes/soft/vote.json")
