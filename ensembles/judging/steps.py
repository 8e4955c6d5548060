"""How far a long fit is: a count that a screen may follow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
# Called with the steps done and all there are, first with none done.
Progress = Callable[[int, int], None]


def begins(progress: Progress | None, what: str) -> None:
    """Tell a progress that shows it, one with a method `begins`, what is done next."""
    if tell := getattr(progress, "begins", None):
        tell(what)


class Steps:
    def __init__(self, total: int, progress: Progress | None):
        self._done, self._total, self._progress = 0, total, progress
        self._say()

    def begins(self, what: str) -> None:
        """What is done next."""
        begins(self._progress, what)

    def counted(self, result: T) -> T:
        """What one step gave, as it is."""
        self._done += 1
        self._say()
        return result

    def _say(self) -> None:
        if self._progress:
            self._progress(self._done, self._total)
