"""Parquet files that unpack to a thousand times their size, refused before they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ensembles import limits, object_store
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
    return object_store.through_refusals(lambda: _read_bounded(place))


def _read_bounded(place: Place) -> pa.Table:
    source, size = places.parquet_source(place)
    opened = pq.ParquetFile(source, page_checksum_verification=True)
    name, schema, rows = str(place), opened.schema_arrow, opened.metadata.num_rows
    limits.COLUMNS.require(name, len(schema.names))
    for column in schema.names:
        limits.NAME.require(f"{name}: the name of a column", len(column))
    needed = rows * sum(_width(field.type) for field in schema) + rows * 2 * _OF_TEXT
    if any(types.is_nested(field.type) for field in schema):
        needed += 16 * _values(opened)
    limits.require_unpacked(f"{name}, {rows:,} rows", needed, size)
    texts = [field.name for field in schema if _is_text(field.type)]
    if not texts or not rows:
        return valid(opened.read())
    letters, at_once, batches = 0, _FEW_ROWS, []
    once = not _builds_on_others(opened)
    if once:
        # as a dictionary, which Arrow makes of the other encodings, a text of many rows is there once
        opened = pq.ParquetFile(
            source,
            metadata=opened.metadata,
            read_dictionary=texts,
            page_checksum_verification=True,
        )
        at_once = _ROWS_AT_ONCE
    for batch in opened.iter_batches(at_once, columns=texts):
        for column, values in zip(batch.schema.names, batch.columns, strict=True):
            letters += _letters(f"{name}: `{column}`: a cell", values)
        limits.require_unpacked(f"{name}, {rows:,} rows", needed + letters, size)
        if once:
            batches.append(batch)
    nested = any(types.is_nested(field.type) for field in schema)
    if not once or nested or len(set(schema.names)) < len(schema.names):
        found = opened.read()
    else:
        found = _beside(pa.Table.from_batches(batches), opened, schema.names)
    return valid(found).cast(schema.with_metadata(found.schema.metadata))


def _beside(texts: pa.Table, opened: pq.ParquetFile, names: Sequence[str]) -> pa.Table:
    """All columns by their names, of which those of text are read already."""
    others = opened.read([name for name in names if name not in texts.column_names])
    columns = [texts[n] if n in texts.column_names else others[n] for n in names]
    return pa.table(columns, names=names, metadata=others.schema.metadata)


def valid(found: pa.Table) -> pa.Table:
    """Raises ArrowInvalid where text is no UTF-8, or a value lies outside its column."""
    found.validate(full=True)
    return found


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


def _values(opened: pq.ParquetFile) -> int:
    """How many values the columns hold, those inside lists counted."""
    return sum(chunk.num_values for chunk in _chunks(opened, range(len(opened.schema))))


def _builds_on_others(opened: pq.ParquetFile) -> bool:
    """Whether a text may be written as the start of the one before it."""
    leaves = range(len(opened.schema))
    texts = [c for c in leaves if opened.schema.column(c).physical_type == "BYTE_ARRAY"]
    return any("DELTA_BYTE_ARRAY" in chunk.encodings for chunk in _chunks(opened, texts))


def _chunks(opened: pq.ParquetFile, leaves: Iterable[int]) -> Iterator[pq.ColumnChunkMetaData]:
    """What the footer says of some columns in each row group, once it is known to be sound.

    Where it is damaged, asking it for a chunk ends the process (C++'s terminate); reading a row of the
    column raises ArrowException or OSError.
    """
    leaves = list(leaves)
    paths = [opened.schema.column(c).path for c in leaves]
    for i in range(opened.metadata.num_row_groups):
        next(opened.iter_batches(1, row_groups=[i], columns=paths), None)
        group = opened.metadata.row_group(i)
        yield from (group.column(c) for c in leaves)
