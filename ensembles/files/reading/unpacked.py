"""Parquet files that unpack to a thousand times their size, refused before they are read."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ensembles import limits
from ensembles.files import places
from ensembles.files.places import Place

types = pa.types
_OF_TEXT = 60  # bytes of a cell as Python's text, beside its letters; a row's id is in an index too
_ROWS_AT_ONCE = 65_536
_FEW_ROWS = 64  # where each cell may be the one before it and a letter more


def read_bounded(place: Place) -> pa.Table:
    """The whole file. Raises BadInput where `ensembles.limits` do not allow what it unpacks to.

    Raises OSError and ArrowException, too. Its footer says how many values it holds, and texts are
    looked at a few rows at a time: one of megabytes may stand in each of a million rows.
    """
    source, size = places.parquet_source(place)
    opened = pq.ParquetFile(source)
    name, schema, rows = str(place), opened.schema_arrow, opened.metadata.num_rows
    limits.COLUMNS.require(name, len(schema.names))
    for column in schema.names:
        limits.NAME.require(f"{name}: the name of a column", len(column))
    needed = rows * sum(_width(field.type) for field in schema) + rows * 2 * _OF_TEXT
    if any(types.is_nested(field.type) for field in schema):
        needed += 16 * _values(opened.metadata)
    limits.require_unpacked(f"{name}, {rows:,} rows", needed, size)
    texts = [field.name for field in schema if _is_text(field.type)]
    if not texts or not rows:
        return opened.read()
    letters, at_once = 0, _FEW_ROWS
    if not _builds_on_others(opened.metadata):
        # as a dictionary, which Arrow makes of the other encodings, a text of many rows is there once
        opened = pq.ParquetFile(source, metadata=opened.metadata, read_dictionary=texts)
        at_once = _ROWS_AT_ONCE
    for batch in opened.iter_batches(at_once, columns=texts):
        for column, values in zip(batch.schema.names, batch.columns, strict=True):
            letters += _letters(f"{name}: `{column}`: a cell", values)
        limits.require_unpacked(f"{name}, {rows:,} rows", needed + letters, size)
    found = opened.read()
    return found.cast(schema.with_metadata(found.schema.metadata))


def _letters(what: str, values: pa.Array) -> int:
    """Bytes of all texts of a column. Raises BadInput for one that is longer than a cell may be."""
    if not types.is_dictionary(values.type):
        lengths = pc.binary_length(values)
    else:
        of_each = pc.binary_length(values.dictionary)
        lengths = of_each.take(values.indices)
    limits.CELL.require(what, pc.max(lengths).as_py() or 0)
    return pc.sum(lengths).as_py() or 0


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if types.is_dictionary(kind) else kind
    return (
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
    )


def _width(kind: pa.DataType) -> int:
    """Bytes of a value in memory."""
    if types.is_dictionary(kind) or _is_text(kind) or types.is_nested(kind):
        return _OF_TEXT
    try:
        return max(1, kind.bit_width // 8)
    except ValueError:
        return _OF_TEXT


def _values(footer: pq.FileMetaData) -> int:
    """How many values the columns hold, those inside lists counted."""
    groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
    return sum(own.column(c).num_values for own in groups for c in range(own.num_columns))


def _builds_on_others(footer: pq.FileMetaData) -> bool:
    """Whether a text may be written as the start of the one before it."""
    groups = [footer.row_group(i) for i in range(footer.num_row_groups)]
    return any(
        "DELTA_BYTE_ARRAY" in own.column(c).encodings
        for own in groups
        for c in range(own.num_columns)
        if own.column(c).physical_type == "BYTE_ARRAY"
    )
