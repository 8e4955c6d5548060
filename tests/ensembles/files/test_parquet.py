import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ensembles import BadInput
from ensembles.files.align import align
from ensembles.files.parquet import read_members, read_table, write_table
from ensembles.files.reading.unpacked import read_bounded
from ensembles.files.table import OofTable, Table, table_problems


def equal(a, b):
    same = [np.array_equal(getattr(a, c), getattr(b, c)) for c in ("ids", "probabilities")]
    for column in ("fold", "label"):
        x, y = getattr(a, column), getattr(b, column)
        same.append((x is None) == (y is None) and (x is None or np.array_equal(x, y)))
    return all(same) and a.meta == b.meta


@pytest.mark.parametrize("kind", ["oof", "test"])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_what_is_written_is_read_back(tmp_path, make_tables, kind, scheme):
    meta = {"classes": ["w", "x", "y", "z"], "targets": [["t", ["w", "x", "y", "z"]]]}
    table = make_tables(kind=kind, meta=meta)["a"]
    place = f"{scheme}{tmp_path}/new/{kind}.parquet"
    if scheme:
        (tmp_path / "new").mkdir()
    write_table(place, table)
    assert equal(read_table(place), table)
    assert [p.name for p in (tmp_path / "new").iterdir()] == [f"{kind}.parquet"]


def test_the_file_has_the_contracts_columns_and_encoding(tmp_path, make_tables):
    write_table(tmp_path / "t.parquet", make_tables()["a"])
    file = pq.ParquetFile(tmp_path / "t.parquet")
    types = {field.name: str(field.type) for field in file.schema_arrow}
    assert types == {"image_id": "string", "fold": "int16", "label": "int16"} | {
        f"p{k}": "float" for k in range(4)
    }
    assert json.loads(file.schema_arrow.metadata[b"ensemble"])["member"] == "a"
    column = file.metadata.row_group(0).column(3)
    assert column.path_in_schema == "p0"
    assert "BYTE_STREAM_SPLIT" in column.encodings
    assert not column.has_dictionary_page
    assert column.compression == "ZSTD"


