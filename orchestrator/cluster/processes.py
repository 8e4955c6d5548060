"""The processes of a local Ray, also those whose parent is gone, and their end."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


class Started:
    """What this process starts from now on. Imports what Ray brings: `import ray` comes first."""

    def __init__(self) -> None:
        import psutil

        self._own = psutil.Process()
        self._before = {child.pid for child in self._own.children(recursive=True)}
        if sys.platform == "linux":  # whose parent dies becomes a child of this process
            with suppress(OSError, AttributeError):
                ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def kill(self) -> None:
        """End all of them at once; also those that they start meanwhile."""
        import psutil

        for _ in range(10):
            found = [
                child
                for child in self._own.children(recursive=True)
                if child.pid not in self._before and child.status() != psutil.STATUS_ZOMBIE
            ]
            if not found:
                return
            for child in found:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
            psutil.wait_procs(found, timeout=1)
