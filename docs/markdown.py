"""Tables and code in Markdown."""

from __future__ import annotations


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    cells = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(map(cell, row)) + " |" for row in cells)


def cell(text: str) -> str:
    """Text that is no HTML and ends no cell; what stands in backticks is left as it is."""
    parts = text.replace("|", "\\|").split("`")
    parts[::2] = [part.replace("<", "&lt;") for part in parts[::2]]
    return "`".join(parts)


def code(text: str) -> str:
    return f"`{text}`" if text else ""
