"""How much memory the photographs take that are decoded at the same time, however many threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from members import limits

GIB = 2**30


class Budget:
    """Bytes that threads share. total: how many."""

    def __init__(self, total: int):
        self.total = total
        self._free = total
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, needed: int) -> Iterator[None]:
        """Wait until `needed` bytes are free, and hold them; more than all is all."""
        needed = min(needed, self.total)
        with self._changed:
            self._changed.wait_for(lambda: self._free >= needed)
            self._free -= needed
        try:
            yield
        finally:
            with self._changed:
                self._free += needed
                self._changed.notify_all()


BUDGET = Budget(limits.PHOTO.value * limits.MIB)
