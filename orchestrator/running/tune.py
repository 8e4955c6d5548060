"""The processes of a schedule as trials of Ray Tune, each of them one Ray Train run."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from orchestrator.cluster import machine
from orchestrator.cluster.ray_internals.trials import (
    callbacks_uncounted,
    free_slot,
    kill_trial,
    train_parts,
    trials_inherit,
)
from orchestrator.running import causes
from orchestrator.running.capacity import Capacity
from orchestrator.running.schedule import Schedule
from orchestrator.runs.store import Store
from orchestrator.worker.answers import Answers, name_of_answers
from orchestrator.worker.job import Setup
from orchestrator.worker.line import GO_ON, STOP
from orchestrator.worker.on_ray import train_units
from orchestrator.worker.reports import ENDS

# Of the head's memory, what may be taken by the processes that lead trials, and what each takes
_SHARE_OF_HEAD = 0.5
_LEADER_BYTES = 300e6
_MOST_QUESTIONS = 100_000  # that may wait for their answers at once: one a process
_HEAD = "node:__internal_head__"  # a resource that Ray gives to the head alone


def run_all(schedule: Schedule, store: Store, setup: Setup, capacity: Capacity) -> None:
    """Run the schedule to its end, as many at once as the cluster holds at any time.

    setup: what all its processes have in common.

    What Ray writes for itself goes to a folder of this machine: it is of no use later, and a run
    folder on a shared disk that is away for a minute would end the training by it.
    """
    os.environ["TUNE_PRINT_ALL_TRIAL_ERRORS"] = "0"  # the schedule names every death itself
    capacity.follow(schedule)
    own = tempfile.TemporaryDirectory(prefix="ensemble-tune-", ignore_cleanup_errors=True)
    on_head = _resources_on_head(max(schedule.slots, schedule.wanted()))
    desk = _Desk(schedule, setup.attempt, on_head)
    tuner = tune.Tuner(
        # a leader must request something, and any share of a CPU would be missing where the workers
        # need them all
        tune.with_resources(run_trial, tune.PlacementGroupFactory([{"memory": 1, **on_head}])),
        tune_config=tune.TuneConfig(
            search_alg=_Trials(schedule, setup, capacity),
            scheduler=_Reports(schedule, desk),
            num_samples=-1,
            max_concurrent_trials=None,  # the schedule itself starts no more than there are slots
            reuse_actors=False,
        ),
        run_config=tune.RunConfig(
            name="runs",
            storage_path=own.name,
            callbacks=[_Watching(schedule, desk)],
            verbose=0,
        ),
    )
    inherit = contextlib.nullcontext() if setup.grows else trials_inherit()
    try:
        with own, inherit, callbacks_uncounted():
            tuner.fit()
    finally:
        with contextlib.suppress(OSError):  # the next call does it where the store is away
            store.delete("ray")  # the signs of life of the training processes


def _resources_on_head(slots: int) -> dict[str, float]:
    """What keeps the process that leads a trial, one a slot, on the head, where all have room there.

    That is the node that lives as long as the command does.
    """
    for node in ray.nodes():
        has = node["Resources"]
        head = node["Alive"] and _HEAD in has
        if head and slots * _LEADER_BYTES <= _SHARE_OF_HEAD * has.get("memory", 0):
            return {_HEAD: has[_HEAD] / 10_000}
    return {}


class _Desk:
    """Answers what processes ask: whether a candidate goes on, and what to train next."""

    def __init__(self, schedule: Schedule, attempt: str, resources: dict[str, float]):
        self._schedule = schedule
        self._asked: dict[str, int] = {}  # process -> number of its question
        actor = ray.remote(Answers).options(
            name=name_of_answers(attempt),
            num_cpus=0,
            resources=resources,
            max_concurrency=_MOST_QUESTIONS,
        )
        self._answers: Any = actor.remote()  # Any: Ray's own type of it knows no `remote`

    def __getstate__(self) -> dict:
        return {}

    def verdict(self, process: str, asked: int, stop: bool) -> None:
        self._answers.give.remote(process, asked, STOP if stop else GO_ON)

    def idle(self, process: str, asked: int) -> None:
        self._asked[process] = asked
        self._schedule.idle(process)
        self.give_out()

    def give_out(self) -> None:
        """Jobs for those that have none."""
        for process, job in self._schedule.answers():
            config = None if job is None else job.to_config()
            self._answers.give.remote(process, self._asked.pop(process), config)


class _Trials(Searcher):
    """Takes a trial's config from the schedule, and reports when a trial is over."""

    def __init__(self, schedule: Schedule, setup: Setup, capacity: Capacity):
        super().__init__()
        self._schedule, self._setup, self._capacity = schedule, setup, capacity
        self._dead: list[str] = []  # trials whose process died

    def suggest(  # type: ignore[override]  # Ray's annotation lacks its own `FINISHED`, a text
        self, trial_id: str
    ) -> dict[str, Any] | str | None:
        self._capacity.follow(self._schedule)
        job = self._schedule.start(trial_id)
        if job is not None:
            setup = replace(self._setup, process=trial_id)
            return {"setup": setup.to_config(), "job": job.to_config()}
        return Searcher.FINISHED if self._schedule.is_over() else None

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Reports come through the scheduler, which can act on them."""

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False):
        if error:
            self._schedule.lost(trial_id, causes.LEADER)
            self._dead.append(trial_id)
        # all that died: what one asked for may be granted after its death
        for over in {*self._dead, trial_id}:
            free_slot(over)
        self._schedule.end(trial_id)

    def set_search_properties(self, metric, mode, config, **spec) -> bool:
        return True

    def save(self, checkpoint_path: str) -> None:
        """Nothing: what a later call needs stands in the run folder."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, see `save`."""

    def __getstate__(self) -> dict:
        """Nothing either; Tune pickles it at its start, for a restore that is never used."""
        return {}


