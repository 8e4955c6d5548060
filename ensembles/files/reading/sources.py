"""The file of a table as Arrow columns, from Parquet or CSV."""

from __future__ import annotations

import csv
import io

import pyarrow as pa
import pyarrow.csv

from ensembles import limits
from ensembles.errors import BadInput, reads
from ensembles.files import places
from ensembles.files.digests import require_right
from ensembles.files.places import Place
from ensembles.files.reading.same_texts import SeenTexts
from ensembles.files.reading.unpacked import read_bounded

ENDINGS = ("parquet", "csv")  # the first that is there is read
A_TABLE = "a probability table, Parquet or CSV"
_DELIMITERS = ",;\t|"


@reads(A_TABLE)
def read_arrow(place: Place, seen: SeenTexts | None = None) -> pa.Table:
    """Columns with their types as written; those of a CSV are all text, and null where empty.

    Raises BadInput: no such file, one that has not the digest that stands beside it, or not readable
    as what its ending says. seen: as of `read_bounded`.
    """
    require_right(place)
    if str(place).lower().endswith(".csv"):
        return _csv_columns(read_content(place), str(place))
    return read_bounded(place, seen)


def read_content(place: Place) -> bytes:
    """The content of a text file. Raises BadInput where it is larger than one may be, or has no end."""
    limits.require_text(str(place), places.size(place))
    content = places.read_bytes(place, limits.TEXT.value * limits.MIB + 1)
    limits.require_text(str(place), len(content))
    return content


def first_cells(line: str, delimiter: str) -> list[str]:
    """The cells of a header. Raises csv.Error."""
    csv.field_size_limit(limits.CELL.value)
    return next(csv.reader(io.StringIO(line), delimiter=delimiter), [])


def _csv_columns(content: bytes, name: str) -> pa.Table:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{name}: not UTF-8 text ({error}). Save it as UTF-8 CSV.") from None
    first = text.lstrip("\r\n").splitlines()[0] if text.strip() else ""
    delimiter = max(_DELIMITERS, key=first.count)  # of none: the comma
    limits.COLUMNS.require(name, 1 + first.count(delimiter))
    header = first_cells(first, delimiter)
    if not header:
        raise BadInput(f"{name}: an empty file. Write a header and a row a photograph.")
    try:
        found = pyarrow.csv.read_csv(
            places.in_arrow(text.encode()),
            pyarrow.csv.ReadOptions(use_threads=False),
            pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()),
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                null_values=[""],
            ),
        )
    except pa.ArrowInvalid as error:
        raise BadInput(f"{name}: not a readable CSV ({error}). Write it anew.") from None
    return found.rename_columns([column.strip() for column in found.column_names])
