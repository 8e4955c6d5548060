"""The real commands in one process: a slot that trains what the schedule gives takes Ray's place."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from orchestrator.cli import app
from orchestrator.cluster import connect
from orchestrator.running import tune
from orchestrator.running.schedule import Schedule
from orchestrator.runs.store import Store
from orchestrator.worker import loop


class Stopped(BaseException):
    """As when Tune kills a trial: nothing in the process can hold it."""


class Commands:
    """`commands("train-members", "spec.yaml")` runs one and gives what it printed.

    code: the exit code that it must have; of an error the output is part of what is given.
    begun: member and number of each candidate that was given out, None for a run of units.
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

    def run_all(self, schedule: Schedule, store: Store, *_: object) -> None:
        """What `tune.run_all` does, one run after the other."""
        for n in itertools.count():
            run = f"run-{n}"
            job = schedule.start(run)
            if job is None:
                assert schedule.is_over(), "nothing runs and nothing begins: this would never end"
                store.delete("ray")
                return
            self.begun.append(schedule.runs[run].candidate)

            def send(values: dict, run: str = run) -> None:
                if schedule.report(run, values):
                    raise Stopped

            with contextlib.suppress(Stopped):
                loop.run_units(job, send)
            schedule.end(run)


@contextlib.contextmanager
def no_ray(address: str | None = None) -> Iterator[connect.Cluster]:
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
