"""How far the fits of a vote are: a bar on a terminal, one line elsewhere where they take long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

# seconds after which a line says how many fits there are
LONG = 5.0


@contextmanager
def fits_shown(console: Console) -> Iterator[Callable[[int, int], None]]:
    """What to call with the fits done and all there are."""
    if console.is_terminal:
        from rich.progress import Progress

        with Progress(console=console, transient=True) as bar:
            task = bar.add_task("fitting", total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return
    begun, printed = time.monotonic(), False

    def line(done: int, total: int) -> None:
        nonlocal printed
        seconds = time.monotonic() - begun
        if not printed and seconds > LONG and done < total:
            printed = True
            console.print(f"fitting: {done} of {total} done after {seconds:.0f} s", markup=False)

    yield line
