"""Texts of a Parquet file that are written as in the file before: members' tables have the same ids.

What a column unpacks to follows from its bytes and from what the footer says of them. Where both are those
of the file before, so are the texts, and checksums and lengths were looked at there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

# Arrow's own writer: of older ones of other programs, it reads a few bytes beyond what the footer says
_WRITER = "parquet-cpp-arrow"


@dataclass(frozen=True)
class WrittenTexts:
    """kinds: the columns of texts, as Arrow types. chunks: what the footer says of their parts, and the
    bytes of each.
    """

    kinds: pa.Schema
    n_rows: int
    chunks: Sequence[tuple[pq.ColumnChunkMetaData, bytes]]

    def same_as(self, other: WrittenTexts) -> bool:
        return (
            (self.n_rows, len(self.chunks)) == (other.n_rows, len(other.chunks))
            and self.kinds.equals(other.kinds, check_metadata=True)
            and all(
                own.equals(others) and content == others_content
                for (own, content), (others, others_content) in zip(
                    self.chunks, other.chunks, strict=True
                )
            )
        )


class SeenTexts:
    """The texts of the file read before."""

    def __init__(self) -> None:
        self._written: WrittenTexts | None = None
        self._texts: pa.Table | None = None

    def same(self, written: WrittenTexts) -> pa.Table | None:
        """Those columns, where this file's are written alike."""
        return self._texts if self._written and written.same_as(self._written) else None

    def keep(self, written: WrittenTexts, texts: pa.Table) -> None:
        """texts: the columns of `written.kinds`, unpacked and looked at."""
        self._written, self._texts = written, texts


def written_texts(
    path: str, opened: pq.ParquetFile, chunks: Sequence[pq.ColumnChunkMetaData]
) -> WrittenTexts | None:
    """The bytes of the columns of texts; None where they do not say all, or not as Arrow writes them.

    chunks: what the footer says of all columns of bytes, once it is known to be sound.
    """
    schema = opened.schema_arrow
    simple = all(
        pa.types.is_primitive(own.type) or pa.types.is_string(own.type) for own in schema
    ) and len(set(schema.names)) == len(schema.names)
    if not simple or not str(opened.metadata.created_by).startswith(_WRITER):
        return None
    kinds = pa.schema([own for own in schema if pa.types.is_string(own.type)])
    found = []
    with Path(path).open("rb") as file:
        for chunk in chunks:
            begin = chunk.dictionary_page_offset or chunk.data_page_offset
            file.seek(begin)
            found.append((chunk, file.read(chunk.total_compressed_size)))
    return WrittenTexts(kinds, opened.metadata.num_rows, found)
