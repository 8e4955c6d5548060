"""One unit that a process trains, and how far it is."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from orchestrator.units.unit import Unit


@dataclass
class WorkerRun:
    """A unit that one worker group trains, and how far it is.

    outcome: `done`, or why it failed; empty while it is trained. began: it reported so.
    cause: why its processes died, or are to die; empty while they live.
    """

    unit: Unit
    candidate: tuple[str, int] | None = None
    outcome: str = ""
    began: bool = False
    cause: str = ""
    given: float = field(default_factory=time.monotonic)
    first_report: float | None = None
    last_report: float | None = None

    @property
    def title(self) -> str:
        if self.candidate:
            return f"{self.unit.member.name} candidate {self.candidate[1]}"
        return self.unit.title

    def seconds(self) -> dict[str, float]:
        """Slot-seconds: until its first report, from there to the last, and since."""
        now = time.monotonic()
        first, last = self.first_report or now, self.last_report or now
        return {"starting": first - self.given, "working": last - first, "ending": now - last}
