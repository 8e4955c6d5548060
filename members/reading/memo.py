"""What scans found of photographs, kept in a Parquet file for the next one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from members import files
from members.duplicates import fingerprint
from members.reading.photo import stamp

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

COLUMNS = {
    "path": "str",
    "size": "int64",
    "mtime_ns": "int64",
    "ctime_ns": "int64",
    "digest": "str",
    "height": "int32",
    "width": "int32",
    "used_bits": "int16",
    "read_bits": "int16",
    "warning": "str",
    "problem": "str",
    **fingerprint.COLUMNS,
}
_CHECKSUM = "checksum"
_AT_ONCE = 10_000  # rows that are written
_LOOK = 500  # photos that are read until the memo may be written
_SHARE = 20  # times as long as the last writing took until the next


def table_of(rows: Sequence[Mapping]) -> pd.DataFrame:
    """Rows that have the COLUMNS, as a table with their types."""
    import numpy as np
    import pandas as pd

    columns = {}
    for (
        name,
        kind,
    ) in COLUMNS.items():  # of their types at once: found out by pandas, four times as long
        values = [row[name] for row in rows]
        columns[name] = pd.array(values, dtype="str") if kind == "str" else np.array(values, kind)
    return pd.DataFrame(columns)


def recall(memo: Path | None) -> pd.DataFrame:
    """What `memo` has of photos that could be read, one row a path; nothing where it is no such file."""
    import pandas as pd
    import pyarrow as pa

    if memo is None or not Path(memo).is_file():
        return table_of([])
    try:
        # of a file of Python's, Arrow's threads may let go when the interpreter is gone: exit code 134
        with pa.OSFile(str(memo)) as content:
            found = pd.read_parquet(content)
        table = found[list(COLUMNS)].astype(COLUMNS)
        whole = found[_CHECKSUM] == _checksums(table)
    except Exception:  # Arrow and pandas raise what they like on damage, and a memo is only a memo
        return table_of([])
    # what makes one unreadable may be mended outside the file: a package, a permission
    table = table[whole & (table["problem"] == "")]
    return table.drop_duplicates("path", keep="last", ignore_index=True)


def remember(memo: Path, tables: Sequence[pd.DataFrame]) -> None:
    """Write what `recall` reads: the rows of all tables, one after the other, so that no second copy of
    them all is ever held."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with files.in_cache(Path(memo).parent), files.replacing(memo) as work:
        schema = None
        with ExitStack() as stack:
            for part in _parts(tables):
                own = part.assign(**{_CHECKSUM: _checksums(part)})
                if schema is None:
                    schema = pa.Schema.from_pandas(own, preserve_index=False)
                    bytes_at = schema.get_field_index("thumbnail")  # of no rows, it has no type
                    schema = schema.set(bytes_at, pa.field("thumbnail", pa.binary()))
                    writer = stack.enter_context(pq.ParquetWriter(work, schema))
                writer.write_table(pa.Table.from_pandas(own, schema, preserve_index=False))


def _parts(tables: Sequence[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The rows of all tables, _AT_ONCE of them at a time, however small the tables; of none, one part."""
    import pandas as pd

    waiting: list[pd.DataFrame] = []
    for table in tables:
        start = 0
        while start < len(table):
            lacking = _AT_ONCE - sum(map(len, waiting))
            waiting.append(table.iloc[start : start + lacking])
            start += lacking
            if sum(map(len, waiting)) == _AT_ONCE:
                yield pd.concat(waiting, ignore_index=True)
                waiting = []
    if waiting or not any(map(len, tables)):
        yield pd.concat(waiting or [table_of([])], ignore_index=True)


class Kept:
    """What a scan has found so far. The memo grows with it; it is written whole, so not after each photo.

    known: what the memo had. Without a memo nothing is written.
    """

    def __init__(self, memo: Path | None):
        self._memo, self._stamp, self._due = memo, stamp(str(memo)), 0.0
        self.known = recall(memo)
        self._rows: list[Mapping] = []  # few: a row takes more room than in a table
        self._tables: list[pd.DataFrame] = []
        self._written = self.photos = 0

    def add(self, row: Mapping) -> None:
        """At first, then whenever twenty times as long went by as the last writing took, it is written."""
        self._rows.append(row)
        self.photos += 1
        if len(self._rows) == _LOOK:
            self._pack()
            if time.monotonic() >= self._due:
                self.write()

    def take(self) -> list[pd.DataFrame]:
        """The rows that were added, which are then the caller's alone."""
        self._pack()
        tables, self._tables = self._tables, []
        return tables

    def write(self) -> None:
        """What another scan has written meanwhile stays, as far as it is of other photos."""
        if self._memo is None or self._written == self.photos:
            return
        begun = time.monotonic()
        self._pack()
        folder, known = self._memo.parent, self.known
        with files.in_cache(folder):
            files.make_folder(folder)
            with files.locked(self._memo.with_suffix(".lock")):
                if stamp(str(self._memo)) != self._stamp:
                    known = recall(self._memo)
                others = _without(known, self._tables)
                remember(self._memo, [others, *self._tables])
                self._stamp, self.known = stamp(str(self._memo)), others
        self._written = self.photos
        self._due = time.monotonic() + _SHARE * (time.monotonic() - begun)

    def _pack(self) -> None:
        if self._rows:
            self._tables.append(table_of(self._rows))
            self._rows = []


def _without(known: pd.DataFrame, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The rows of `known` whose paths stand in none of the tables."""
    import pandas as pd

    if known.empty:
        return known
    new = pd.Index(pd.concat([table["path"] for table in tables])).unique()
    return known[new.get_indexer(known["path"]) < 0]


def _checksums(table: pd.DataFrame) -> np.ndarray:
    """(N,) uint64 of the rows: a bit that flips on the disk must not become another digest."""
    import pandas as pd

    return pd.util.hash_pandas_object(table, index=False).to_numpy()
