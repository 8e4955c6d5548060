"""How long what is left will take: from what the same things took so far."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from orchestrator.running.schedule import units_per_run

# start: of a run's processes; prepare: of a unit, until its first epoch; predict: after its last one
What = Literal["start", "prepare", "epoch", "predict"]


class Pace:
    """Seconds that were seen, by what they were spent on, and by member."""

    def __init__(self) -> None:
        self._seen: dict[tuple[What, str], list[tuple[float, float]]] = defaultdict(list)

    def saw(self, what: What, member: str, seconds: float, cost: float = 1.0) -> None:
        """cost: in any unit, the same for all members."""
        self._seen[what, member].append((seconds, cost))

    def usual(self, what: What, member: str, cost: float = 1.0) -> float | None:
        """Seconds: the member's own mean, else by cost from those of all others; None: nothing is known."""
        own = self._seen.get((what, member))
        if own:
            return sum(seconds for seconds, _ in own) / len(own)
        every = [pair for (kind, _), pairs in self._seen.items() if kind == what for pair in pairs]
        total = sum(c for _, c in every)
        return cost * sum(seconds for seconds, _ in every) / total if total else None


@dataclass(frozen=True)
class Group:
    """Units of one member that wait: how many, and the seconds of each."""

    units: int
    seconds: float


def makespan(running: Sequence[float], groups: Sequence[Group], slots: int, start: float) -> float:
    """Seconds until all is done, dealt out as the schedule does: the costliest first, some a run.

    running: what is left of each run; start: seconds until the processes of a run are there.
    """
    # of each slot when its run ends, and when that one's processes are there
    ends = [(seconds, 0.0) for seconds in running] + [(0.0, 0.0)] * max(0, slots - len(running))
    heapq.heapify(ends)
    waiting = sorted((g for g in groups if g.units), key=lambda own: -own.seconds)
    left = {i: own.units for i, own in enumerate(waiting)}
    for i, own in enumerate(waiting):
        while left[i]:
            at, _ = heapq.heappop(ends)
            queued = sum(left[j] * other.seconds for j, other in enumerate(waiting))
            outstanding = queued + sum(max(0.0, end - max(at, there)) for end, there in ends)
            n = units_per_run(left[i], max(own.seconds, 1e-9), outstanding, max(1, slots))
            left[i] -= n
            heapq.heappush(ends, (at + start + n * own.seconds, at + start))
    return max((end for end, _ in ends), default=0.0)