def test_a_table_made_by_pandas_without_metadata_is_welcome(tmp_path):
    pd.DataFrame(
        {"p1": [0.25, 1.0], "p0": [0.75, 0.0], "image_id": [7, 8], "label": [0, 1], "note": "x"}
    ).to_parquet(tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert table.ids.tolist() == ["7", "8"]
    assert table.probabilities.tolist() == [[0.75, 0.25], [0.0, 1.0]]
    assert table.probabilities.dtype == np.float32
    assert table.label.tolist() == [0, 1]
    assert table.fold is None
    assert table.classes == ["0", "1"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, make_tables, monkeypatch):
    path = tmp_path / "t.parquet"
    write_table(path, make_tables()["a"])
    before = path.read_bytes()

    def fail(self, target):
        raise OSError("disk full")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_table(path, make_tables()["b"])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def broken(table, column, row, value):
    values = getattr(table, column).copy()
    values[row] = value
    return replace(table, **{column: values})


@pytest.mark.parametrize(
    ("column", "row", "value", "text"),
    [
        ("probabilities", (5, 1), np.nan, "NaN in 1 rows: oof-5"),
        (
            "probabilities",
            (5, slice(None)),
            [1.5, -0.5, 0, 0],
            r"outside \[0, 1\] in 1 rows: oof-5",
        ),
        ("probabilities", (slice(5, 9), 0), 0.0, r"4 rows do not sum to 1 .* oof-5, oof-6, oof-7"),
        ("probabilities", (5, slice(None)), [np.inf, 0, 0, 0], r"outside \[0, 1\]"),
        ("ids", 5, "oof-4", "twice: oof-4"),
        ("label", 5, 4, r"`label` outside 0..3 in 1 rows: oof-5 have 4"),
        ("label", 5, -1, "`label` outside"),
        ("fold", 5, -1, "`fold` outside"),
    ],
)
def test_values_that_no_vote_could_use_are_refused_on_writing_and_on_voting(
    tmp_path, make_tables, column, row, value, text
):
    found = make_tables()
    found["b"] = broken(found["b"], column, row, value)
    with pytest.raises(BadInput, match=text):
        write_table(tmp_path / "t.parquet", found["b"])
    assert not list(tmp_path.iterdir())
    with pytest.raises(BadInput, match="member b") as refused:
        align(found)
    assert len(refused.value.problems) == 1


@pytest.mark.parametrize("given", [["w", "x", "y"], ["w", "x", "y", "y"]])
def test_class_names_must_fit_the_columns(tmp_path, make_tables, given):
    with pytest.raises(BadInput, match="`classes`"):
        write_table(tmp_path / "t.parquet", make_tables(meta={"classes": given})["a"])


@pytest.mark.parametrize(
    ("columns", "texts"),
    [
        ({"image_id": ["x"], "p0": [0.5], "p2": [0.5]}, ["no gap|without a gap"]),
        ({"score": [0.5]}, ["no column `image_id`; there are score", "among score.* p0, p1"]),
        ({"image_id": ["x", None], "p0": [1.0, None]}, ["image_id.* 1 null", "p0.* 1 null"]),
        ({"image_id": ["x"], "p0": ["high"], "label": [0.5]}, ["label.*int16", "p0.*float"]),
        ({"image_id": pa.array([], pa.string()), "p0": pa.array([], pa.float32())}, ["no rows"]),
        ({"image_id": ["x", "x"], "p0": [float("nan"), 2.0]}, ["twice: x", "NaN"]),
    ],
)
def test_files_of_others_are_refused_with_every_problem(tmp_path, columns, texts):
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    with pytest.raises(BadInput) as refused:
        read_table(tmp_path / "t.parquet")
    assert len(refused.value.problems) == len(texts)
    for problem, text in zip(refused.value.problems, texts, strict=True):
        assert re.search(text, problem)
        assert "t.parquet" in problem


def test_a_file_that_is_none_or_no_parquet_is_refused(tmp_path):
    (tmp_path / "t.parquet").write_text("image_id,p0,p1")
    with pytest.raises(BadInput, match="Parquet"):
        read_table(tmp_path / "t.parquet")
    with pytest.raises(BadInput, match="no such file"):
        read_table(tmp_path / "u.parquet")


def test_members_are_read_in_order_and_only_those_named(tmp_path, make_tables):
    for kind in ("oof", "test"):
        for name, table in make_tables(("b", "a", "c"), kind=kind).items():
            write_table(tmp_path / name / f"{kind}.parquet", table)
    (tmp_path / "notes").mkdir()
    assert list(read_members(tmp_path, "oof")) == ["a", "b", "c"]
    assert list(read_members(tmp_path, "test", ["c", "a"])) == ["c", "a"]
    assert list(read_members(f"file://{tmp_path}", "test")) == ["a", "b", "c"]


def test_a_folder_without_test_tables_has_none(tmp_path, make_tables):
    write_table(tmp_path / "a" / "oof.parquet", make_tables()["a"])
    assert read_members(tmp_path, "test") == {}


def test_reading_members_reports_the_problems_of_all(tmp_path, make_tables):
    for name, table in make_tables().items():
        write_table(tmp_path / name / "test.parquet", table)
    (tmp_path / "a" / "test.parquet").write_text("x")
    write_table(tmp_path / "d" / "oof.parquet", table)
    with pytest.raises(BadInput, match=r"member a.*\n.*member d: no test.parquet"):
        read_members(tmp_path, "test")


def test_folders_without_tables_are_refused(tmp_path):
    with pytest.raises(BadInput, match="no such folder"):
        read_members(tmp_path / "none", "oof")
    with pytest.raises(BadInput, match=r"no <member>/oof.parquet"):
        read_members(tmp_path, "oof")


def test_rows_in_any_order_are_aligned_by_id(make_tables):
    found = make_tables()
    shuffled = found | {"b": found["b"].take(np.random.default_rng(0).permutation(90))}
    assert equal(align(shuffled)["b"], found["b"])


def test_every_disagreement_is_named_with_its_member_and_three_ids(make_tables):
    found = make_tables(("a", "missing", "extra", "fold", "label", "narrow", "fine"))
    found["missing"] = found["missing"].take(np.arange(4, 90))
    found["extra"] = broken(found["extra"], "ids", 7, "stranger")
    found["fold"] = broken(found["fold"], "fold", slice(2, 7), 0)
    found["label"] = broken(found["label"], "label", 3, (found["a"].label[3] + 1) % 4)
    found["narrow"] = make_tables(n_classes=3)["a"]
    with pytest.raises(BadInput) as refused:
        align(found, "oof")
    text = "\n".join(refused.value.problems)
    assert "member missing: 4 ids of a are missing: oof-0, oof-1, oof-2, ..." in text
    assert "member extra: 1 ids of a are missing: oof-7" in text
    assert "member extra: 1 ids are not in a: stranger" in text
    assert "member fold: `fold` differs from a's in 3 rows: oof-2, oof-4, oof-5" in text
    assert "member label: `label` differs from a's in 1 rows: oof-3" in text
    assert "member narrow: 3 classes, but a has 4" in text
    assert len(refused.value.problems) == 6


def test_classes_in_another_order_are_refused(make_tables):
    found = make_tables(meta={"classes": ["w", "x", "y", "z"]})
    found["c"].meta["classes"] = ["w", "y", "x", "z"]
    with pytest.raises(BadInput, match="member c: class 1 is 'y', but in a it is 'x'"):
        align(found)


def test_an_oof_table_needs_fold_and_label(make_tables):
    found = make_tables()
    found["b"] = replace(found["b"], fold=None, label=None)
    with pytest.raises(BadInput, match=r"member b: .*`fold`.*\n.*member b: .*`label`"):
        align(found, "oof")
    align(found, "test")


def test_rows_may_miss_1_by_what_float32_loses(make_tables):
    found = make_tables()
    found["a"].probabilities *= np.float32(1 + 9e-5)
    found["a"].probabilities.clip(0, 1, out=found["a"].probabilities)
    assert table_problems(found["a"], "a") == []


def test_the_answers_default_to_the_class_numbers():
    p = np.array([[0.5, 0.5]], np.float32)
    assert Table(np.array(["x"], object), p).answers == ["0", "1"]
    assert Table(np.array(["x"], object), p, meta={"answers": ["no", "yes"]}).answers[1] == "yes"


def test_oof_tables_name_the_columns_that_they_lack(make_tables):
    table = make_tables()["a"]
    assert isinstance(OofTable.of(table, "a"), OofTable)
    with pytest.raises(BadInput, match=r"a: its OOF table has no `label` column"):
        OofTable.of(replace(table, label=None), "a")
    with pytest.raises(BadInput) as caught:
        align({"a": replace(table, fold=None), "b": replace(table, fold=None, label=None)}, "oof")
    assert len(caught.value.problems) == 3


def test_texts_that_are_read_apart_stand_in_their_place(tmp_path):
    columns = {
        "a.b": pa.array([1.0, 2.0]),
        "text": pa.array(["x", None]),
        "a": pa.array([3, 4]),
        "kind": pa.array(["k", "k"]).dictionary_encode(),
        "text.b": pa.array(["y", "z"]),
    }
    table = pa.table(columns, metadata={"ensemble": "{}"})
    pq.write_table(table, tmp_path / "t.parquet")
    found = read_bounded(tmp_path / "t.parquet")
    assert found.equals(pq.ParquetFile(tmp_path / "t.parquet").read())
    assert found.schema.metadata[b"ensemble"] == b"{}"
