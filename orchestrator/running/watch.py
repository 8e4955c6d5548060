"""Which training processes have stopped or hang: from what they report, and from their signs of life.

A process says that it lives by every report (worker/reports.py), and between two of them by the
file that it writes while it decodes, trains, validates and predicts (worker/pulse.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.errors import WrongRequest
from orchestrator.runs.store import Store
from orchestrator.worker.pulse import pulse_of

_TIMES_THE_LONGEST = 20  # that a member's steps ever took, before silence counts as hanging
_TIMES_UNTIL_KNOWN = 3  # hang_minutes: until a unit's first epoch
# Seconds. Ray itself gives up waiting for a slot before; packages are imported on a busy machine
_LEAST_UNTIL_KNOWN = {"start": 900.0, "first epoch": 300.0}
_LONGEST_TICK = 5.0  # seconds; a longer pause is one of this process, or of the whole machine
_LOOK_EVERY, _LOOK_EVERY_REMOTE = 2.0, 30.0  # seconds, at the files of runs that report nothing


@dataclass
class _Watched:
    member: str
    pulse: str
    patience: float  # factor
    phase: str = "start"  # until its first report; "first epoch" until the first of a unit; "later"
    last_sign: float = 0.0
    looked: float = 0.0
    content: bytes = b""


@dataclass(frozen=True)
class Silence:
    """A process of which nothing was seen for `seconds`, where `longest` is what it took before."""

    process: str
    seconds: float
    longest: float | None


class Watch:
    """Counts the seconds since each run's last sign of life, and how long they usually are apart.

    Seconds in which this process did not run itself (stopped, or the machine was asleep) do not count.
    """

    def __init__(
        self, store: Store, hang_minutes: float, clock: Callable[[], float] = time.monotonic
    ):
        self._store, self._hang, self._clock = store, 60 * hang_minutes, clock
        self._look_every = _LOOK_EVERY if store.local else _LOOK_EVERY_REMOTE
        self._ticked, self._awake = clock(), 0.0
        self._watched: dict[str, _Watched] = {}
        self._longest: dict[tuple[str, str], float] = {}  # (member, phase) -> seconds

    def begin(self, process: str, member: str, patience: float = 1.0) -> None:
        """patience: how many times as long as usual this run may be silent."""
        self._tick()
        pulse = pulse_of(process)
        self._watched[process] = _Watched(member, pulse, patience, last_sign=self._awake)

    def reported(self, process: str, event: str) -> None:
        self._tick()
        run = self._watched.get(process)
        if run is None:  # given up
            return
        self._sign(run)
        if event == "epoch":
            run.phase = "later"
        elif event == "started":
            run.phase = "first epoch"

    def end(self, process: str) -> None:
        self._watched.pop(process, None)

    def silent(self) -> list[Silence]:
        """Runs that are to be given up, each of them once. To be called every second or so."""
        self._tick()
        found = []
        for process, run in list(self._watched.items()):
            if self._awake - max(run.looked, run.last_sign) >= self._look_every:
                run.looked = self._awake
                if (content := self._read(run)) != run.content:
                    run.content = content
                    self._sign(run)
            seconds = self._awake - run.last_sign
            if seconds > self._bound(run):
                found.append(Silence(process, seconds, self._longest.get((run.member, run.phase))))
                self.end(process)
        return found

    def _tick(self) -> None:
        now = self._clock()
        self._awake += min(now - self._ticked, _LONGEST_TICK)
        self._ticked = now

    def _sign(self, run: _Watched) -> None:
        key, seconds = (run.member, run.phase), self._awake - run.last_sign
        if run.phase != "start":  # which takes as long as a slot takes to come free
            self._longest[key] = max(seconds, self._longest.get(key, 0.0))
        run.last_sign = self._awake

    def _bound(self, run: _Watched) -> float:
        longest = self._longest.get((run.member, run.phase))
        if longest is None:
            least = _LEAST_UNTIL_KNOWN.get(run.phase, 0.0)
            return run.patience * max(least, self._hang * _TIMES_UNTIL_KNOWN)
        return run.patience * max(self._hang, _TIMES_THE_LONGEST * longest)

    def _read(self, run: _Watched) -> bytes:
        try:
            return self._store.read(run.pulse)
        except (OSError, WrongRequest):  # not there yet, or a disk that does not answer
            return run.content
