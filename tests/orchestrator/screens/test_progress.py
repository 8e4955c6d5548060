"""The time left, as a run's screen tells it."""

from __future__ import annotations

import io

from rich.console import Console

from orchestrator.screens import progress
from orchestrator.spec.spec import Member
from orchestrator.units.unit import Unit


def test_what_the_start_of_processes_took_is_not_counted_for_every_epoch_to_come(monkeypatch):
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    unit = Unit(Member(name="net", recipe={"model": "net", "epochs": 10}), "net", 0, None)
    screen = io.StringIO()
    with progress.Progress(Console(file=screen, width=200), lambda member: 1.0) as shown:
        shown.expect([unit])
        shown.started({unit.path: unit.title}, [unit])
        now = 100.0  # seconds until Ray and the process were there
        shown.reported({"event": "started", "unit": unit.path})
        now = 110.0
        shown.reported({"event": "epoch", "unit": unit.path, "epoch": 1, "score": 0.5})
    assert screen.getvalue().rstrip().endswith("1:30 left")  # nine epochs of 10 seconds
