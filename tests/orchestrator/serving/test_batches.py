"""What is asked together: all that came while the one before was worked on, and nobody waits for more."""

from __future__ import annotations

import asyncio
import threading

import pytest

from orchestrator.serving.batches import Batches


def test_what_comes_while_it_is_busy_is_asked_together_and_each_gets_its_own():
    sizes, go = [], threading.Event()

    def work(items: list[int]) -> list[int]:
        sizes.append(len(items))
        assert go.wait(10)
        return [own * 10 for own in items]

    async def scene() -> list[int]:
        batches = Batches(work, most=4)
        first = asyncio.create_task(batches.ask(0))
        while not sizes:
            await asyncio.sleep(0.001)
        rest = [asyncio.create_task(batches.ask(own)) for own in range(1, 7)]
        await asyncio.sleep(0)
        go.set()
        return await asyncio.gather(first, *rest)

    assert asyncio.run(scene()) == [0, 10, 20, 30, 40, 50, 60]
    assert sizes == [1, 4, 2]


def test_one_alone_does_not_wait_for_others():
    async def scene() -> list[list[int]]:
        batches = Batches(lambda items: [list(items)] * len(items), most=16)
        return [await asyncio.wait_for(batches.ask(own), 10) for own in range(3)]

    assert asyncio.run(scene()) == [[0], [1], [2]]


def test_who_has_gone_is_not_asked_about_and_what_fails_does_not_end_it():
    asked, go = [], threading.Event()

    def work(items: list[str]) -> list[str]:
        asked.append(items)
        assert go.wait(10)
        if "wrong" in items:
            raise ZeroDivisionError
        return items

    async def scene() -> None:
        batches = Batches(work, most=1)
        tasks = [asyncio.create_task(batches.ask(own)) for own in ("a", "gone", "wrong", "b")]
        while not asked:
            await asyncio.sleep(0.001)
        tasks[1].cancel()
        await asyncio.sleep(0)
        go.set()
        assert await tasks[0] == "a"
        with pytest.raises(ZeroDivisionError):
            await tasks[2]
        assert await tasks[3] == "b"

    asyncio.run(scene())
    assert asked == [["a"], ["wrong"], ["b"]]
