"""Parquet files that were changed: bytes, and columns, types, rows, values and metadata of tables."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from tests.fuzz import edits

_OTHER_TYPES: tuple[pa.DataType, ...] = (
    pa.int8(), pa.int16(), pa.int64(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(),
    pa.string(), pa.large_string(), pa.binary(), pa.bool_(), pa.date32(), pa.timestamp("us"),
    pa.decimal128(20, 6), pa.null(), pa.dictionary(pa.int32(), pa.string()), pa.list_(pa.float32()),
    pa.struct([("x", pa.float32())]), pa.duration("s"), pa.time32("s"), pa.string_view(),
)  # fmt: skip


def changed_table(content: bytes) -> st.SearchStrategy[bytes]:
    """A Parquet file of a table whose columns, rows, types, values or metadata were changed."""
    table = pq.read_table(pa.BufferReader(content))
    names = st.sampled_from(table.column_names)
    meta = json.loads((table.schema.metadata or {}).get(b"ensemble", b"{}"))
    value = st.one_of(st.sampled_from(edits.ODD), st.floats(), st.integers(-(2**40), 2**40))
    edit = st.one_of(
        st.tuples(st.just("value"), names, value, st.integers(0, max(0, len(table) - 1))),
        st.tuples(st.just("value"), names, value, st.integers(0, max(0, len(table) - 1))),
        st.tuples(st.just("type"), names, st.sampled_from(_OTHER_TYPES), st.none()),
        st.tuples(st.just("type"), names, st.sampled_from(_OTHER_TYPES), st.none()),
        st.tuples(st.just("drop"), names, st.none(), st.none()),
        st.tuples(st.just("double"), names, st.none(), st.none()),
        st.tuples(st.just("rename"), names, st.sampled_from(("x", "", "p0", "label", "p9", "é", "group")),
                  st.none()),
        st.tuples(st.sampled_from(("rows", "twice", "reverse", "nested")), names, st.integers(0, 3),
                  st.none()),
        st.tuples(st.just("meta"), names, edits.changed_tree(meta), st.none()),
        st.tuples(st.just("meta"), names, edits.changed_tree(meta), st.none()),
        st.tuples(st.just("raw meta"), names, edits.foreign(), st.none()),
    )  # fmt: skip
    changed = st.lists(edit, min_size=1, max_size=3).map(lambda changes: _table(table, changes))
    return st.one_of(changed, changed, changed, edits.changed_bytes(content))


def _table(table: pa.Table, changes: list[tuple]) -> bytes:
    for kind, name, value, row in changes:
        try:
            table = _edited_table(table, kind, name, value, row)
        except (pa.ArrowException, KeyError, ValueError, TypeError, OverflowError):
            continue  # no such column any more, or no such value of a type
    content = pa.BufferOutputStream()
    try:
        pq.write_table(table, content)
    except (pa.ArrowException, ValueError, TypeError):
        return b"PAR1"
    return content.getvalue().to_pybytes()


def _edited_table(table: pa.Table, kind: str, name: str, value: Any, row: Any) -> pa.Table:
    metadata = table.schema.metadata or {}
    if kind in ("meta", "raw meta"):
        raw = value if kind == "raw meta" else json.dumps(value).encode()
        return table.replace_schema_metadata({**metadata, b"ensemble": raw})
    if kind == "rows":
        return table.slice(0, value)
    if kind == "twice":
        return pa.concat_tables([table, table])
    if kind == "reverse":
        return table.take(list(range(len(table)))[::-1])
    i = table.column_names.index(name)
    column = table.column(i)
    if kind == "drop":
        return table.remove_column(i)
    if kind == "double":
        return table.append_column(name, column)
    if kind == "rename":
        return table.rename_columns(
            [value if j == i else n for j, n in enumerate(table.column_names)]
        )
    if kind == "nested":
        return table.set_column(i, name, pa.array([[v] for v in column.to_pylist()]))
    if kind == "type":
        if pa.types.is_nested(value):
            own = [[1.0] if pa.types.is_list(value) else {"x": 1.0}] * len(table)
            return table.set_column(i, name, pa.array(own, value))
        if pa.types.is_null(value):
            return table.set_column(i, name, pa.nulls(len(table)))
        return table.set_column(i, name, column.cast(value, safe=False))
    values = column.to_pylist()
    if row < len(values):
        values[row] = value
    return table.set_column(i, name, pa.array(values))
