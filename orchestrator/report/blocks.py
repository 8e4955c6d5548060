"""What a page is made of: sections of texts, tables, figures, galleries and folded text.

Texts are plain: the template escapes them. What is markup already (`svg.tag`) has escaped its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from markupsafe import Markup

# a table with more rows has a box that filters them
FILTER_FROM = 5


@dataclass(frozen=True)
class Cell:
    """shown: text or markup. key: what it is sorted by, `shown` where it is None. heat: share in [-1, 1]
    of the colour behind it, of the other hue below 0. kind: a class of the style sheet.
    """

    shown: str | Markup
    key: float | str | None = None
    heat: float | None = None
    kind: str = ""
    title: str = ""


@dataclass(frozen=True)
class Column:
    """numbers: set at the right, and sorted as numbers, the greatest first."""

    title: str
    numbers: bool = True
    hint: str = ""


@dataclass
class Grid:
    """A table. rows: a cell a column; the first of each is the row's head. fixed: rows in an order that
    means something, which nothing sorts or filters (a confusion matrix); its column titles stand upright.
    """

    block: ClassVar[str] = "grid"
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    fixed: bool = False
    notes: Sequence[str] = ()

    @property
    def filters(self) -> bool:
        return not self.fixed and len(self.rows) > FILTER_FROM


@dataclass
class Text:
    """A paragraph; strong: the one sentence that a reader in a hurry should see."""

    block: ClassVar[str] = "text"
    text: str
    strong: bool = False


@dataclass
class Figures:
    """Pictures side by side, each (title, SVG). notes: how to read them."""

    block: ClassVar[str] = "figures"
    pictures: Sequence[tuple[str, Markup]]
    notes: Sequence[str] = ()
    legend: Markup | None = None


@dataclass(frozen=True)
class Card:
    """A photograph. source: a `data:` address or None; lines: (name, answer, probability, right). maps:
    (whose, `data:` address, width, height), where they look in it: the vote first, then members.
    """

    title: str
    source: str | None
    width: int
    height: int
    head: Sequence[str]
    lines: Sequence[tuple[str, str, str, bool]]
    maps: Sequence[tuple[str, str, int, int]] = ()


@dataclass
class Gallery:
    block: ClassVar[str] = "gallery"
    cards: Sequence[Card]
    notes: Sequence[str] = ()


@dataclass
class Folded:
    """Text that is shown when it is opened."""

    block: ClassVar[str] = "folded"
    title: str
    text: str


Block = Grid | Text | Figures | Gallery | Folded


@dataclass
class Section:
    key: str
    title: str
    blocks: list[Block] = field(default_factory=list)

    def say(self, text: str, strong: bool = False) -> None:
        self.blocks.append(Text(text, strong))
