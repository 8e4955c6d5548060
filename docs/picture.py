"""The house as a picture: what stands in each package, and what imports what, read from the imports.

    python -m docs.picture > house.svg

A box is a folder of a package, or a file that lies in no folder of it. What imports stands above what
is imported, in rows (the longest way down decides the row). An arrow that follows from two others is
left out, so what a box reaches along arrows is what it may use.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from html import escape
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "orchestrator": "what to run, where, in what order: the commands and Ray",
    "members": "train one network: photographs in, probabilities out. torch and timm, never Ray",
    "ensembles": "combine tables: predictions in, a vote out. numpy and pyarrow, never torch or Ray",
}
Graph = dict[str, set[str]]

CHARACTER, BOX, GAP, ROW, MARGIN, HEAD = 7.2, 28, 16, 66, 18, 48
# packages below stand side by side up to this width, else one below the other
BETWEEN, APART, WIDEST = 40, 76, 900


# -- what imports what ---------------------------------------------------------------------------


def modules(root: Path, package: str) -> dict[str, Path]:
    """Dotted name -> file, of every file of a package."""
    found = {}
    for file in sorted((root / package).rglob("*.py")):
        parts = file.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imported(name: str, file: Path) -> set[str]:
    """Dotted names that a file imports, relative ones written out; of `from a import b` both a.b."""
    found: set[str] = set()
    home = name.split(".") if file.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = home[: len(home) - node.level + 1] if node.level else []
            base = [*base, *(node.module.split(".") if node.module else [])]
            found |= {".".join([*base, alias.name]) for alias in node.names}
    return found


def room(name: str) -> str:
    """The box of a dotted name: its package and the first part below it."""
    return ".".join(name.split(".")[:2])


def graph(root: Path) -> Graph:
    """Box -> boxes that it imports, in all packages; a package's own `__init__` is no box."""
    known = {n: f for package in PACKAGES for n, f in modules(root, package).items()}
    boxes: Graph = {room(name): set() for name in known if "." in name}
    for name, file in known.items():
        if "." not in name:
            continue
        for target in imported(name, file):
            while target and target not in known:
                target = target.rpartition(".")[0]
            if room(target) in boxes and room(target) != room(name):
                boxes[room(name)].add(room(target))
    return boxes


def reduced(edges: Graph) -> Graph:
    """Without the arrows that follow from others. A circle raises ValueError with its boxes."""
    reach: Graph = {}

    def reached(box: str, above: tuple[str, ...] = ()) -> set[str]:
        if box in above:
            raise ValueError(" -> ".join([*above[above.index(box) :], box]))
        if box not in reach:
            below = [reached(target, (*above, box)) for target in sorted(edges[box])]
            reach[box] = edges[box].union(*below)
        return reach[box]

    for box in edges:
        reached(box)
    return {
        box: {t for t in targets if not any(t in reach[other] for other in targets - {t})}
        for box, targets in edges.items()
    }


def without_circles(edges: Graph) -> Graph:
    """The same graph where the boxes of each circle are one box, named `a + b`."""
    while True:
        try:
            reduced(edges)
            return edges
        except ValueError as circle:
            parts = set(str(circle).split(" -> "))
            whole = " + ".join(sorted(parts))
            merged: Graph = defaultdict(set)
            for box, targets in edges.items():
                new = {whole if t in parts else t for t in targets}
                merged[whole if box in parts else box] |= new
            edges = {box: targets - {box} for box, targets in merged.items()}


# -- where it is drawn ---------------------------------------------------------------------------


def layers(edges: Graph) -> dict[str, int]:
    """Box -> row from the bottom: 0 imports nothing, else one above the highest it imports."""
    depth: dict[str, int] = {}

    def of(box: str) -> int:
        if box not in depth:
            depth[box] = 1 + max(map(of, edges[box]), default=-1)
        return depth[box]

    for box in edges:
        of(box)
    return depth


