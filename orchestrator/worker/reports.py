"""What a training process reports to the driver while it trains a unit.

Flat reports: `unit`, `epoch`, `value` (the metric after this epoch), `score` (the best so far),
`seconds`, `message`, and `event`: `started`, `epoch`, `predicting`, `note`, and at the end `done`,
`failed` or `stopped`, with which it asks for its next unit (line.py).
"""

from __future__ import annotations

from typing import Any

from ensembles.store_errors import store_problem
from members.errors import first_line
from orchestrator.errors import disk_problem
from orchestrator.spec import member_metrics
from orchestrator.worker.job import Job
from orchestrator.worker.line import STOP, Line

ENDS = ("done", "failed", "stopped")


class Stopped(Exception):
    """The candidate is not to go on."""


class Reporter:
    """Reports of a job's unit. Tune needs a score that is always a number."""

    def __init__(self, job: Job, line: Line):
        self._metric, self._rungs, self._line = job.reported_metric, job.rungs, line
        worst = member_metrics.worst(self._metric)
        self._last = {
            "unit": job.unit.path, "epoch": 0, "score": worst, "value": worst, "seconds": 0.0,
            "message": "",
        }  # fmt: skip

    def started(self) -> None:
        self._report("started")

    def epoch(self, history: list[dict[str, Any]]) -> None:
        """The last epoch of `history`, which begins with the unit's first.

        Raises `Stopped` where the candidate was told to end here.
        """
        row = history[-1]
        values = [h[self._metric] for h in history if self._metric in h] or [0.0]
        # the score is the best so far, since the best weights are kept
        sign = member_metrics.sign(self._metric)
        best = max(sign * v for v in values) * sign
        epoch = int(row["epoch"])
        self._last |= {
            "epoch": epoch, "score": best, "value": values[-1], "seconds": row["seconds"],
        }  # fmt: skip
        if epoch not in self._rungs:
            self._report("epoch")
        elif self._line.ask({"event": "epoch", **self._last}) == STOP:
            raise Stopped

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

    def end(self, event: str, message: str = "") -> dict[str, Any]:
        """The last report of the unit, one of `ENDS`; it is not sent yet."""
        return {"event": event, **self._last, "message": message}

    def _report(self, event: str, message: str = "") -> None:
        self._line.send({"event": event, **self._last, "message": message})


def describe(error: Exception) -> str:
    """The error in one line: its message, after the kind where that is not one of ours."""
    if known := disk_problem(error) or store_problem(error):
        return known
    line, kind = first_line(error), type(error).__name__
    ours = type(error).__module__.startswith("members")
    return line if ours or line == kind else f"{kind}: {line}"
