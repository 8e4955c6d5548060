"""What a schedule tells, while it happens, to whatever shows its work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from orchestrator.units.unit import Unit


class Progress(Protocol):
    """What is shown of a schedule's work gets this, while it happens."""

    def expect(self, units: Sequence[Unit]) -> None:
        """Units that will have to be trained."""

    def started(self, titles: dict[str, str], units: Sequence[Unit]) -> None:
        """A run begins with these units; titles: unit's path -> what to call it."""

    def reported(self, result: dict[str, Any]) -> None:
        """One report of a worker (reports.py)."""

    def ended(self, outcome: dict[str, str]) -> None:
        """A run is over; outcome: unit's path -> `done`, `stopped` or why it failed."""

    def interrupted(self, paths: Sequence[str]) -> None:
        """Units whose run is over, and which another one will go on with."""

    def note(self, text: str) -> None: ...

    def tick(self, slots: int) -> None:
        """Every second or so, whether anything happened or not. slots: how many runs there are at
        once by now."""
