"""The text of a list: its encoding, its separator, its header, its rows with their lines."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from pathlib import Path

from members import limits
from members.data.listing import some
from members.errors import BadInput

SEPARATORS = (",", ";", "\t", "|")
# how a file begins -> what it is; none of them is text
OTHER_FILES = {
    b"PK\x03\x04": "a spreadsheet or a ZIP archive: save it as CSV, or unpack it",
    b"\xd0\xcf\x11\xe0": "a spreadsheet of an old Excel: save it as CSV",
    b"\x1f\x8b": "compressed: unpack it with gunzip",
    b"PAR1": "a Parquet file: name it .parquet",
    b"version https://git-lfs": "a pointer of Git LFS: fetch the file itself with git lfs pull",
    b"\xff\xd8\xff": "a photo. Give the file that lists the photos",
    b"\x89PNG": "a photo. Give the file that lists the photos",
}


def read_text(file: Path) -> str:
    """The content as text: UTF-8 or UTF-16, with a byte order mark or without. Raises BadInput."""
    limits.require_text(str(file), file.stat().st_size)
    content = file.read_bytes()
    for start, what in OTHER_FILES.items():
        if content.startswith(start):
            raise BadInput(f"{file}: no text, but {what}.")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif (
        content[:200].count(0) > len(content[:200]) / 4
    ):  # without a mark: of Latin letters half are
        encoding = "utf-16-le" if b"\0" in content[1:200:2] else "utf-16-be"
    else:
        encoding = "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding != "utf-8-sig":
            raise BadInput(f"{file}: no text in UTF-8 or UTF-16 ({error}).") from None
        line = content.count(b"\n", 0, error.start) + 1
        letter = content[error.start : error.start + 1]
        shown = letter.decode("cp1252", errors="replace")
        raise BadInput(
            f"{file}, line {line}: no UTF-8 text: byte 0x{letter.hex()}, which is {shown!r} in the "
            "encoding of Windows. Save the file as UTF-8, or convert it: "
            f"iconv -f cp1252 -t utf-8 {file.name} > utf8-{file.name}"
        ) from None


def read_lines(file: Path) -> list[str]:
    """The lines that hold something, without blanks and quotes around them. Raises BadInput."""
    lines = [line.strip() for line in read_text(file).splitlines()]
    quoted = re.compile(r"(['\"])(.*)\1")
    found = [(quoted.fullmatch(line), line) for line in lines]
    return [match[2].strip() if match else line for match, line in found if line]


def read_rows(file: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """Header, rows of as many cells, and the lines of the file in which the rows begin.

    Separated by what divides the header into most names: comma, semicolon, tab or bar. Lines that
    are blank, and comments above the header, are left out. Raises BadInput.
    """
    text = read_text(file)
    n_cells = max(map(text.count, SEPARATORS)) + text.count("\n")
    limits.CELLS.require(f"{file}: a text of {len(text):,} characters that", n_cells)
    lines = io.StringIO(text, newline="").readlines()
    start, separator = 0, None
    while start < len(lines):
        line = lines[start].strip()
        if marked := re.fullmatch(r'"?sep=(.|\\t)"?', line):  # Excel's own mark of a separator
            separator = marked[1].replace("\\t", "\t")
        elif line and not (line.startswith("#") and _is_comment(lines[start + 1 :], line)):
            break
        start += 1
    if start == len(lines):
        raise BadInput(f"{file}: the file is empty. Write a header and one row a photo.")
    lines[start] = lines[start].lstrip().removeprefix("#")
    csv.field_size_limit(limits.CELL.value)
    limits.CELL.require(f"{file}, line {start + 1}: the header", len(lines[start]))
    if separator is None:
        separator = max(SEPARATORS, key=lambda mark: len(_cells(lines[start], mark)))
    rows, numbers, end = [], [], start
    reader = csv.reader(lines[start:], delimiter=separator, skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                rows.append(stripped)
                numbers.append(end + 1)
            end = start + reader.line_num
    except csv.Error as error:
        more = f" {limits.CELL.raised}" if "field limit" in str(error) else ""
        raise BadInput(
            f"{file}, line {end + 1}: {error}. Is a quote opened there and never closed? A quote "
            f"inside a cell is written twice.{more}"
        ) from None
    return _in_shape(file, rows, numbers)


def require_columns(file: Path, names: list[str]) -> None:
    """Raise BadInput for more columns, or longer names of them, than may be read."""
    limits.COLUMNS.require(str(file), len(names))
    limits.NAME.require(f"{file}: the name of a column", max(map(len, names), default=0))


def _is_comment(below: list[str], line: str) -> bool:
    """Whether a line that begins with # is no header, as that of NumPy's `savetxt` is."""
    after = next((text for text in below if text.strip()), "")
    return not any(
        len(_cells(line, mark)) == len(_cells(after, mark)) > 1 for mark in SEPARATORS
    ) or after.startswith("#")


def _cells(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error:  # a cell that is too long for any separator; reading the rows says so
        return []


def _in_shape(
    file: Path, rows: list[list[str]], numbers: list[int]
) -> tuple[list[str], list[list[str]], list[int]]:
    """Rows as wide as the header. Raises BadInput for those that are wider, and names twice."""
    header, body, numbers = rows[0], rows[1:], numbers[1:]
    width = len(header)
    require_columns(file, header)
    counted = [str(row) for row in range(len(body) + 1)]
    first = [cells[0] for cells in body]
    if (
        body
        and all(len(cells) == width + 1 for cells in body)
        and first in (counted[:-1], counted[1:])
    ):
        body = [
            cells[1:] for cells in body
        ]  # numbers of rows under a header that has no name for them
    wide = [
        f"line {line} has {len(cells)}"
        for cells, line in zip(body, numbers, strict=True)
        if any(cells[width:])
    ]
    if wide:
        raise BadInput(
            f"{file}: {len(wide)} rows have more cells than the {width} of the header ({some(wide)})"
            f". The header is {', '.join(header)}. A cell that holds the separator stands in quotes."
        )
    body = [cells[:width] + [""] * (width - len(cells)) for cells in body]
    twice = [name for name, count in Counter(header).items() if count > 1 and name]
    if twice:
        raise BadInput(
            f"{file}: {len(twice)} names of columns occur more than once: {some(twice)}. "
            "Which one counts? Give each column a name of its own."
        )
    named = [name or f"Unnamed: {place}" for place, name in enumerate(header)]
    used = [place for place, name in enumerate(header) if name or any(c[place] for c in body)]
    return [named[place] for place in used], [[c[place] for place in used] for c in body], numbers
