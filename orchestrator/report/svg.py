"""Pictures as SVG, in the words of the page's style sheet; every text and attribute is escaped."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup, escape

from orchestrator.printable import printable

# A phone's width: larger pictures would be shrunk until nobody can read them.
WIDE, HIGH = 340, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 10, 36
SERIES = 8  # hues of the style sheet, .s0 to .s7; beyond them lines are dashed
MOST_POINTS = 80  # of one line: more than the pixels can show make the file large


def tag(name: str, *inside: str | Markup, **attributes: str | float | None) -> Markup:
    """An element. `class_` is `class`, other underscores are hyphens; None leaves an attribute out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(number(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    content = Markup().join(inside)  # which escapes what is no markup
    return Markup(f"<{name}{given}>{content}</{name}>" if content else f"<{name}{given}/>")


def number(value: str | float) -> str:
    """Of pixels: one place behind the point."""
    if isinstance(value, str):
        return printable(value)
    return f"{value:.1f}".removesuffix(".0")


def picture(wide: float, high: float, label: str, *inside: Markup) -> Markup:
    """An image with a size of its own. label: what it shows, for those who do not see it."""
    return tag(
        "svg", tag("title", printable(label)), *inside,
        width=wide, height=high, viewBox=f"0 0 {number(wide)} {number(high)}", role="img",
        aria_label=label,
    )  # fmt: skip


def series(index: int) -> str:
    """The classes of the index-th line, point or bar."""
    return f"s{index % SERIES}" + (f" d{min(index // SERIES, 3)}" if index >= SERIES else "")


def line(points: Sequence[tuple[float, float]], classes: str) -> Markup:
    """A line through points in pixels, at most MOST_POINTS of them."""
    return tag("polyline", points=_joined(thinned(points)), class_=f"line {classes}")


def area(points: Sequence[tuple[float, float]], classes: str) -> Markup:
    return tag("polygon", points=_joined(points), class_=f"area {classes}")


def _joined(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{number(x)},{number(y)}" for x, y in points)


def thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most MOST_POINTS, evenly, the first and the last among them."""
    if len(points) <= MOST_POINTS:
        return list(points)
    last = len(points) - 1
    return [points[round(i * last / (MOST_POINTS - 1))] for i in range(MOST_POINTS)]


def dot(x: float, y: float, classes: str, title: str = "", r: float = 3.5) -> Markup:
    inside = [tag("title", printable(title))] if title else []
    return tag("circle", *inside, cx=x, cy=y, r=r, class_=f"dot {classes}")


def text(x: float, y: float, content: str, classes: str = "", anchor: str = "start") -> Markup:
    # an empty element would be no text at all
    return tag(
        "text", printable(content) or " ", x=x, y=y, class_=classes or None,
        text_anchor=None if anchor == "start" else anchor,
    )  # fmt: skip


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers in [low, high], about so many."""
    if not high > low:
        return [low]
    raw = (high - low) / max(about, 1)
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * k for k in (1, 2, 5, 10) if size * k >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def padded(values: Sequence[float], share: float = 0.06) -> tuple[float, float]:
    """Bounds of the finite values with some room beside them."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    room = (high - low) * share or max(abs(high), 1.0) * share
    return low - room, high + room


class Plot:
    """A frame with two axes; x and y turn values into pixels."""

    def __init__(
        self,
        across: tuple[float, float],
        up: tuple[float, float],
        x_title: str,
        y_title: str,
        wide: float = WIDE,
        high: float = HIGH,
        log_x: bool = False,
    ):
        self.wide, self.high = wide, high
        self._turn: Callable[[float], float] = math.log10 if log_x else float
        self._across, self._up = (self._turn(across[0]), self._turn(across[1])), up
        self.inside: list[Markup] = []
        bottom = high - _BOTTOM
        marks = _decades(*self._across) if log_x else ticks(*self._across, 5)
        for value in marks:
            at = self._pixel(value)
            shown = _short(10**value if log_x else value)
            self.inside.append(tag("line", x1=at, x2=at, y1=_TOP, y2=bottom, class_="grid"))
            self.inside.append(text(at, bottom + 14, shown, "tick", "middle"))
        for value in ticks(*up, 4):
            at = self.y(value)
            self.inside.append(tag("line", x1=_LEFT, x2=wide - _RIGHT, y1=at, y2=at, class_="grid"))
            self.inside.append(text(_LEFT - 5, at + 4, _short(value), "tick", "end"))
        self.inside.append(
            tag("rect", x=_LEFT, y=_TOP, width=wide - _LEFT - _RIGHT, height=bottom - _TOP,
                class_="frame")
        )  # fmt: skip
        middle = (_LEFT + wide - _RIGHT) / 2
        self.inside.append(text(middle, high - 6, x_title, "axis", "middle"))
        turned = f"rotate(-90 11 {number((_TOP + bottom) / 2)})"
        self.inside.append(
            tag("text", printable(y_title), x=11, y=(_TOP + bottom) / 2, class_="axis",
                text_anchor="middle", transform=turned)
        )  # fmt: skip

    def _pixel(self, turned: float) -> float:
        low, high = self._across
        share = (turned - low) / ((high - low) or 1.0)
        return _LEFT + min(max(share, 0.0), 1.0) * (self.wide - _LEFT - _RIGHT)

    def x(self, value: float) -> float:
        return self._pixel(self._turn(value))

    def y(self, value: float) -> float:
        low, high = self._up
        share = (value - low) / ((high - low) or 1.0)
        bottom = self.high - _BOTTOM
        return bottom - min(max(share, 0.0), 1.0) * (bottom - _TOP)

    def add(self, *marks: Markup) -> None:
        self.inside += marks

    def line(self, xs: Sequence[float], ys: Sequence[float], classes: str) -> None:
        """Through the finite values."""
        pairs = zip(xs, ys, strict=True)
        self.add(line([(self.x(a), self.y(b)) for a, b in pairs if math.isfinite(b)], classes))

    def done(self, label: str) -> Markup:
        return picture(self.wide, self.high, label, *self.inside)


def _decades(low: float, high: float) -> list[float]:
    whole = [float(k) for k in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)]
    if len(whole) >= 2:
        return whole
    marks = [math.log10(m) + k for k in range(math.floor(low), math.ceil(high)) for m in (1, 2, 5)]
    return [mark for mark in marks if low <= mark <= high]


def _short(value: float) -> str:
    return f"{value:g}" if abs(value) < 1e4 else f"{value:.0e}".replace("e+0", "e")


def interval(
    value: float,
    error: float | None,
    bounds: tuple[float, float],
    classes: str = "s0",
    zero: bool = False,
) -> Markup:
    """A point with its 95 % interval on a scale that all rows of a table share.

    error: a standard error. zero: a line at 0.
    """  # fmt: skip
    wide, high, room = 150.0, 18.0, 6.0
    low, top = bounds

    def at(number: float) -> float:
        share = (number - low) / ((top - low) or 1.0)
        return room + min(max(share, 0.0), 1.0) * (wide - 2 * room)

    marks = [tag("line", x1=room, x2=wide - room, y1=high / 2, y2=high / 2, class_="grid")]
    if zero and low <= 0 <= top:
        marks.append(tag("line", x1=at(0), x2=at(0), y1=1, y2=high - 1, class_="zero"))
    label = f"{value:.4f}"
    if error is not None:
        ends = value - 1.96 * error, value + 1.96 * error
        label += f", 95 % interval {ends[0]:.4f} to {ends[1]:.4f}"
        marks.append(
            tag("line", x1=at(ends[0]), x2=at(ends[1]), y1=high / 2, y2=high / 2,
                class_=f"bar {classes}")
        )  # fmt: skip
    marks.append(dot(at(value), high / 2, classes, r=4))
    return picture(wide, high, label, *marks)


def bar(share: float, label: str, classes: str = "s0") -> Markup:
    """A bar of a share in [0, 1]."""
    wide, high = 90.0, 14.0
    size = max(0.0, min(share, 1.0)) * wide
    return picture(
        wide, high, label,
        tag("rect", x=0, y=2, width=wide, height=high - 4, class_="trough"),
        tag("rect", x=0, y=2, width=size, height=high - 4, class_=f"fill {classes}"),
    )  # fmt: skip


def legend(names: Sequence[tuple[str, str]], dots: bool = False) -> Markup:
    """(name, classes) each beside a piece of its line, or a dot."""
    found = []
    for name, classes in names:
        piece = tag("polyline", points="1,5 25,5", class_=f"line {classes}")
        if dots:
            piece = dot(13, 5, classes, r=4)
        mark = picture(26, 10, f"sign of {name}", piece)
        found.append(tag("span", mark, Markup(" "), printable(name), class_="key"))
    return Markup().join(found)
