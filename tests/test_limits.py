"""Limits on files: each is named where it refuses, can be raised, and lets real sizes through."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ensembles.limits
import members.limits
import orchestrator.limits
from ensembles.errors import BadInput
from ensembles.files.reading.unpacked import read_bounded
from ensembles.files.soft_submission import read_soft_submission
from ensembles.files.submission import read_submission
from members.errors import BadInput as BadPhotos
from members.errors import BadInput as BadSpec
from orchestrator.spec.yaml_lines import parse


def limits_of(module) -> dict:
    return {name: own for name, own in vars(module).items() if isinstance(own, module.Limit)}


def test_both_sides_of_the_wall_have_the_same_limits_where_they_have_both():
    ours, theirs = limits_of(ensembles.limits), limits_of(members.limits)
    shared = set(ours) & set(theirs)
    assert {"TEXT", "CELLS", "CELL", "NAME", "COLUMNS", "UNPACKED"} == shared
    for name in shared:
        assert vars(ours[name]) == vars(theirs[name])


@pytest.mark.parametrize("module", [ensembles.limits, members.limits])
@pytest.mark.parametrize("given", ["0", "-1", "1e9", "many", "1.5", "\u0665", "9" * 20])
def test_a_limit_that_is_no_whole_number_is_refused(module, given, monkeypatch):
    monkeypatch.setenv("ENSEMBLE_MAX_COLUMNS", given)
    with pytest.raises(
        (BadInput, BadPhotos), match=r"ENSEMBLE_MAX_COLUMNS=.*a whole number of columns"
    ):
        module.COLUMNS.require("x", 1)


@pytest.mark.fault(
    "a right file is beyond a limit", "refused with the limit's name, and read when that is raised"
)
def test_a_limit_that_is_raised_lets_the_file_through(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    path.write_text("ImageID,ans\n" + "x" * 5000 + ",1\nb,0\n")
    with pytest.raises(BadInput, match=r"an id has 5,000 characters.*ENSEMBLE_MAX_NAME=N"):
        read_submission(path)
    monkeypatch.setenv("ENSEMBLE_MAX_NAME", "5000")
    assert len(read_submission(path).ids[0]) == 5000


def test_an_alias_counts_as_all_that_it_stands_for(monkeypatch):
    text = "a: &a [1, 2, 3]\nb: [*a, *a]\n"
    assert parse(text, "x").data == {"a": [1, 2, 3], "b": [[1, 2, 3], [1, 2, 3]]}
    monkeypatch.setenv("ENSEMBLE_MAX_SPEC_VALUES", "16")  # 1 + 2 keys + 4 + (1 + 2 * 4)
    parse(text, "x")
    monkeypatch.setenv("ENSEMBLE_MAX_SPEC_VALUES", "15")
    with pytest.raises(BadSpec, match=r"has 16 values.*ENSEMBLE_MAX_SPEC_VALUES"):
        parse(text, "x")


def test_blocks_may_stand_inside_each_other_as_deep_as_is_said():
    deepest = orchestrator.limits.SPEC_DEPTH
    parse("[" * (deepest - 1) + "]" * (deepest - 1), "x")
    with pytest.raises(BadSpec, match="more than 50 deep"):
        parse("[" * (deepest + 1) + "]" * (deepest + 1), "x")


def test_a_million_rows_and_five_thousand_classes_are_read(tmp_path):
    n = 1_000_000
    ids = pa.array(np.char.add("photos/", np.arange(n).astype(str)))
    half = pa.array(np.full(n, 0.5, np.float32))
    pq.write_table(pa.table({"image_id": ids, "p0": half, "p1": half}), tmp_path / "rows.parquet")
    found = read_bounded(tmp_path / "rows.parquet")
    assert found["image_id"].equals(pa.chunked_array(ids))
    assert found.schema.field("image_id").type == pa.string()
    header = ",".join(f"class {k}" for k in range(5000))
    row = ",".join(["0.0002"] * 5000)
    (tmp_path / "classes.csv").write_text(f"ImageID,{header}\na,{row}\nb,{row}\n")
    assert read_soft_submission(tmp_path / "classes.csv").n_classes == 5000


def test_an_array_of_21_000_classes_fits_a_cell(tmp_path):
    cell = "[" + " ".join(["0.0000476190"] * 21_000) + "]"
    (tmp_path / "cells.csv").write_text(f'ImageID,probs\na,"{cell}"\nb,"{cell}"\n')
    assert read_soft_submission(tmp_path / "cells.csv").n_classes == 21_000


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]
)
def test_texts_of_any_type_come_back_as_they_were(tmp_path, kind):
    ids = pa.array(["a", "b", None, "a"]).cast(kind)
    table = pa.table({"image_id": ids, "p0": [0.5] * 4}).replace_schema_metadata({"ensemble": "{}"})
    pq.write_table(table, tmp_path / "t.parquet")
    assert read_bounded(tmp_path / "t.parquet").equals(pq.read_table(tmp_path / "t.parquet"))


def test_texts_that_each_repeat_the_one_before_are_looked_at_a_few_at_a_time(tmp_path):
    ids = pa.array([f"{'x' * 900_000}{i}" for i in range(100)])
    path = tmp_path / "t.parquet"
    pq.write_table(
        pa.table({"image_id": ids}), path, use_dictionary=False,
        column_encoding={"image_id": "DELTA_BYTE_ARRAY"}, compression="zstd",
    )  # fmt: skip
    assert path.stat().st_size < 3_000_000
    assert read_bounded(path).num_rows == 100  # 90 MB are within the limit
    with pytest.MonkeyPatch.context() as raised:
        raised.setenv("ENSEMBLE_MAX_UNPACKED_MIB", "50")
        with pytest.raises(BadInput, match=r"ENSEMBLE_MAX_UNPACKED_MIB"):
            read_bounded(path)
