"""The real commands in one process: a slot that trains what the schedule gives takes Ray's place."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from orchestrator.cli import app
from orchestrator.cluster import connect
from orchestrator.running import tune
from orchestrator.running.schedule import Schedule
from orchestrator.runs.store import Store
from orchestrator.worker import loop
from orchestrator.worker.job import Setup
from orchestrator.worker.line import GO_ON, STOP
from orchestrator.worker.reports import ENDS


@dataclass
class _Line:
    """From a process to the schedule, without anything between them."""

    schedule: Schedule
    process: str
    begun: list[tuple[str, int] | None]

    def send(self, report: dict[str, Any]) -> None:
        assert not self.schedule.report(self.process, report), (
            "a candidate is stopped between rungs"
        )

    def ask(self, report: dict[str, Any]) -> Any:
        stop = self.schedule.report(self.process, report)
        if report["event"] not in ENDS:
            return STOP if stop else GO_ON
        self.schedule.idle(self.process)
        ((process, job),) = self.schedule.answers()
        assert process == self.process
        if job is None:
            return None
        self.begun.append(self.schedule.runs[process].candidate)
        return job.to_config()


class Commands:
    """`commands("train-members", "spec.yaml")` runs one and gives what it printed.

    code: the exit code that it must have; of an error the output is part of what is given.
    begun: member and number of each candidate that was given out, None for a unit.
    """

    def __init__(self, patch: pytest.MonkeyPatch):
        self.begun: list[tuple[str, int] | None] = []
        self._patch = patch

    def __call__(self, *arguments: str, code: int = 0) -> str:
        self._patch.setattr(sys, "argv", ["orchestrator", *arguments])
        printed = io.StringIO()
        errors = contextlib.redirect_stderr(printed) if code else contextlib.nullcontext()
        with contextlib.redirect_stdout(printed), errors, pytest.raises(SystemExit) as end:
            app.main()
        assert end.value.code == code, printed.getvalue()
        return printed.getvalue()

    def run_all(self, schedule: Schedule, store: Store, setup: Setup, *_: object) -> None:
        """What `tune.run_all` does, one process after the other."""
        for n in itertools.count():
            process = f"process-{n}"
            job = schedule.start(process)
            if job is None:
                assert schedule.is_over(), "nothing runs and nothing begins: this would never end"
                store.delete("ray")
                return
            self.begun.append(schedule.runs[process].candidate)
            loop.run_jobs(
                replace(setup, process=process), job, _Line(schedule, process, self.begun)
            )
            schedule.end(process)


@contextlib.contextmanager
def no_ray(address: str | None = None, *, dashboard: bool = False) -> Iterator[connect.Cluster]:
    yield connect.Cluster("nowhere", 1.0, 0.0, True)


@contextlib.contextmanager
def commands(folder: Path) -> Iterator[Commands]:
    """Commands that are run in `folder`."""
    with pytest.MonkeyPatch.context() as patch:
        commands = Commands(patch)
        for name in [name for name in os.environ if name.startswith("SM_")]:
            patch.delenv(name)
        patch.chdir(folder)
        patch.setenv("ENSEMBLE_CACHE", str(folder / "cache"))
        torch.set_num_threads(1)  # as a slot of one core: with more, sums end in other digits
        patch.setattr(torch, "set_num_threads", lambda n: None)
        patch.setattr(connect, "connect", no_ray)
        patch.setattr(tune, "run_all", commands.run_all)
        yield commands
