"""What happens while members are trained: a live table on a terminal and in a notebook, plain lines
elsewhere.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from orchestrator.progress.board import Board
from orchestrator.progress.record import Kept
from orchestrator.screens.board import board_table, lines, summary
from orchestrator.screens.clock import clock
from orchestrator.units.unit import Unit

_LINE_EVERY = 10.0  # seconds between two plain lines about the same unit
_SUMMARY_EVERY = 60.0  # and about all of them
_LEFT_EVERY = 0.5
_BELOW = 6  # lines of a terminal that are not members


class Progress:
    """Fed by the schedule: `expect` and `started` units, `reported` epochs, `ended` units.

    kept: where it is written besides, for `status`.
    """

    def __init__(self, console: Console, board: Board, kept: Kept | None = None):
        self._console, self._board, self._kept = console, board, kept
        self._printed: dict[str, float] = {}
        self._left: tuple[float, float | None] = -math.inf, None  # when it was computed, and what
        self._summed = time.monotonic()
        live = console.is_terminal or console.is_jupyter
        self._live = Live(console=console, auto_refresh=False) if live else None

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._show(at_once=True)
        if self._live:
            self._live.stop()

    def expect(self, units: Sequence[Unit]) -> None:
        """Work that will have to be done, for the time left."""
        self._board.expect(units)

    def note(self, text: str) -> None:
        self._console.print(text)

    def started(self, unit: Unit, title: str, fresh: bool) -> None:
        """A unit is given to a process, which starts for it where it is `fresh`."""
        self._board.started(unit, title, fresh)
        self._show()

    def reported(self, result: dict[str, Any]) -> None:
        """One report of a worker, see `reports.py`."""
        self._board.reported(result)
        path, event = result["unit"], result["event"]
        if event == "failed":
            self.note(f"{self._board.cells[path].title} failed: {result['message']}")
        elif event == "done":
            self._line(path)
        elif event == "epoch" and time.monotonic() - self._printed.get(path, 0.0) > _LINE_EVERY:
            self._printed[path] = time.monotonic()
            self._line(path)
        self._show()

    def ended(self, path: str, outcome: str) -> None:
        """A unit is over: `done`, `stopped` or why it failed."""
        self._board.ended(path, outcome)
        self._show()

    def interrupted(self, path: str) -> None:
        """A unit waits for another process."""
        self._board.interrupted(path)
        self._show()

    def seconds_for(self, units: Sequence[Unit]) -> float | None:
        return self._board.seconds_for(units)

    def seconds_for_candidate(self, name: str) -> float | None:
        return self._board.seconds_for_candidate(name)

    def tick(self, slots: int) -> None:
        """Every second or so. slots: how many processes there are at once by now."""
        self._board.slots = slots
        self._show()

    # -- how it looks ------------------------------------------------------------------------

    def _line(self, path: str) -> None:
        if self._live:
            return
        cell = self._board.cells[path]
        score = "" if cell.score is None else f"  score {cell.score:.4f}"
        self.note(
            f"{cell.title:<24} epoch {cell.epoch:>3}/{cell.epochs:<3}{score}  "
            f"{cell.state:<9} {clock(self._seconds_left())} left"
        )

    def _seconds_left(self) -> float | None:
        """Of a thousand units it is not worth the time for each line anew."""
        now = time.monotonic()
        if now - self._left[0] > _LEFT_EVERY:
            self._left = now, self._board.seconds_left()
        return self._left[1]

    def _show(self, at_once: bool = False) -> None:
        now = time.monotonic()
        summed = not self._live and now - self._summed > _SUMMARY_EVERY
        kept = self._kept is not None and (at_once or self._kept.is_due())
        if not (self._live or summed or kept):
            return
        document = {"phase": "training", **self._board.document()}
        if self._kept is not None:
            self._kept.put(now=at_once, **document)
            document = self._kept.document
        if self._live:
            height = self._console.height - _BELOW
            below = [Text(line) for line in lines(document)]
            self._live.update(Group(board_table(document, height), *below), refresh=True)
        elif summed:
            self._summed = now
            self.note(summary(document))
