"""Parquet files that unpack to a thousand times their size, refused before they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ensembles import limits, object_store
from ensembles.arrow import numbers
from ensembles.files import places
from ensembles.files.places import Place
from ensembles.files.reading.same_texts import SeenTexts, written_texts

types = pa.types
_OF_TEXT = 60  # bytes of a cell as Python's text, beside its letters; a row's id is in an index too
_ROWS_AT_ONCE = 65_536
_FEW_ROWS = 64  # where each cell may be the one before it and a letter more


def read_bounded(place: Place, seen: SeenTexts | None = None) -> pa.Table:
    """The whole file. Raises BadInput where `ensembles.limits` do not allow what it unpacks to.

    Raises OSError and ArrowException, too. Its footer says how many values it holds, and texts are
    looked at a few rows at a time: one of megabytes may stand in each of a million rows. seen: texts of the
    file read before, which are not unpacked again where this one has the same bytes of them.
    """
    return object_store.through_refusals(lambda: _read_bounded(place, seen or SeenTexts()))


def _read_bounded(place: Place, seen: SeenTexts) -> pa.Table:
    source, size = places.parquet_source(place)
    # an object store gets the requests for all columns at once
    how = {"page_checksum_verification": True, "pre_buffer": not isinstance(source, str)}
    opened = pq.ParquetFile(source, **how)
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
        return valid(opened.read(use_threads=False))
    chunks = _of_texts(opened)
    written = written_texts(source, opened, chunks) if isinstance(source, str) else None
    if written and (same := seen.same(written)):
        return valid(_beside(same, opened, schema))
    letters, at_once, batches = 0, _FEW_ROWS, []
    # whether a text may be written as the start of the one before it
    once = not any("DELTA_BYTE_ARRAY" in chunk.encodings for chunk in chunks)
    looked_at = opened
    if once:
        # as a dictionary, which Arrow makes of the other encodings, a text of many rows is there once
        looked_at = pq.ParquetFile(source, metadata=opened.metadata, read_dictionary=texts, **how)
        at_once = _ROWS_AT_ONCE
    for batch in looked_at.iter_batches(at_once, columns=texts, use_threads=False):
        for column, values in zip(batch.schema.names, batch.columns, strict=True):
            letters += _letters(f"{name}: `{column}`: a cell", values)
        limits.require_unpacked(f"{name}, {rows:,} rows", needed + letters, size)
        if once and not isinstance(source, str):
            batches.append(batch)
    nested = any(types.is_nested(field.type) for field in schema)
    if not once or nested or len(set(schema.names)) < len(schema.names):
        return valid(opened.read(use_threads=False))
    if isinstance(source, str):
        own = opened.read(texts, use_threads=False)
    else:  # fetched once
        kinds = pa.schema([schema.field(name) for name in batches[0].schema.names])
        own = valid(pa.Table.from_batches(batches)).cast(kinds)
    if written:
        seen.keep(written, own)
    return valid(_beside(own, opened, schema))


def _beside(texts: pa.Table, opened: pq.ParquetFile, schema: pa.Schema) -> pa.Table:
    """All columns by their names, of which those of text are read already."""
    missing = [name for name in schema.names if name not in texts.column_names]
    others = opened.read(missing, use_threads=False)
    columns = [texts[n] if n in texts.column_names else others[n] for n in schema.names]
    return pa.Table.from_arrays(columns, schema=schema.with_metadata(others.schema.metadata))


def valid(found: pa.Table) -> pa.Table:
    """Raises ArrowInvalid where text is no UTF-8, or a value lies outside its column."""
    found.validate(full=True)
    return found


def _letters(what: str, values: pa.Array) -> int:
    """Bytes of all texts of a column. Raises BadInput for one that is longer than a cell may be."""
    lengths = _lengths(values.dictionary if types.is_dictionary(values.type) else values)
    if types.is_dictionary(values.type):
        at = numbers(values.indices)
        lengths = lengths[at[~np.isnan(at)].astype(np.intp) if values.null_count else at]
    limits.CELL.require(what, int(lengths.max(initial=0)))
    return int(lengths.sum())


def _lengths(values: pa.Array) -> np.ndarray:
    """(N,) int64, bytes of each text or bytes."""
    if not len(values):
        return np.zeros(0, np.int64)
    wide = types.is_large_string(values.type) or types.is_large_binary(values.type)
    ends = np.frombuffer(values.buffers()[1], np.int64 if wide else np.int32)
    return np.diff(ends[values.offset : values.offset + len(values) + 1]).astype(np.int64)


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


def _of_texts(opened: pq.ParquetFile) -> list[pq.ColumnChunkMetaData]:
    """Those of all columns of bytes, row group by row group."""
    leaves = range(len(opened.schema))
    texts = [c for c in leaves if opened.schema.column(c).physical_type == "BYTE_ARRAY"]
    return list(_chunks(opened, texts))


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
