"""What happens, while it happens: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from orchestrator.screens.clock import clock
from orchestrator.spec.spec import Member
from orchestrator.units.unit import Unit

_LINE_EVERY = 10.0  # seconds between two plain lines about the same unit


class Progress:
    """Fed by the schedule: `expect` and `started` units, `reported` epochs, `ended` units.

    The time left is that of the work left, in units of each member's cost per epoch, at the speed
    since the first unit began, the start of processes before it apart; an early stop shortens it.
    """

    def __init__(self, console: Console, cost: Callable[[Member], float]):
        self._console, self._cost = console, cost
        self._rows: dict[str, dict[str, Any]] = {}
        self._work = self._done = 0.0
        self._counted: dict[str, float] = {}
        self._begun: float | None = None  # when the first unit was
        self._live = Live(console=console, refresh_per_second=2) if console.is_terminal else None

    def __enter__(self) -> Progress:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.update(self._table(), refresh=True)
            self._live.stop()

    def expect(self, units: Sequence[Unit]) -> None:
        """Work that will have to be done, for the time left."""
        self._work += sum(self._cost(unit.member) for unit in units)

    def note(self, text: str) -> None:
        self._console.print(text)

    def started(self, titles: dict[str, str], units: Sequence[Unit]) -> None:
        """Units begin in one process; `titles`: unit's path -> its title."""
        for unit in units:
            self._rows[unit.path] = {
                "unit": unit,
                "title": titles[unit.path],
                "epoch": 0,
                "epochs": unit.member.recipe.epochs,
                "score": None,
                "state": "starting" if unit is units[0] else "waiting",
                "printed": 0.0,
            }
        self._refresh()

    def reported(self, result: dict[str, Any]) -> None:
        """One report of a worker, see `reports.py`."""
        row = self._rows[result["unit"]]
        self._begun = self._begun or time.monotonic()
        if result["event"] == "failed":
            row["state"] = "failed"
            self.note(f"{row['title']} failed: {result['message']}")
        elif result["event"] == "started":
            row["state"] = "training"
        elif result["event"] == "done":
            row["state"] = "done"
            self._count(row, 1.0)
            self._line(row)
        else:
            row.update(epoch=result["epoch"], score=result["score"], state="training")
            self._count(row, result["epoch"] / row["epochs"])
            if time.monotonic() - row["printed"] > _LINE_EVERY:
                row["printed"] = time.monotonic()
                self._line(row)
        self._refresh()

    def ended(self, outcome: dict[str, str]) -> None:
        """A run is over; `outcome`: unit's path -> `done`, `stopped` or why it failed."""
        for path, why in outcome.items():
            row = self._rows[path]
            self._count(row, 1.0)
            if row["state"] not in ("done", "failed"):
                row["state"] = "stopped" if why == "stopped" else "failed"
        self._refresh()

    def interrupted(self, paths: Sequence[str]) -> None:
        """Units that wait for another process."""
        for path in paths:
            self._rows[path]["state"] = "waiting"
        self._refresh()

    # -- how it looks ------------------------------------------------------------------------

    def _count(self, row: dict[str, Any], share: float) -> None:
        unit: Unit = row["unit"]
        before = self._counted.get(unit.path, 0.0)
        self._counted[unit.path] = max(before, share)
        self._done += (self._counted[unit.path] - before) * self._cost(unit.member)

    def _seconds_left(self) -> float | None:
        if self._done <= 0 or self._begun is None:
            return None
        elapsed = time.monotonic() - self._begun
        return max(0.0, self._work - self._done) * elapsed / self._done

    def _line(self, row: dict[str, Any]) -> None:
        if self._live:
            return
        left = self._seconds_left()
        score = "" if row["score"] is None else f"  score {row['score']:.4f}"
        self.note(
            f"{row['title']:<24} epoch {row['epoch']:>3}/{row['epochs']:<3}{score}  "
            f"{row['state']:<9} {clock(left)} left"
        )

    def _refresh(self) -> None:
        if self._live:
            self._live.update(self._table())

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False)
        for name in ("member", "fold", "epoch", "score", ""):
            table.add_column(name, justify="right" if name in ("epoch", "score") else "left")
        shown = [r for r in self._rows.values() if r["state"] in ("starting", "training")]
        for row in shown or list(self._rows.values())[-1:]:
            unit: Unit = row["unit"]
            score = "" if row["score"] is None else f"{row['score']:.4f}"
            epoch = f"{row['epoch']}/{row['epochs']}"
            table.add_row(row["title"], str(unit.fold), epoch, score, row["state"])
        done = sum(r["state"] == "done" for r in self._rows.values())
        table.caption = f"{done} units done, {clock(self._seconds_left())} left"
        table.caption_justify = "left"
        return table
