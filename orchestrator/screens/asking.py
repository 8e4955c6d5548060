"""How far a list of photographs is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from orchestrator.screens.clock import clock

_LINE_EVERY = 10.0  # seconds


@contextmanager
def asking(
    console: Console, now: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[int, int, int], None]]:
    """Gives a function that is called with how many photographs are answered, how many of them an
    earlier call had, and of how many. The first call is before any is asked about.

    The time left is that of the others at the speed since the first answers, the loading of networks
    before them apart.
    """
    speed = _Speed(now)
    if not console.is_terminal:
        printed = now()

        def line(done: int, before: int, total: int) -> None:
            nonlocal printed
            speed.see(done)
            if now() - printed > _LINE_EVERY and done < total:
                printed = now()
                console.print(f"{done:,} of {total:,} photos  {speed.text(total)}")

        yield line
        return
    columns = (
        TextColumn("photos"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("photos", total=None, left="")

        def show(done: int, before: int, total: int) -> None:
            speed.see(done)
            bar.update(task, completed=done, total=total, left=speed.text(total))

        yield show


class _Speed:
    """Photographs a second, from when how many were done."""

    def __init__(self, now: Callable[[], float]):
        self._now = now
        self._seen: list[tuple[float, int]] = []  # the start, the first answers, the last

    def see(self, done: int) -> None:
        self._seen = [*self._seen[:2], (self._now(), done)]

    def text(self, total: int) -> str:
        if len(self._seen) < 2:
            return ""
        first = self._seen[1] if len(self._seen) > 2 else self._seen[0]
        (begun, had), (at, done) = first, self._seen[-1]
        if done <= had or at <= begun:
            return ""
        rate = (done - had) / (at - begun)
        return f"{rate:.3g} a second  {clock((total - done) / rate)} left"
