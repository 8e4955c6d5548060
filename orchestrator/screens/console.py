"""A console that shows text as it is."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from orchestrator.printable import printable


class Screen(Console):
    """A console to which text is text: nothing in it is markup, an emoji or a control code.

    It holds for cells and titles of tables too, so that a class may be called `[red]`. Style is
    given by `style=`, never in the text.
    """

    def __init__(self, **options: Any):
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        options |= {"markup": False, "emoji": False}
        return super().render_str(printable(text), **options)
