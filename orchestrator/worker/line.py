"""How a training process talks to the command that it works for: it reports, and it asks.

On Ray: on_ray.py.
"""

from __future__ import annotations

from typing import Any, Protocol

GO_ON, STOP = "go on", "stop"  # answers to a candidate


class Line(Protocol):
    def send(self, report: dict[str, Any]) -> None: ...

    def ask(self, report: dict[str, Any]) -> Any:
        """Send it, and wait for the answer; None where none can come any more."""
