"""The file of a table as Arrow columns, from Parquet or CSV."""

from __future__ import annotations

import csv
import io

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from ensembles.errors import BadInput
from ensembles.files import places
from ensembles.files.places import Place

ENDINGS = ("parquet", "csv")  # the first that is there is read
_DELIMITERS = ",;\t|"


def read_arrow(place: Place) -> pa.Table:
    """Columns with their types as written; those of a CSV are all text, and null where empty.

    Raises BadInput: no such file, or not readable as what its ending says.
    """
    try:
        content = places.read_bytes(place)
    except FileNotFoundError:
        raise BadInput(f"{place}: there is no such file. Give the path of a table.") from None
    except IsADirectoryError:
        raise BadInput(
            f"{place}: a folder, but must be a file. Give the path of a table."
        ) from None
    if str(place).lower().endswith(".csv"):
        return _csv_columns(content, str(place))
    try:
        return pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError) as error:
        message = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(
            f"{place}: not a readable Parquet file ({message}). Write it anew."
        ) from None


def _csv_columns(content: bytes, name: str) -> pa.Table:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{name}: not UTF-8 text ({error}). Save it as UTF-8 CSV.") from None
    first = text.lstrip("\r\n").splitlines()[0] if text.strip() else ""
    delimiter = max(_DELIMITERS, key=first.count)  # of none: the comma
    header = next(csv.reader(io.StringIO(first), delimiter=delimiter), [])
    if not header:
        raise BadInput(f"{name}: an empty file. Write a header and a row a photograph.")
    try:
        found = pyarrow.csv.read_csv(
            pa.BufferReader(text.encode()),
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
