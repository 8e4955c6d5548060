"""Requests that come while a network is busy, asked about together as soon as it is not.

Ray Serve's own `serve.batch` fills a batch by waiting for a fixed time, busy or not: without that time
it makes batches of one, with it every lone request waits for nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batches(Generic[Item, Result]):
    """work: called in one thread of its own, with items in the order of their coming; it returns as many
    results. most: how many items at once. Used within one event loop.
    """

    def __init__(self, work: Callable[[list[Item]], list[Result]], most: int):
        self._work, self._most = work, most
        self._thread = ThreadPoolExecutor(1)
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._worker: asyncio.Task[None] | None = None

    async def ask(self, item: Item) -> Result:
        """The result of one item. What `work` raises, all items of that batch get."""
        answer: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._worker is None:
            self._worker = asyncio.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while batch := self._next():
                answers = [answer for _, answer in batch]
                try:
                    items = [item for item, _ in batch]
                    results = await loop.run_in_executor(self._thread, self._work, items)
                except Exception as error:
                    for answer in answers:
                        if not answer.done():
                            answer.set_exception(error)
                else:
                    for answer, result in zip(answers, results, strict=True):
                        if not answer.done():
                            answer.set_result(result)
        finally:
            self._worker = None

    def _next(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        """Those that wait, without those whose callers have gone."""
        batch: list[tuple[Item, asyncio.Future[Result]]] = []
        while self._waiting and len(batch) < self._most:
            item, answer = self._waiting.popleft()
            if not answer.done():
                batch.append((item, answer))
        return batch
