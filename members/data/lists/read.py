"""The file of a list -> its cells as text, and what no text can hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from members.data.listing import PHOTO_ENDINGS, some
from members.data.lists.text import read_rows, read_text, require_columns
from members.data.lists.unpacked import require_bounded
from members.errors import BadInput, NoPlace, first_line, nearest
from members.files import kind_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ListFile:
    """What a file holds.

    frame: every cell a text without blanks around it, empty where there is none; its index counts
    the lines of a text file, and the rows of a Parquet file from 0. pictures: columns whose cells
    are the bytes of photos. nested: columns that are neither -> their type. class_names: columns of
    numbers -> the classes that the file's metadata has for them.
    """

    file: Path
    frame: pd.DataFrame
    pictures: tuple[str, ...] = ()
    nested: dict[str, str] = field(default_factory=dict)
    class_names: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def text_columns(self) -> list[str]:
        return [str(name) for name in self.frame.columns]

    @property
    def columns(self) -> list[str]:
        return [*self.text_columns, *self.pictures, *self.nested]

    def where(self, row: int) -> str:
        """How messages call a row: `line 7`."""
        counted = "row" if self.file.suffix.lower() in PARQUET else "line"
        return f"{counted} {self.frame.index[row]}"

    def lacking(self, required: Sequence[str], hint: str = "") -> list[str]:
        """Problems: those of `required` that are not there, and those that are no text.

        hint: what to do about the former; without it, the nearest names.
        """
        other = self.nested | dict.fromkeys(self.pictures, "bytes")
        found = [
            f"{self.file}: the column {name!r} is {other[name]}, but must be text or numbers."
            for name in required
            if name in other
        ]
        lost = [name for name in required if name not in self.columns]
        if not lost:
            return found
        first = self.text_columns
        if any(name.lower().endswith(PHOTO_ENDINGS) for name in first):
            return [
                *found,
                f"{self.file}: the first line, {some(first)}, looks like a photo and not like names "
                f"of columns. Write them above it: {','.join(required)}",
            ]
        near = "".join(dict.fromkeys(nearest(name, self.columns) for name in lost))
        if len(first) == 1 and " " in first[0]:
            near = " Separate them by commas, not by blanks."
        elif any(name.isdecimal() for name in first):
            near = " Is the first line a row already? Write the names of the columns above it."
        return [
            *found,
            f"{self.file}: no column{'s' * (len(lost) > 1)} {', '.join(map(repr, lost))}; the "
            f"columns are {', '.join(self.columns)}. Expected {', '.join(required)}.{hint or near}",
        ]


def read_list(file: Path) -> ListFile:
    """Read a list of any of `READERS`. Raises BadInput where it is not there or is no such file."""
    kind = kind_of(file)
    if kind != "file":
        what = {"folder": "is a folder", "other": "is a pipe, socket or device"}
        raise NoPlace(
            f"{file}: {what.get(kind, 'no such file')}. Expected a file that lists photographs."
        )
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        how = OTHER_ENDINGS.get(file.suffix.lower(), "")
        raise BadInput(f"{file}: cannot read {file.suffix!r}. {how}Allowed: {', '.join(READERS)}.")
    try:
        return reader(file)
    except BadInput:
        raise
    except (ValueError, OSError) as error:  # what pyarrow and json raise are ValueErrors
        raise BadInput(
            f"{file}: not a readable {file.suffix[1:]} file ({first_line(error)})."
        ) from error


def read_file(file: Path, required: Sequence[str]) -> pd.DataFrame:
    """The cells of a list that has the columns `required`: see `ListFile.frame`. Raises BadInput."""
    found = read_list(file)
    if problems := found.lacking(required):
        raise BadInput(problems)
    return found.frame


def as_text(value: object) -> str:
    """A cell as text; empty for None and NaN."""
    return "" if value is None or value != value else str(value).strip()


def _read_csv(file: Path) -> ListFile:
    import pandas as pd

    header, rows, numbers = read_rows(file)
    return ListFile(file, pd.DataFrame(rows, columns=header, index=numbers, dtype="str"))


def _read_json_lines(file: Path) -> ListFile:
    import pandas as pd

    numbers, rows = [], []
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        if line.strip():
            row = parse_json(line)
            if not isinstance(row, dict):
                raise BadInput(f"{file}, line {number}: {line[:40]!r} is no mapping in braces.")
            numbers.append(number)
            rows.append(row)
    names = list(dict.fromkeys(name for row in rows for name in row))
    require_columns(file, names)
    nested = {
        name: "a list" if isinstance(row[name], list) else "a mapping"
        for row in rows
        for name in row
        if isinstance(row[name], list | dict)
    }
    cells = {name: [as_text(row.get(name)) for row in rows] for name in names if name not in nested}
    return ListFile(file, pd.DataFrame(cells, index=numbers, dtype="str"), nested=nested)


def _read_parquet(file: Path) -> ListFile:
    import pandas as pd
    import pyarrow.parquet as pq

    require_bounded(file)
    with pq.ParquetFile(file) as opened:
        schema = opened.schema_arrow
        twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
        if twice:
            raise BadInput(f"{file}: columns that occur more than once: {some(twice)}.")
        texts, pictures, nested = {}, [], {}
        for column in schema:
            how = _how_to_read(opened, column.name, column.type)
            if callable(how):
                cells = opened.read(columns=[column.name]).column(0)
                texts[column.name.strip()] = [as_text(how(value)) for value in cells.to_pylist()]
            elif how == "picture":
                pictures.append(column.name)
            else:
                nested[column.name] = str(column.type)
        number = opened.metadata.num_rows
        names = _class_names(schema.metadata or {})
    frame = pd.DataFrame(texts, index=range(number), dtype="str")
    return ListFile(file, frame, tuple(pictures), nested, names)


def _how_to_read(opened: Any, name: str, kind: Any) -> Callable[[Any], Any] | str:
    """What makes a cell a text; or "picture", or "nested"."""
    from pyarrow import types

    kind = getattr(kind, "storage_type", kind)  # of an extension type
    binary = (
        types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind)
    )
    has_bytes = types.is_struct(kind) and kind.get_field_index("bytes") >= 0
    if binary or has_bytes:
        first = _first(opened, name, "bytes" if has_bytes else None)
        if binary and first is not None and _is_text(first):  # text that is not marked as such
            return lambda value: None if value is None else value.decode()
        if has_bytes and first is None and kind.get_field_index("path") >= 0:
            return lambda value: value and value["path"]  # pictures that stayed files
        return "picture"
    return "nested" if types.is_nested(kind) else lambda value: value


def _first(opened: Any, name: str, part: str | None) -> bytes | None:
    """The first cell, or part of one, that is not empty."""
    for batch in opened.iter_batches(batch_size=64, columns=[name]):
        for value in batch.column(0).to_pylist():
            value = value and part and value[part] if part else value
            if value:
                return value
    return None


def _is_text(value: bytes) -> bool:
    try:
        return value.decode().isprintable()
    except UnicodeDecodeError:
        return False


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """Of the columns that Hugging Face's `datasets` wrote as numbers of classes."""
    try:
        features = parse_json(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {
            name: tuple(map(str, feature["names"]))
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (KeyError, TypeError, ValueError):  # metadata of something else
        return {}


def parse_json(text: str | bytes) -> Any:
    """`json.loads`, which raises ValueError for any text that is none, nested without end as well."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("lists or objects stand inside each other too deep") from None


PARQUET = (".parquet", ".pq")
READERS: dict[str, Callable[[Path], ListFile]] = {
    **dict.fromkeys((".csv", ".tsv"), _read_csv),
    **dict.fromkeys((".jsonl", ".ndjson"), _read_json_lines),
    **dict.fromkeys(PARQUET, _read_parquet),
}
_BY_PANDAS = (
    "Convert it: python -c \"import pandas as p; p.read_{}('FILE').to_csv('photos.csv')\". "
)
OTHER_ENDINGS = {
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "Save it as CSV. "),
    ".json": _BY_PANDAS.format("json"),
    **dict.fromkeys((".feather", ".arrow"), _BY_PANDAS.format("feather")),
    **dict.fromkeys((".pkl", ".pickle"), _BY_PANDAS.format("pickle")),
    **dict.fromkeys((".gz", ".zip", ".bz2", ".xz", ".zst"), "Unpack it. "),
    ".txt": "Name a table with a header .csv, whatever separates its columns. ",
}