class Panel:
    """One package: its boxes in rows, and where each is; waypoints keep long arrows off boxes."""

    def __init__(self, package: str, boxes: Graph):
        inside = {
            box: {t for t in targets if t.split(".")[0] == package}
            for box, targets in boxes.items()
            if box.split(".")[0] == package
        }
        self.package = package
        self.edges = reduced(without_circles(inside))
        depth = layers(self.edges)
        self.ways: list[list[str]] = []
        for box, targets in self.edges.items():
            for target in sorted(targets):
                between = range(depth[box] - 1, depth[target], -1)
                points = [f"{box}>{target}@{level}" for level in between]
                depth |= dict(zip(points, between, strict=True))
                self.ways.append([box, *points, target])
        self.rows = [
            sorted(box for box in depth if depth[box] == level)
            for level in range(max(depth.values()), -1, -1)
        ]
        self._order()
        self._place()

    def label(self, box: str) -> str:
        return box.replace(f"{self.package}.", "")

    def wide(self, box: str) -> float:
        return 10 if "@" in box else len(self.label(box)) * CHARACTER + 20

    def _order(self) -> None:
        """Neighbours near each other: each row by the mean place of what it is joined to."""
        joined = defaultdict(set)
        for way in self.ways:
            for one, other in pairwise(way):
                joined[one].add(other)
                joined[other].add(one)
        for sweep in range(24):
            places = {box: (i + 0.5) / len(row) for row in self.rows for i, box in enumerate(row)}
            for number, row in enumerate(self.rows):
                other = number + (1 if sweep % 2 else -1)
                beside = set(self.rows[other]) if 0 <= other < len(self.rows) else set()

                means = {
                    box: [places[b] for b in joined[box] if b in beside] or [places[box]]
                    for box in row
                }
                row.sort(key=lambda box, means=means: sum(means[box]) / len(means[box]))

    def _place(self) -> None:
        widths = [sum(map(self.wide, row)) + GAP * (len(row) - 1) for row in self.rows]
        head = max(len(self.package) * 9.0, 0)
        self.width = max([*widths, head, 220]) + 2 * MARGIN
        self.height = HEAD + ROW * len(self.rows) - (ROW - BOX) + MARGIN
        self.x: dict[str, float] = {}
        self.y: dict[str, float] = {}
        for number, (row, width) in enumerate(zip(self.rows, widths, strict=True)):
            # short rows are spread a little, so that arrows do not all start in the middle
            spread = min((self.width - 2 * MARGIN - width) / (len(row) + 1), 60)
            x = (self.width - width - spread * (len(row) - 1)) / 2
            for box in row:
                self.x[box] = x + self.wide(box) / 2
                self.y[box] = HEAD + ROW * number
                x += self.wide(box) + GAP + spread

    def drawn(self, left: float, top: float) -> list[str]:
        lines = [
            f'<g transform="translate({left:.0f} {top:.0f})">',
            f'<rect class="package" width="{self.width:.0f}" height="{self.height:.0f}" rx="10"/>',
            f'<text class="name" x="{MARGIN}" y="28">{self.package}</text>',
        ]
        lines += [f'<path class="arrow" d="{self._curve(way)}"/>' for way in self.ways]
        for box in self.edges:
            x, y, wide = self.x[box], self.y[box], self.wide(box)
            lines.append(
                f'<rect class="box" x="{x - wide / 2:.1f}" y="{y:.1f}" width="{wide:.1f}" '
                f'height="{BOX}" rx="5"/>'
                f'<text class="label" x="{x:.1f}" y="{y + 18.5:.1f}">{escape(self.label(box))}</text>'
            )
        return [*lines, "</g>"]

    def _curve(self, way: list[str]) -> str:
        """From the lower edge of the first box down to the upper edge of the last."""
        points = [(self.x[way[0]], self.y[way[0]] + BOX)]
        for point in way[1:-1]:
            points += [(self.x[point], self.y[point]), (self.x[point], self.y[point] + BOX)]
        points.append((self.x[way[-1]], self.y[way[-1]] - 2))
        path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
        for (x0, y0), (x1, y1) in pairwise(points):
            half = (y0 + y1) / 2
            path += f" C{x0:.1f} {half:.1f} {x1:.1f} {half:.1f} {x1:.1f} {y1:.1f}"
        return path


