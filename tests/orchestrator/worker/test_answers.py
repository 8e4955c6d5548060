"""What a process asked for reaches it, whether it is given before it waits or after."""

from __future__ import annotations

import asyncio

from orchestrator.worker.answers import Answers


def test_answers_wait_for_those_that_asked_and_those_for_answers():
    async def talk() -> list:
        answers = Answers()
        await answers.give("one", 1, "before")
        waiting = asyncio.create_task(answers.take("two", 1))
        await asyncio.sleep(0)
        assert not waiting.done()
        first = await answers.take("one", 1)
        await answers.give("two", 1, None)
        again = asyncio.create_task(answers.take("one", 2))
        await answers.give("one", 2, {"unit": "next"})
        return [first, await waiting, await again, answers._of]

    assert asyncio.run(talk()) == ["before", None, {"unit": "next"}, {}]
