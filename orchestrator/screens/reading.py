"""How far the reading and comparing of photographs is: a bar on a terminal, a line now and then
elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, TaskID

_LINE_EVERY = 10.0  # seconds
# called with what is done, how many are done, and of how many
Shown = Callable[[str, int, int], None]


@contextmanager
def reading(console: Console, now: Callable[[], float] = time.monotonic) -> Iterator[Shown]:
    """Gives a function that is called with what is done, how many are done, and of how many."""
    if not console.is_terminal:
        printed = now()

        def line(what: str, done: int, total: int) -> None:
            nonlocal printed
            if now() - printed > _LINE_EVERY and done < total:
                printed = now()
                console.print(f"{what}: {done:,} of {total:,}")

        yield line
        return
    with Progress(console=console, transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield show


def both(*shown: Shown) -> Shown:
    """Shown in several places."""

    def each(what: str, done: int, of: int) -> None:
        for own in shown:
            own(what, done, of)

    return each
