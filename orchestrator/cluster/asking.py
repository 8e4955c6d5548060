"""Asking a cluster's autoscaler for nodes, in a way that ends with the command that asks."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any

from orchestrator.cluster import ray_internals

_MOST = 1000  # bundles: no more nodes are ever useful at once, and the request stays small
_BETWEEN = 5.0  # seconds between two requests
_FORGOTTEN = 120.0  # seconds without a word from the command, after which its request is withdrawn


class Asking:
    """What one command asks for. A later request replaces an earlier one, anybody's."""

    def __init__(self, address: str):
        self._address = address
        self._bundles: list[dict[str, float]] = []
        self._last: float | None = None
        self._withdrawal: Any = None  # an actor
        self._grows = False

    def grows(self) -> bool:
        """Whether the cluster can start nodes by itself; on a new one it shows after seconds."""
        self._grows = self._grows or ray_internals.has_autoscaler(self._address)
        return self._grows

    def signs(self) -> str | None:
        """What the autoscaler does about it, for people; None: nothing."""
        return ray_internals.nodes_to_come(self._address) if self.grows() else None

    def ask(self, bundles: list[dict[str, float]]) -> None:
        """That nodes which hold all of these together are there; empty: none need stay."""
        now = time.monotonic()
        if self._last is not None and now - self._last < _BETWEEN:
            return
        self._last = now
        if not self.grows():
            return
        from ray.autoscaler.sdk import request_resources

        bundles = bundles[:_MOST]
        if bundles and self._withdrawal is None:
            self._withdrawal = _withdrawal()
        if self._withdrawal is not None:
            self._withdrawal.still.remote()
        if bundles != self._bundles:
            request_resources(bundles=bundles)
            self._bundles = bundles

    def close(self) -> None:
        """Withdraw what was asked for."""
        if self._withdrawal is None:
            return
        import ray
        from ray.autoscaler.sdk import request_resources

        with suppress(Exception):  # the cluster itself may be gone
            request_resources(bundles=[])
            ray.kill(self._withdrawal)


def _withdrawal() -> Any:
    """An actor on the head that outlives this command, and then withdraws what it asked for.

    Requests stay for ever; nodes that nobody uses would, too, where the command is killed.
    """
    import ray

    on_the_head = {"node:__internal_head__": 0.001}
    actor: Any = ray.remote(Withdrawal)
    return actor.options(num_cpus=0, resources=on_the_head, lifetime="detached").remote(_FORGOTTEN)


class Withdrawal:
    """Withdraws the request when `still` was not called for `seconds`."""

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._heard = time.monotonic()
        self._watching = asyncio.get_event_loop().create_task(self._watch())

    async def still(self) -> None:
        self._heard = time.monotonic()

    async def _watch(self) -> None:
        import ray
        from ray.autoscaler.sdk import request_resources

        while time.monotonic() - self._heard < self._seconds:
            await asyncio.sleep(5)
        request_resources(bundles=[])
        ray.kill(ray.get_runtime_context().current_actor)
