"""Pairs of pictures, before and after, on one sheet that a person takes in at a glance."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from members import files

LINE = 14  # pixels of a line of text


def write_contact_sheet(
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
    file: str | os.PathLike,
    titles: Sequence[str] = (),
    *,
    height: int = 192,
    columns: int = 4,
) -> None:
    """Write one JPEG with `pairs` side by side, `columns` of them a row, each under its title.

    A picture is (H, W, 3) uint8 RGB of any size and is shown `height` pixels high. The file
    appears as a whole. Raises ValueError for no pairs at all.
    """
    from PIL import Image, ImageDraw

    if not pairs:
        raise ValueError("a contact sheet needs at least one pair of pictures")
    shown = [[_scaled(picture, height) for picture in pair] for pair in pairs]
    wide = max(one.width + other.width for one, other in shown) + 8
    high = height + 8 + (LINE if titles else 0)
    columns = min(columns, len(shown))
    sheet = Image.new("RGB", (columns * wide, -(-len(shown) // columns) * high), (255, 255, 255))
    pen = ImageDraw.Draw(sheet)
    for place, (one, other) in enumerate(shown):
        left, top = place % columns * wide + 4, place // columns * high + 4
        sheet.paste(one, (left, top))
        sheet.paste(other, (left + one.width, top))
        if place < len(titles):
            pen.text((left, top + height), _fitting(titles[place], wide - 8, pen), fill=(0, 0, 0))
    with files.replacing(file) as work:
        sheet.save(work, format="JPEG", quality=90)


def _scaled(picture: np.ndarray, height: int):
    from PIL import Image

    width = max(1, round(picture.shape[1] * height / picture.shape[0]))
    return Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR)


def _fitting(text: str, width: int, pen) -> str:
    """The end of `text` that fits: of a path the file's name matters most."""
    if pen.textlength(text) <= width:
        return text
    while text and pen.textlength("..." + text) > width:
        text = text[1:]
    return "..." + text
