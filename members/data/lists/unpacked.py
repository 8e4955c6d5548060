"""Parquet lists that unpack to a thousand times their size, refused before they are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from members import limits

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_OF_TEXT = 60  # bytes of a cell as Python's text, beside its letters
_ROWS_AT_ONCE = 65_536
_FEW_ROWS = 64  # where each cell may be the one before it and a letter more


def require_bounded(file: Path) -> None:
    """Raise BadInput where `members.limits` do not allow what a Parquet file unpacks to.

    Its footer says how many rows it has, and texts are looked at a few rows at a time: one of
    megabytes may stand in each of a million rows. Cells of bytes are photos, read one by one.
    """
    import pyarrow.parquet as pq
    from pyarrow import types

    with pq.ParquetFile(file) as opened:
        footer, schema = opened.metadata, opened.schema_arrow
    size, rows = file.stat().st_size, footer.num_rows
    limits.COLUMNS.require(str(file), len(schema.names))
    for column in schema.names:
        limits.NAME.require(f"{file}: the name of a column", len(column))
    flat = [field for field in schema if not types.is_nested(field.type)]
    needed = rows * _OF_TEXT * len(flat)
    limits.require_unpacked(f"{file}, {rows:,} rows", needed, size)
    texts = [own.name for own in flat if _is_text(own.type)]
    letters = 0
    with pq.ParquetFile(file, metadata=footer) as opened:
        builds_on_others = "DELTA_BYTE_ARRAY" in _encodings(opened)
    at_once = _FEW_ROWS if builds_on_others else _ROWS_AT_ONCE
    # as a dictionary, which Arrow makes of the other encodings, a text of many rows is there once
    as_dictionary = [] if builds_on_others else texts
    with pq.ParquetFile(file, metadata=footer, read_dictionary=as_dictionary) as opened:
        for batch in opened.iter_batches(at_once, columns=texts) if texts else ():
            for column, values in zip(texts, batch.columns, strict=True):
                letters += _letters(f"{file}: {column!r}: a cell", values)
            limits.require_unpacked(f"{file}, {rows:,} rows", needed + letters, size)


def _encodings(opened: pq.ParquetFile) -> set[str]:
    """Those of texts. Raises ArrowException or OSError for a damaged footer: one that is asked for a
    column before a row of it was read would end the process (C++'s terminate).
    """
    leaves = [
        c
        for c in range(len(opened.schema))
        if opened.schema.column(c).physical_type == "BYTE_ARRAY"
    ]
    paths = [opened.schema.column(c).path for c in leaves]
    found: set[str] = set()
    for i in range(opened.metadata.num_row_groups):
        next(opened.iter_batches(1, row_groups=[i], columns=paths), None)
        group = opened.metadata.row_group(i)
        found |= {encoding for c in leaves for encoding in group.column(c).encodings}
    return found


def _is_text(kind: pa.DataType) -> bool:
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    return types.is_string(kind) or types.is_large_string(kind)


def _letters(what: str, values: pa.Array) -> int:
    """Bytes of all texts of a column. Raises BadInput for one that is longer than a cell may be."""
    import pyarrow.compute as pc
    from pyarrow import types

    if types.is_dictionary(values.type):
        lengths = pc.binary_length(values.dictionary).take(values.indices)
    else:
        lengths = pc.binary_length(values)
    limits.CELL.require(what, pc.max(lengths).as_py() or 0)
    return pc.sum(lengths).as_py() or 0
