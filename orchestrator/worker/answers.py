"""The actor by which training processes get answers. It imports nothing of ours: it starts at once."""

from __future__ import annotations

import asyncio
from typing import Any


class Answers:
    """An actor, one a command: what each process asked for waits here until it is given, or it is."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, int], asyncio.Future] = {}

    async def give(self, process: str, asked: int, answer: Any) -> None:
        self._place(process, asked).set_result(answer)

    async def take(self, process: str, asked: int) -> Any:
        answer = await self._place(process, asked)
        del self._of[process, asked]
        return answer

    def _place(self, process: str, asked: int) -> asyncio.Future:
        if (process, asked) not in self._of:
            self._of[process, asked] = asyncio.get_running_loop().create_future()
        return self._of[process, asked]


def name_of_answers(attempt: str) -> str:
    """Of the actor of the call `attempt`."""
    return f"answers-{attempt}"
