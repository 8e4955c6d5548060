"""A file of rows as text: CSV of any separator, JSON in the layouts of pandas, Parquet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from ensembles import limits
from ensembles.errors import BadInput, examples, reads
from ensembles.files import places
from ensembles.files.cells import parse_json
from ensembles.files.digests import require_right
from ensembles.files.places import Place
from ensembles.files.reading.sources import first_cells, read_content
from ensembles.files.reading.unpacked import read_bounded

SEPARATORS = (",", ";", "\t", "|")
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+(?:[eE][+-]?\d+)?\s*")
_JSON_ID = "filename"  # an id that is a key has no name of its own


@dataclass
class Sheet:
    """header: the columns' names. rows: (N) lists of as many cells, as text. lines: of each row, in
    the file. unit: what `lines` counts. notes: remarks of reading.
    """

    name: str
    header: list[str]
    rows: list[list[str]]
    lines: list[int]
    unit: str = "line"
    notes: list[str] = field(default_factory=list)

    def cells(self, column: int) -> list[str]:
        return [row[column] for row in self.rows]

    def at(self, rows: Sequence[int]) -> str:
        """Where rows of these indices stand, three of them, for a message."""
        units = self.unit if len(rows) == 1 else f"{self.unit}s"
        return f"{units} {examples([self.lines[row] for row in rows])}"

    @property
    def columns(self) -> str:
        shown = [name or repr(name) for name in self.header]
        return ", ".join(shown[:12]) + (f", ... ({len(shown)})" if len(shown) > 12 else "")


@reads("a CSV with ImageID,ans")
def read_sheet(place: Place) -> Sheet:
    """Read the file, told by its content. Raises BadInput: no such file, no rows, rows cut short."""
    name = str(place)
    require_right(place)
    if places.size(place) and places.read_bytes(place, 4) == b"PAR1":
        return _of_parquet(name, read_bounded(place))
    content = read_content(place)
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise BadInput(f"{name}: not UTF-8 text ({error}). Save it as UTF-8 CSV.") from None
    if (at := text.find("\0")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise BadInput(
            f"{name}: a NUL byte in line {line}: damaged, or no UTF-8. Save it as UTF-8 CSV."
        )
    if name.lower().endswith((".json", ".jsonl")) or re.match(r'\s*(\{\s*"|\[\s*\{)', text):
        return _of_json(name, text)
    return _of_csv(name, text)


def _require_few_cells(name: str, text: str, between: str) -> None:
    cells = sum(map(text.count, between)) + 1
    limits.CELLS.require(f"{name}: a text of {len(text):,} characters that", cells)


def _of_csv(name: str, text: str) -> Sheet:
    if found := re.match(r"sep=(.)\r?\n", text):  # Excel's
        separator, text = found[1], text[found.end() :]
    else:
        separator = _separator(text)
    _require_few_cells(name, text, f"{separator}\n")
    csv.field_size_limit(limits.CELL.value)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows, lines = [], []
    try:
        first = next((row for row in reader if any(map(str.strip, row))), [])
        header = [cell.strip() for cell in first]
        _require_header(name, header)
        start = reader.line_num + 1
        if '"' not in text:  # every line is a row
            rows = list(reader)
            lines = list(range(start, start + len(rows)))
            blank = _blank_rows(rows) if _has_blank_lines(text, separator) else ()
            if blank:
                lines = [line for i, line in enumerate(lines) if i not in blank]
                rows = [row for i, row in enumerate(rows) if i not in blank]
        else:
            for row in reader:
                if any(map(str.strip, row)):
                    rows.append(row)
                    lines.append(start)
                start = reader.line_num + 1
    except csv.Error as error:
        how = f" {limits.CELL.raised}" if "field limit" in str(error) else ""
        raise BadInput(
            f"{name}, line {reader.line_num}: {error}. A quotation mark is perhaps not closed.{how}"
        ) from None
    if rows and text.count('"') % 2 and "\n" in rows[-1][-1]:
        raise BadInput(
            f"{name}, line {lines[-1]}: a quotation mark is opened and never closed. Close it, or "
            "take it out."
        )
    sheet = Sheet(name, header, rows, lines)
    is_ragged = bool(set(map(len, rows)) - {len(header)})
    if is_ragged:  # perhaps a separator at the end of each line
        for row in rows:
            while len(row) > len(header) and not row[-1].strip():
                row.pop()
    if separator != ",":
        shown = {"\t": "tabs"}.get(separator, repr(separator))
        sheet.notes.append(f"{name}: columns are separated by {shown}.")
        _dots_for_commas(sheet)
    if is_ragged and (ragged := [i for i, row in enumerate(rows) if len(row) != len(header)]):
        more = any(len(rows[i]) > len(header) for i in ragged)
        raise BadInput(
            f"{name}: {len(ragged)} rows do not have {len(header)} fields: {sheet.at(ragged)}."
            + (' Write cells that hold a comma in quotation marks ("...").' if more else "")
        )
    return _not_empty(sheet)


def _has_blank_lines(text: str, separator: str) -> bool:
    """Whether some line of a text without quotation marks, but the first, has nothing in its cells."""
    end = text.removesuffix("\n").removesuffix("\r")
    return re.search(rf"[\r\n][\s{re.escape(separator)}]*(?:[\r\n]|\Z)", end) is not None


def _blank_rows(rows: Sequence[list[str]]) -> set[int]:
    return {i for i, row in enumerate(rows) if not any(map(str.strip, row))}


def _separator(text: str) -> str:
    """What cuts the first line into most fields; the comma, where nothing cuts it."""
    found = re.search(r"\S[^\r\n]*", text)
    first = found[0] if found else ""
    if len(first) > limits.CELL.value:  # no CSV that can be read, whatever separates it
        return ","
    counts = [len(first_cells(first, own)) for own in SEPARATORS]
    return SEPARATORS[counts.index(max(counts))]


def _dots_for_commas(sheet: Sheet) -> None:
    """`0,5` is 0.5 in a file that does not separate by commas."""
    changed = 0
    for row in sheet.rows:
        for i, cell in enumerate(row):
            if "," in cell and _DECIMAL_COMMA.fullmatch(cell):
                row[i], changed = cell.replace(",", "."), changed + 1
    if changed:
        sheet.notes.append(f"{sheet.name}: {changed} numbers with a decimal comma were read.")


def _of_json(name: str, text: str) -> Sheet:
    """`orient` index, split, records, columns or lines of `DataFrame.to_json`."""
    _require_few_cells(name, text, ",:[{")
    try:
        value = parse_json(text)
    except ValueError as error:
        try:
            value = [parse_json(line) for line in text.splitlines() if line.strip()]
        except ValueError:
            raise BadInput(f"{name}: neither CSV nor JSON ({error}). Write it anew.") from None
    if isinstance(value, Mapping) and {"columns", "data"} <= set(value):
        if not isinstance(value["columns"], list) or not isinstance(value["data"], list):
            raise BadInput(f"{name}: `columns` and `data` must be lists, as pandas writes them.")
        return _of_values(name, list(map(str, value["columns"])), value["data"])
    if isinstance(value, list) and value and all(isinstance(row, Mapping) for row in value):
        header = list(value[0])
        return _of_values(name, header, [[row.get(key) for key in header] for row in value])
    if isinstance(value, Mapping) and value and all(isinstance(v, Mapping) for v in value.values()):
        header = list(next(iter(value.values())))
        by_column = header == list(map(str, range(len(header)))) and any(
            all(isinstance(cell, str) for cell in column.values()) for column in value.values()
        )
        if by_column:  # {"ImageID": {"0": "a.jpg", ...}, "ans": {"0": 3, ...}}
            keys = list(value)
            rows = [[value[key].get(row) for key in keys] for row in header]
            return _of_values(name, keys, rows)
        rows = [[key, *(row.get(column) for column in header)] for key, row in value.items()]
        return _of_values(name, [_JSON_ID, *header], rows)
    if isinstance(value, Mapping) and value:
        return _of_values(name, [_JSON_ID, "ans"], [list(pair) for pair in value.items()])
    raise BadInput(f"{name}: JSON of an unknown layout. Write it by records, or as CSV.")


def _of_parquet(name: str, table: pa.Table) -> Sheet:
    columns = []
    for column in table.columns:
        if pa.types.is_floating(
            column.type
        ):  # as text, a float32 gets the digits that give it back
            values = column.to_numpy()
            columns.append([None if np.isnan(v) else str(v) for v in values])
        else:
            columns.append(column.to_pylist())
    rows = list(map(list, zip(*columns, strict=True)))
    return _of_values(name, list(map(str, table.column_names)), rows)


def _require_header(name: str, header: Sequence[str]) -> None:
    """Raise BadInput for more columns, or longer names of them, than may be read."""
    limits.COLUMNS.require(name, len(header))
    limits.NAME.require(f"{name}: the name of a column", max(map(len, header), default=0))


def _of_values(name: str, header: list[str], rows: Sequence[Sequence[Any]]) -> Sheet:
    _require_header(name, header)
    if any(not isinstance(row, list) for row in rows):
        raise BadInput(f"{name}: a row is no list of values. Write it anew.")
    cells = [
        ["" if v is None else v if isinstance(v, str) else str(v) for v in row] for row in rows
    ]
    if any(len(row) != len(header) for row in cells):
        raise BadInput(f"{name}: rows do not have {len(header)} values each. Write it anew.")
    return _not_empty(Sheet(name, header, cells, list(range(1, len(cells) + 1)), "row"))


def _not_empty(sheet: Sheet) -> Sheet:
    if sheet.header and not sheet.rows:
        raise BadInput(f"{sheet.name}: no rows after the header. Give a row for each photograph.")
    return sheet
