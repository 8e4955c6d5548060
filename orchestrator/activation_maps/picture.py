"""One picture of several photographs: each in a row, the photograph, the vote's map, its members' maps."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.activation_maps.overlay import peak
from orchestrator.printable import printable

if TYPE_CHECKING:
    from PIL import Image

KINDS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
SIDE = 224  # pixels of the longer side of a photograph
_ACROSS = 7  # panels beside each other; more go below
_GAP, _LINE, _SIZE = 10, 17, 13


@dataclass(frozen=True)
class Panel:
    """pixels: (h, w, 3) uint8. lines: below it. cells: the map drawn in it, whose peak gets a ring."""

    pixels: np.ndarray
    lines: Sequence[str]
    cells: np.ndarray | None = None


@dataclass(frozen=True)
class Row:
    title: str
    panels: Sequence[Panel]


def picture_problem(file: str) -> str | None:
    """What is wrong with the name of a picture's file, or None."""
    suffix = Path(file).suffix.lower()
    if suffix in KINDS:
        return None
    return f"--picture {file}: a picture ends in {', '.join(KINDS)}, got {suffix or 'no ending'!r}."


def draw(rows: Sequence[Row], notes: Sequence[str], kind: str) -> bytes:
    """The file of the picture. notes: lines at its end. kind: as in `KINDS`."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(_SIZE)
    wide = max([_LEAST, *(p.pixels.shape[1] for row in rows for p in row.panels)]) + _GAP
    columns = min(_ACROSS, max(len(row.panels) for row in rows))
    width = columns * wide + _GAP
    high = [_height(row) for row in rows]
    lines = [line for note in notes for line in _wrapped(note, width - 2 * _GAP, font)]
    sheet = Image.new("RGB", (width, sum(high) + _LINE * len(lines) + 2 * _GAP), "white")
    pen, top = ImageDraw.Draw(sheet), _GAP
    for row, tall in zip(rows, high, strict=True):
        pen.text((_GAP, top), _fitting(row.title, width - 2 * _GAP, font), fill="black", font=font)
        below = top + _LINE + 4
        for start in range(0, len(row.panels), _ACROSS):
            some = row.panels[start : start + _ACROSS]
            for place, panel in enumerate(some):
                _put(sheet, pen, panel, (_GAP + place * wide, below), wide - _GAP, font)
            below += _panel_height(some)
        top += tall
    for line in lines:
        pen.text((_GAP, top), line, fill="black", font=font)
        top += _LINE
    content = io.BytesIO()
    sheet.save(content, kind, **({"quality": 90} if kind == "JPEG" else {}))
    return content.getvalue()


_LEAST = 170  # pixels across a panel, for its lines


def _panel_height(panels: Sequence[Panel]) -> int:
    return max(p.pixels.shape[0] + 4 + _LINE * len(p.lines) for p in panels) + _GAP


def _height(row: Row) -> int:
    starts = range(0, len(row.panels), _ACROSS)
    return _LINE + 4 + sum(_panel_height(row.panels[s : s + _ACROSS]) for s in starts)


def _put(
    sheet: Image.Image, pen: Any, panel: Panel, corner: tuple[int, int], wide: int, font: Any
) -> None:
    from PIL import Image

    left, top = corner
    sheet.paste(Image.fromarray(panel.pixels), (left, top))
    height, width = panel.pixels.shape[:2]
    if panel.cells is not None and (at := peak(panel.cells)):
        y, x = top + at[0] * height, left + at[1] * width
        for radius, colour in ((7, "black"), (6, "white")):
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour)
    for number, line in enumerate(panel.lines):
        pen.text(
            (left, top + height + 4 + number * _LINE),
            _fitting(line, wide, font),
            fill="black",
            font=font,
        )


def _fitting(text: str, width: int, font: Any) -> str:
    """The beginning of `text` that fits."""
    text = printable(text)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."


def _wrapped(text: str, width: int, font: Any) -> list[str]:
    lines = [""]
    for word in printable(text).split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return [_fitting(line, width, font) for line in lines]
