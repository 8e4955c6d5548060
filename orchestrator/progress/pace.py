"""How long what is left will take: from what the same things took so far."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

# start: of a process; prepare: of a unit, until its first epoch; predict: after its last one
What = Literal["start", "prepare", "epoch", "predict"]


class Pace:
    """Seconds that were seen, by what they were spent on, and by member."""

    def __init__(self) -> None:
        # seconds, cost and number of what was seen: of a member, and of all
        self._own: dict[tuple[What, str], np.ndarray] = defaultdict(lambda: np.zeros(3))
        self._all: dict[What, np.ndarray] = defaultdict(lambda: np.zeros(3))

    def saw(self, what: What, member: str, seconds: float, cost: float = 1.0) -> None:
        """cost: in any unit, the same for all members."""
        for sums in (self._own[what, member], self._all[what]):
            sums += (seconds, cost, 1.0)

    def usual(self, what: What, member: str, cost: float = 1.0) -> float | None:
        """Seconds: the member's own mean, else by cost from those of all others; None: nothing is known."""
        if (what, member) in self._own:
            seconds, _, number = self._own[what, member]
            return float(seconds / number)
        if what not in self._all:
            return None
        seconds, total, _ = self._all[what]
        return float(cost * seconds / total) if total else None


@dataclass(frozen=True)
class Group:
    """Units of one member that wait: how many, and the seconds of each."""

    units: int
    seconds: float


def makespan(running: Sequence[float], groups: Sequence[Group], slots: int, start: float) -> float:
    """Seconds until all is done, dealt out as the schedule does: the costliest first.

    running: what is left of each unit at hand; start: seconds until a process is there, where a slot
    has none.
    """
    return max(ready_in(running, groups, slots, start), max(running, default=0.0))


def ready_in(running: Sequence[float], groups: Sequence[Group], slots: int, start: float) -> float:
    """As `makespan`, until the groups are done."""
    ends = [*running] + [start] * max(0, slots - len(running))
    heapq.heapify(ends)
    last = 0.0
    for group in sorted(groups, key=lambda own: -own.seconds):
        for _ in range(group.units):
            end = heapq.heappop(ends) + group.seconds
            heapq.heappush(ends, end)
            last = max(last, end)
    return last
