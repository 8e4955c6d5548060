"""What a training process reports to the driver while it trains a unit.

Flat reports: `unit`, `epoch`, `value` (the metric after this epoch), `score` (the best so far),
`seconds`, `message`, and `event`: `started`, `epoch`, `predicting`, `note`, `done` or `failed`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ensembles.store_errors import store_problem
from members.errors import first_line
from orchestrator.errors import disk_problem
from orchestrator.spec import member_metrics
from orchestrator.units.unit import Unit

Send = Callable[[dict[str, Any]], None]


class Reporter:
    """Reports of one unit, scored by `metric`. Tune needs a score that is always a number."""

    def __init__(self, unit: Unit, metric: str, send: Send):
        self._metric, self._send = metric, send
        worst = member_metrics.worst(metric)
        self._last = {
            "unit": unit.path, "epoch": 0, "score": worst, "value": worst, "seconds": 0.0,
            "message": "",
        }  # fmt: skip

    def started(self) -> None:
        self._report("started")

    def epoch(self, history: list[dict[str, Any]]) -> None:
        """The last epoch of `history`, which begins with the unit's first."""
        row = history[-1]
        values = [h[self._metric] for h in history if self._metric in h] or [0.0]
        # the score is the best so far, since the best weights are kept
        sign = member_metrics.sign(self._metric)
        best = max(sign * v for v in values) * sign
        epoch, seconds = int(row["epoch"]), row["seconds"]
        self._report("epoch", epoch=epoch, score=best, value=values[-1], seconds=seconds)

    def epochs(self, history: list[dict[str, Any]]) -> None:
        """Every epoch of `history`, one after the other."""
        for n in range(1, len(history) + 1):
            self.epoch(history[:n])

    def note(self, message: str) -> None:
        """What is worth knowing and stops nothing."""
        self._report("note", message=message)

    def predicting(self) -> None:
        """Nothing more is trained."""
        self._report("predicting")

    def done(self) -> None:
        self._report("done")

    def failed(self, message: str) -> None:
        self._report("failed", message=message)

    def _report(self, event: str, **values: Any) -> None:
        self._last |= values
        self._send({"event": event, **self._last})
        self._last["message"] = ""


def describe(error: Exception) -> str:
    """The error in one line: its message, after the kind where that is not one of ours."""
    if known := disk_problem(error) or store_problem(error):
        return known
    line, kind = first_line(error), type(error).__name__
    ours = type(error).__module__.startswith("members")
    return line if ours or line == kind else f"{kind}: {line}"