STYLE = """
.package{fill:var(--color-background-secondary,#f5f6f8);stroke:var(--color-background-border,#ccd)}
.box{fill:var(--color-background-primary,#fff);stroke:var(--color-foreground-muted,#778)}
.name{font:bold 17px sans-serif;fill:var(--color-foreground-primary,#111)}
.label{font:12.5px sans-serif;text-anchor:middle;fill:var(--color-foreground-primary,#111)}
.note{font:12.5px sans-serif;fill:var(--color-foreground-secondary,#556)}
.arrow,.over{fill:none;stroke:var(--color-foreground-muted,#778);marker-end:url(#head)}
.over{stroke-width:3;marker-end:url(#wide)}
.head{fill:var(--color-foreground-muted,#778)}
""".replace("\n", "")


def svg(root: Path) -> str:
    """The picture, without a blank line (Markdown ends HTML there)."""
    boxes = graph(root)
    above, *below = (Panel(package, boxes) for package in PACKAGES)
    beside = sum(panel.width for panel in below) + BETWEEN * (len(below) - 1)
    stacked = beside > WIDEST
    gutter = BETWEEN if stacked else 0
    inside = max(
        [above.width, *(panel.width for panel in below)] if stacked else [above.width, beside]
    )
    width = inside + gutter
    lines = above.drawn(gutter + (inside - above.width) / 2, 0)
    left, top = gutter + (inside - beside) / 2, above.height + APART
    for number, panel in enumerate(below):
        if stacked:
            left = gutter + (inside - panel.width) / 2
        lines += panel.drawn(left, top)
        middle = left + panel.width / 2
        crossing = crossings(boxes, above.package, panel.package)
        note = f"{crossing} boxes import it"
        if stacked and number:  # past the panels between, along the left
            start, end = (gutter + (inside - above.width) / 2, HEAD), (left, top + HEAD / 2)
            path = f"M{start[0]:.0f} {start[1]} H8 V{end[1]:.0f} H{end[0] - 10:.0f}"
        else:
            start = min(max(middle, (width - above.width) / 2 + 60), (width + above.width) / 2 - 60)
            half = above.height + APART / 2
            path = (
                f"M{start:.0f} {above.height:.0f} C{start:.0f} {half:.0f} {middle:.0f} {half:.0f} "
                f"{middle:.0f} {top - 12:.0f}"
            )
        lines += [f'<path class="over" d="{path}"/>', _note(left + 4, top - 10, note)]
        left += panel.width + BETWEEN
        bottom = top + panel.height
        top = bottom + APART if stacked else top
    height = bottom if stacked else top + max(panel.height for panel in below)
    heads = "".join(
        f'<marker id="{name}" viewBox="0 0 8 8" refX="{at}" refY="4" markerWidth="{size}" '
        f'markerHeight="{size}" orient="auto"><path class="head" d="M0 0L8 4L0 8z"/></marker>'
        for name, at, size in (("head", 7, 7), ("wide", 3, 4))
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-2 -2 {width + 4:.0f} {height + 4:.0f}"'
            f' width="{width + 4:.0f}" role="img" '
            'aria-label="packages, their folders, and what imports what">',
            f"<style>{STYLE}</style><defs>{heads}</defs>",
            *lines,
            "</svg>",
        ]
    )


def _note(x: float, y: float, text: str) -> str:
    return f'<text class="note" x="{x:.0f}" y="{y:.0f}">{escape(text)}</text>'


def crossings(boxes: Graph, package: str, other: str) -> int:
    """How many boxes of `package` import something of `other`."""
    return sum(
        box.split(".")[0] == package and any(t.split(".")[0] == other for t in targets)
        for box, targets in boxes.items()
    )


# -- in words --------------------------------------------------------------------------------------


def described(root: Path, package: str) -> list[tuple[str, str]]:
    """(folder or file, first paragraph of its docstring) of what lies in a package."""
    known = modules(root, package)
    rows = []
    for box in sorted({room(name) for name in known if "." in name}):
        end = "/" if known[box].name == "__init__.py" else ".py"
        doc = ast.get_docstring(ast.parse(known[box].read_text(encoding="utf-8"))) or ""
        rows.append((box.split(".")[1] + end, " ".join(doc.split("\n\n")[0].split())))
    return rows


if __name__ == "__main__":
    print(svg(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT))
