"""How long a run may train, and what of that is left."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

NOT_BEGUN = "not begun"  # how far a unit is that there was no time for
# Of the hours, kept for the tables and the vote, which come after the training
_SHARE_AFTER, _SECONDS_AFTER = 0.02, 30.0


class Budget:
    """hours: of all calls together, None: as many as it takes. spent: seconds of the calls before."""

    def __init__(
        self,
        hours: float | None,
        spent: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.hours = hours
        self._clock, self._end = clock, math.inf
        if hours is not None:
            seconds = 3600 * hours
            after = min(seconds / 2, max(_SECONDS_AFTER, _SHARE_AFTER * seconds))
            self._end = clock() + seconds - after - spent

    def left(self) -> float:
        """Seconds in which units may be trained; none or less: it is over."""
        return self._end - self._clock()

    def holds(self, seconds: float | None) -> bool:
        """Whether what ends in so many seconds ends in time; where that is not known, there is some."""
        left = self.left()
        return left > 0 and (seconds is None or seconds <= left)
