"""Signs of life of a training process: now and then how far it is, for the watch (running/watch.py)."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from orchestrator.runs.store import Store

_EVERY = 2.0  # seconds; a local write takes some microseconds
_EVERY_REMOTE = 15.0  # a request to a server takes some hundredths of a second


def pulse_of(process: str) -> str:
    """Where the training process of this name writes its signs of life, in the run folder."""
    return f"ray/pulses/{process}"


class Pulse:
    """Called after every step, `pulse(done, steps)`; writes the file `path` of the run folder.

    An empty `path`: nothing. What cannot be written is left out: training itself goes on.
    """

    def __init__(self, store: Store, path: str):
        self._store, self._path = store, path
        self._every = _EVERY if store.local else _EVERY_REMOTE
        self._written, self._last = 0, -self._every

    def __call__(self, done: int, steps: int) -> None:
        now = time.monotonic()
        if not self._path or now - self._last < self._every:
            return
        self._last, self._written = now, self._written + 1
        # counted, so that no two are alike
        content = f"{self._written}: step {done} of {steps}\n"
        with contextlib.suppress(OSError):
            if self._store.local:  # no fsync: it is worth nothing after a power cut
                file = Path(self._store.uri(self._path))
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(content)
            else:
                self._store.write(self._path, content)
