"""What one call of `train-members` did."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """What one call did. `failures`: what failed -> why; `tables`: complete members.

    late: what there was no time for -> how far it is.

    partial: members with finished folds only -> which. some_folds: of `tables` those that by the spec train
    some folds -> which.
    left_out: members that lost to others in the search, and so were not trained.
    predicted: units that were trained before, and predicted again. mended: damaged files that were
    set aside. refitted: of `trained` those on all rows.
    """

    trained: int = 0
    refitted: int = 0
    predicted: int = 0
    mended: int = 0
    already: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    late: dict[str, str] = field(default_factory=dict)
    tables: list[str] = field(default_factory=list)
    partial: dict[str, str] = field(default_factory=dict)
    some_folds: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    seconds: float = 0.0
    timing: dict[str, float] = field(default_factory=dict)

    def add_refits(self, own: Outcome) -> None:
        """What the units of all rows came to, which are trained after the folds."""
        self.refitted = own.trained
        self.trained += own.trained
        self.predicted += own.predicted
        self.already += own.already
        self.failures |= own.failures
        self.late |= own.late


class Clock:
    """Seconds since the last lap, by name; `timing.json` keeps them for the benchmark."""

    def __init__(self, laps: dict[str, float]):
        self._laps, self._last = laps, time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self._laps[name], self._last = now - self._last, now
