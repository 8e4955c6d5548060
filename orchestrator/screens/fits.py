"""How far the fits of a vote are: a bar on a terminal, elsewhere a line a stage where they take long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

# seconds after which lines say how far the fits are, and after which the same stage has another one
LONG, AGAIN = 5.0, 30.0


class Shown:
    """Called with the fits done and all there are; `begins` with what is done next."""

    def __init__(self, show: Callable[[str, int, int], None]):
        self._show, self._what = show, "fitting"
        self._done, self._total = 0, 0

    def __call__(self, done: int, total: int) -> None:
        self._done, self._total = done, total
        self._show(self._what, done, total)

    def begins(self, what: str) -> None:
        self._what = what
        self._show(what, self._done, self._total)


@contextmanager
def fits_shown(console: Console) -> Iterator[Shown]:
    """What to call with the fits done and all there are."""
    if console.is_terminal:
        from rich.progress import Progress

        with Progress(console=console, transient=True) as bar:
            task = bar.add_task("fitting", total=None)
            yield Shown(
                lambda what, done, total: bar.update(
                    task, description=what, completed=done, total=total or None
                )
            )
        return
    begun = time.monotonic()
    last, said = begun, ""

    def line(what: str, done: int, total: int) -> None:
        nonlocal last, said
        now = time.monotonic()
        new, left = what != said, done < total
        if now - begun > LONG and (new or (left and now - last > AGAIN)):
            last, said = now, what
            of = f"{done} of {total} done " if left else ""
            console.print(f"{what}: {of}after {now - begun:.0f} s", markup=False)

    yield Shown(line)
