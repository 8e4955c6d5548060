"""The file of a table as Arrow columns, from Parquet or CSV."""

from __future__ import annotations

import csv
import io

import pyarrow as pa
import pyarrow.csv

from ensembles.errors import BadInput, reads
from ensembles.files import places
from ensembles.files.digests import require_right
from ensembles.files.places import Place

ENDINGS = ("parquet", "csv")  # the first that is there is read
_DELIMITERS = ",;\t|"


@reads("a probability table, Parquet or CSV")
def read_arrow(place: Place) -> pa.Table:
    """Columns with their types as written; those of a CSV are all text, and null where empty.

    Raises BadInput: no such file, one that has not the digest that stands beside it, or not readable
    as what its ending says.
    """
    require_right(place)
    if str(place).lower().endswith(".csv"):
        return _csv_columns(places.read_bytes(place), str(place))
    return places.read_parquet(place)


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
