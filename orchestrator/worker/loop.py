"""The loop of a training process: units one after the other, each resumed where it stopped.

After each unit it asks for the next. All else that it needs stands in the run folder, so that a
process that dies costs the epoch it was in: every epoch leaves `state.pt` beside the unit's other
files, and `unit.json`, written last, marks the unit complete.

Where several processes train a unit, all run this loop and report alike, and the first writes the
files. What a file holds is read by the first and sent to the others: one that waits for the others
while those go on to something else would wait for ever.
"""

from __future__ import annotations

import gc
import traceback
from contextlib import suppress
from functools import partial
from typing import Any

from ensembles.store_errors import is_passing
from members.room import OwnDisk
from members.training.ranks import ALONE, LostContact, RaisedByAll, Ranks
from orchestrator.runs.presence import is_away
from orchestrator.runs.store import Store
from orchestrator.units.files import read_failure, write_failure
from orchestrator.worker.inputs import Inputs
from orchestrator.worker.job import Job, Setup
from orchestrator.worker.line import Line
from orchestrator.worker.process import Process
from orchestrator.worker.pulse import Pulse, pulse_of
from orchestrator.worker.reports import Reporter, describe
from orchestrator.worker.train_unit import train_unit


def run_jobs(setup: Setup, first: Job, line: Line, ranks: Ranks = ALONE) -> None:
    """Train the unit of the first job, and those of all that are given for the asking."""
    process = open_process(setup, ranks)
    job: Job | None = first
    while job is not None:
        end = run_job(job, process, line)
        _release(process)
        config = line.ask(end)
        job = None if config is None else Job.from_config(config)


def open_process(setup: Setup, ranks: Ranks = ALONE) -> Process:
    store = Store(setup.run, setup.session)
    signs = pulse_of(setup.process) if ranks.first and setup.process else ""
    pulse = Pulse(store, signs)
    disk = OwnDisk(setup.limit) if setup.own_disk else None
    inputs = Inputs(store, setup.cache, pulse, setup.streamed, disk)
    return Process(setup, store, inputs, ranks, pulse)


def run_job(job: Job, process: Process, line: Line) -> dict[str, Any]:
    """Train what is left of the job's unit, and what there is to report of its end.

    One that fails does not end the process.

    Of several ranks, one that fails alone cannot reach those that wait for it. It writes why and
    raises, so that all are started again (running/schedule.py), and they pass the unit over.
    """
    unit, store, ranks = job.unit, process.store, process.ranks
    attempt = process.setup.attempt
    report = Reporter(job, line)
    report.started()
    try:
        if why := ranks.from_first(partial(read_failure, unit, store, attempt)):
            return report.end("failed", why)
        end = report.end("done" if train_unit(unit, process, report) else "stopped")
    except LostContact:  # not this unit's fault: all go on from its last epoch
        raise
    except Exception as error:  # this unit is lost, the others are not
        if is_away(error, store.root, store.session):
            store.await_folder()
            raise LostContact(f"{store.root} was away: {describe(error)}") from error
        if is_passing(error):  # it was waited for already: once more, from the last epoch
            raise LostContact(describe(error)) from error
        alone = ranks.size > 1 and not isinstance(error, RaisedByAll)
        if alone or ranks.first:
            with suppress(OSError):  # a full disk takes no reasons
                store.write(f"{unit.path}/failed.txt", traceback.format_exc())
        if alone:
            write_failure(unit, store, attempt, describe(error))
            raise
        end = report.end("failed", describe(error))
    for note in ranks.from_first(process.inputs.notes):
        report.note(note)
    return end


def _release(process: Process) -> None:
    """What the unit's network held, before another's is built."""
    gc.collect()
    if process.setup.gpus:
        import torch

        torch.cuda.empty_cache()  # nothing, where there is none
