"""What a schedule tells, while it happens, to whatever shows its work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from orchestrator.units.unit import Unit


class Progress(Protocol):
    """What is shown of a schedule's work gets this, while it happens."""

    def expect(self, units: Sequence[Unit]) -> None:
        """Units that will have to be trained."""

    def started(self, unit: Unit, title: str, fresh: bool) -> None:
        """A unit is given to a process; title: what to call it; fresh: the process starts for it."""

    def reported(self, result: dict[str, Any]) -> None:
        """One report of a worker (reports.py)."""

    def ended(self, path: str, outcome: str) -> None:
        """A unit is over: `done`, `stopped` or why it failed."""

    def interrupted(self, path: str) -> None:
        """The process of a unit died, and another one will go on with it."""

    def note(self, text: str) -> None: ...

    def seconds_for(self, units: Sequence[Unit]) -> float | None:
        """Until these, which wait, would be done if they came next; None: nothing is known yet."""

    def seconds_for_candidate(self, name: str) -> float | None:
        """Until another candidate of a search, and the other folds of the winner, would be done."""

    def tick(self, slots: int) -> None:
        """Every second or so, whether anything happened or not. slots: how many processes there are
        at once by now."""
