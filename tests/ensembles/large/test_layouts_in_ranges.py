"""What tables too large for memory must look like: the written layout, the same in all; else refused."""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ensembles import BadInput, cast_large, read_members, read_table, write_table
from ensembles.large.footers import too_large

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path, make_tables):
    names = {"classes": ["w", "x", "y", "z"]}
    for kind in ("oof", "test"):
        for name, table in make_tables(("a", "b"), kind=kind, meta=names).items():
            group = np.array([f"g{i % 30}" for i in range(90)], object)
            write_table(tmp_path / "in" / name / f"{kind}.parquet", replace(table, group=group))
    return tmp_path / "in"


def vote(folder, **how):
    return cast_large(folder, folder.parent / "out", "soft", cache=folder.parent / "cache", **how)


def change(folder, what, kind="oof"):
    """Rewrite b's table as Arrow columns."""
    path = folder / "b" / f"{kind}.parquet"
    pq.write_table(what(pq.read_table(path)), path)


def cast_column(name, to):
    def what(found):
        at = found.column_names.index(name)
        return found.set_column(at, name, found[name].cast(to))

    return what


def values(name, new):
    return lambda t: t.set_column(t.column_names.index(name), name, pa.array(new))


@pytest.mark.parametrize(
    ("kind", "what", "text"),
    [
        ("oof", cast_column("image_id", pa.binary()), "`image_id` is binary"),
        ("oof", cast_column("label", pa.float32()), "`label` is float"),
        ("oof", cast_column("p1", pa.string()), "`p1` is string"),
        (
            "oof",
            lambda t: t.rename_columns([c.replace("p", "c") for c in t.column_names]),
            "lacks p0",
        ),
        ("oof", lambda t: t.drop_columns("fold"), "lacks fold"),
        ("oof", cast_column("p1", pa.float16()), "no probabilities, or rounded"),
        ("test", values("group", ["other"] * 90), "`group` differs from a's in 90 of rows"),
        ("oof", values("group", [f"g{i % 31}" for i in range(90)]), "`group` differs"),
        ("oof", lambda t: t.slice(1), "89 rows and 4 classes"),
    ],
)
def test_another_layout_is_refused_and_never_misread(folder, kind, what, text):
    vote(folder)
    change(folder, what, kind)
    with pytest.raises(BadInput, match=text):
        vote(folder)


@pytest.mark.parametrize("member", ["a", "b"])
@pytest.mark.parametrize("column", ["image_id", "group"])
def test_text_that_is_no_utf8_is_refused_as_in_a_table_that_is_read_whole(folder, member, column):
    path = folder / member / "oof.parquet"
    whole = pq.read_table(path)
    wrong = [b"\xff\xfe" if row == 7 else str(row).encode() for row in range(len(whole))]
    # a string column whose bytes nobody looked at
    text = pa.Array.from_buffers(pa.string(), len(wrong), pa.array(wrong, pa.binary()).buffers())
    at = whole.column_names.index(column)
    pq.write_table(whole.set_column(at, column, text), path)
    with pytest.raises(BadInput) as expected:
        read_members(folder, "oof")
    with pytest.raises(BadInput) as found:
        vote(folder)
    assert f"member {member}: {path}: " in found.value.problems[0]
    assert "UTF8" in found.value.problems[0]
    where, _, how = expected.value.problems[0].partition(" (")  # Arrow numbers what it reads
    assert found.value.problems[0].startswith(f"{where} (")
    assert found.value.problems[0].endswith(how.rpartition(")")[2])


def test_what_the_message_says_rewrites_the_table(folder):
    expected = vote(folder).estimate
    path = folder / "b" / "oof.parquet"
    change(
        folder, lambda t: cast_column("label", pa.float32())(cast_column("fold", pa.string())(t))
    )
    with pytest.raises(BadInput) as refused:
        vote(folder)
    command = refused.value.problems[0].partition("Rewrite it: ")[2]
    program = shlex.split(command)
    subprocess.run([sys.executable, *program[1:]], cwd=ROOT, check=True)
    assert pq.read_schema(path).field("label").type == pa.int16()
    assert vote(folder).estimate == expected


def test_classes_in_another_order_are_refused(folder):
    for kind in ("oof", "test"):
        table = read_table(folder / "b" / f"{kind}.parquet")
        table.meta["classes"] = ["x", "w", "y", "z"]
        write_table(folder / "b" / f"{kind}.parquet", table)
    with pytest.raises(BadInput, match="member b: class 0 is 'x', but in a it is 'w'"):
        vote(folder)


def test_ids_that_stand_there_twice_are_refused(folder):
    for name in "ab":
        path = folder / name / "test.parquet"
        found = pq.read_table(path)
        pq.write_table(pa.concat_tables([found, found]), path)
    with pytest.raises(BadInput, match="180 test rows, but 90 ids"):
        vote(folder)


def test_hidden_folders_are_no_members_and_csv_is_to_be_rewritten(folder):
    (folder / ".ipynb_checkpoints").mkdir()
    write_table(folder / ".ipynb_checkpoints/oof.parquet", read_table(folder / "a/oof.parquet"))
    record = vote(folder)
    assert list(record.weights) == ["a", "b"]
    assert any(".ipynb_checkpoints" in note for note in record.notes)
    (folder / "c").mkdir()
    for kind in ("oof", "test"):
        pq.read_table(folder / f"a/{kind}.parquet").to_pandas().to_csv(folder / f"c/{kind}.csv")
    assert too_large(folder, limit=1000)
    with pytest.raises(BadInput, match=r"member c: .*oof.csv is CSV.*read_oof_table"):
        vote(folder)


def test_the_rows_that_all_have_are_no_ranges(folder):
    with pytest.raises(BadInput, match="common_rows"):
        vote(folder, common_rows=True)
    with pytest.raises(BadInput, match="missing_rows: tables of this size"):
        vote(folder, missing_rows=True)
