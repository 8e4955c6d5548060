"""The loop of a training process: units one after the other, each resumed where it stopped.

All it needs stands in its job and in the run folder, so that a process that dies costs the epoch it
was in: every epoch leaves `state.pt` beside the unit's other files, and `unit.json`, written last,
marks the unit complete.

Where several processes train a unit, all run this loop and report alike, and the first writes the
files. What a file holds is read by the first and sent to the others: one that waits for the others
while those go on to something else would wait for ever.
"""

from __future__ import annotations

import traceback
from contextlib import suppress
from functools import partial
from typing import Any

from ensembles.store_errors import is_passing
from members.training.ranks import ALONE, LostContact, RaisedByAll, Ranks
from orchestrator.runs.presence import is_away
from orchestrator.runs.store import Store
from orchestrator.units.files import read_failure, write_failure
from orchestrator.worker.inputs import Inputs
from orchestrator.worker.job import Job
from orchestrator.worker.pulse import Pulse
from orchestrator.worker.reports import Reporter, Send, describe
from orchestrator.worker.train_unit import Process, train_unit


def train_units(config: dict[str, Any]) -> None:
    """Ray Train's loop: `config` as `Job.to_config` makes it."""
    import ray.train

    context = ray.train.get_context()
    ranks = Ranks(context.get_world_rank(), context.get_world_size())
    run_units(Job.from_config(config), ray.train.report, ranks)


def run_units(job: Job, send: Send, ranks: Ranks = ALONE) -> None:
    """Train what is left of the job's units, in order; one that fails does not stop the rest.

    Of several ranks, one that fails alone cannot reach those that wait for it. It writes why and
    raises, so that all are started again (running/schedule.py), and they pass the unit over.
    """
    store = Store(job.run, job.session)
    pulse = Pulse(store, job.pulse if ranks.first else "")
    process = Process(job, store, Inputs(store, job.cache, pulse), ranks, pulse)
    for unit in job.units:
        report = Reporter(unit, job.metric_of(unit), send)
        report.started()
        try:
            if why := ranks.from_first(partial(read_failure, unit, store, job.attempt)):
                report.failed(why)
                continue
            train_unit(unit, process, report)
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
                write_failure(unit, store, job.attempt, describe(error))
                raise
            report.failed(describe(error))
        for line in ranks.from_first(process.inputs.damage):
            report.note(line)
