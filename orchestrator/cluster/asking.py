"""Asking a cluster's autoscaler for nodes, in a way that ends with the command that asks."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress

from orchestrator.cluster import ray_internals

_MOST = 1000  # bundles: no more nodes are ever useful at once, and the request stays small
_BETWEEN = 5.0  # seconds between two requests
_REPEAT = 30.0  # seconds after which the same is asked for again
_EXPIRES = 120.0  # seconds after which what is not asked for again is forgotten


class Asking:
    """What one command asks for; the autoscaler adds up what all commands do."""

    def __init__(self, address: str):
        self._address = address
        self._name = f"train-members-{uuid.uuid4().hex}"
        self._bundles: list[dict[str, float]] | None = None
        self._last = -_REPEAT
        self._grows = False

    def grows(self) -> bool:
        """Whether the cluster can start nodes by itself; on a new one it shows after seconds."""
        self._grows = self._grows or ray_internals.has_autoscaler(self._address)
        return self._grows

    def signs(self) -> str | None:
        """What the autoscaler does about it, for people; None: nothing."""
        return ray_internals.nodes_to_come(self._address) if self.grows() else None

    def ask(self, bundles: list[dict[str, float]]) -> None:
        """That nodes which hold all of these are there besides what runs; empty: none need stay."""
        bundles = bundles[:_MOST]
        wait = _REPEAT if bundles == self._bundles else _BETWEEN
        now = time.monotonic()
        if now - self._last < wait or not self.grows():
            return
        self._last, self._bundles = now, bundles
        ray_internals.ask_autoscaler(self._name, bundles, _EXPIRES)

    def close(self) -> None:
        """Withdraw what was asked for."""
        if self._bundles is not None:
            with suppress(Exception):  # the cluster itself may be gone; else it expires
                ray_internals.withdraw(self._name)