class _Reports(FIFOScheduler):
    """Passes every report to the schedule, and every question to the desk."""

    def __init__(self, schedule: Schedule, desk: _Desk):
        super().__init__()
        self._schedule, self._desk = schedule, desk

    def __getstate__(self) -> dict:
        return {}

    def on_trial_result(self, tune_controller, trial, result) -> str:
        process, event, asked = trial.trial_id, result.get("event"), result.get("asked")
        if event == "died":
            self._schedule.lost(process, result["cause"])
        elif event is not None:
            stop = self._schedule.report(process, result)
            if event in ENDS:
                self._desk.idle(process, result["asked"])
            elif asked:
                self._desk.verdict(process, asked, stop)
            elif stop:  # by rungs that are not those of `rungs_of`: it does not ask
                return TrialScheduler.STOP
        return TrialScheduler.CONTINUE

    def on_trial_error(self, tune_controller, trial) -> None:
        """The trial's own process is gone; `on_trial_complete` of the searcher follows."""
        self._schedule.lost(trial.trial_id, causes.cause_of_leader(str(trial.get_error() or "")))
        super().on_trial_error(tune_controller, trial)


class _Watching(tune.Callback):
    """Kills the trials from which nothing comes any more, and those that have no time left; of the former
    the schedule begins the units again."""

    def __init__(self, schedule: Schedule, desk: _Desk):
        self._schedule, self._desk, self._folder = schedule, desk, Path.cwd()

    def __getstate__(self) -> dict:
        return {}

    def on_step_end(self, iteration: int, trials: list, **info: Any) -> None:
        _enter(self._folder)
        self._desk.give_out()
        to_kill = {*self._schedule.hanging(), *self._schedule.overdue()}
        for trial in trials if to_kill else ():
            if trial.trial_id in to_kill:
                kill_trial(trial)


def _enter(folder: Path) -> None:
    """The working folder anew, where its disk was away and it has no path any more."""
    try:
        Path.cwd()
    except FileNotFoundError:
        with contextlib.suppress(OSError):  # it is away still
            os.chdir(folder)


def run_trial(config: dict[str, Any]) -> None:
    """One Tune trial: a Ray Train run, which trains unit after unit."""
    import ray.train

    setup = Setup.from_config(config["setup"])
    backend = None
    if setup.workers > 1:
        from ray.train.torch import TorchConfig  # costs seconds

        # what stands in a GPU's memory goes by NCCL, what else the ranks send each other by gloo
        backend = TorchConfig("cpu:gloo,cuda:nccl" if setup.gpus else "gloo")
    parts = train_parts(setup.grows)
    own = tempfile.TemporaryDirectory(prefix="ensemble-train-", ignore_cleanup_errors=True)
    trainer = parts.trainer(
        train_units,
        train_loop_config=config,
        torch_config=backend,
        scaling_config=ray.train.ScalingConfig(
            num_workers=setup.workers,
            use_gpu=setup.gpus > 0,
            resources_per_worker={"CPU": setup.cpus, "GPU": setup.gpus},
        ),
        run_config=ray.train.RunConfig(
            name="train",
            storage_path=own.name,
            callbacks=[parts.report_to_tune()],
            # the schedule counts what died, and begins it again in another run
            failure_config=ray.train.FailureConfig(
                max_failures=0,
                controller_failure_limit=0,  # type: ignore[call-arg]  # of Train v2
            ),
        ),
    )
    kills = machine.oom_kills()
    try:
        with own:
            trainer.fit()
    except ray.train.TrainingFailedError as error:
        cause = machine.why_it_died(causes.cause_of(error), kills)
        tune.report({"event": "died", "cause": cause})
