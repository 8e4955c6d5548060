"""What scans found of photographs, kept in a Parquet file for the next one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from members import files
from members.duplicates import fingerprint

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
_SHARE = 20  # times as long as the last writing took until the next


def table_of(rows: Sequence[Mapping]) -> pd.DataFrame:
    """Rows that have the COLUMNS, as a table with their types."""
    import pandas as pd

    columns = {name: [row[name] for row in rows] for name in COLUMNS}
    return pd.DataFrame(columns).astype(COLUMNS)


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


def remember(memo: Path, table: pd.DataFrame) -> None:
    """Write what `recall` reads."""
    table = table.assign(**{_CHECKSUM: _checksums(table)})
    with files.in_cache(Path(memo).parent), files.replacing(memo) as work:
        table.to_parquet(work, index=False)


class Kept:
    """A memo that grows while photos are read. It is written whole, so not after each of them.

    known: what it has of other photos.
    """

    def __init__(self, memo: Path, known: pd.DataFrame):
        self._memo, self._table, self._written, self._due = memo, known, 0, 0.0

    def is_due(self) -> bool:
        """At first, then whenever twenty times as long went by as the last writing took."""
        return time.monotonic() >= self._due

    def write(self, rows: Sequence[Mapping]) -> None:
        """rows: all that were read so far; those of the last call come first."""
        import pandas as pd

        if self._written == len(rows):
            return
        begun = time.monotonic()
        new = table_of(rows[self._written :])
        self._table = pd.concat([self._table, new], ignore_index=True)
        remember(self._memo, self._table)
        self._written = len(rows)
        now = time.monotonic()
        self._due = now + _SHARE * (now - begun)


def _checksums(table: pd.DataFrame) -> np.ndarray:
    """(N,) uint64 of the rows: a bit that flips on the disk must not become another digest."""
    import pandas as pd

    return pd.util.hash_pandas_object(table, index=False).to_numpy()
