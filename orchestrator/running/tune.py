"""The runs of a schedule as trials of Ray Tune, each of them one Ray Train run."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from orchestrator.cluster import machine, ray_internals
from orchestrator.running import causes
from orchestrator.running.capacity import Capacity
from orchestrator.running.schedule import Schedule
from orchestrator.runs.store import Store
from orchestrator.worker.job import Job
from orchestrator.worker.loop import train_units

# Of the head's memory, what may be taken by the processes that lead trials, and what each takes
_SHARE_OF_HEAD = 0.5
_LEADER_BYTES = 300e6
_HEAD = "node:__internal_head__"  # a resource that Ray gives to the head alone


def run_all(schedule: Schedule, store: Store, capacity: Capacity) -> None:
    """Run the schedule to its end, as many at once as the cluster holds at any time.

    What Ray writes for itself goes to a folder of this machine: it is of no use later, and a run
    folder on a shared disk that is away for a minute would end the training by it.
    """
    os.environ["TUNE_PRINT_ALL_TRIAL_ERRORS"] = "0"  # the schedule names every death itself
    capacity.follow(schedule)
    own = tempfile.TemporaryDirectory(prefix="ensemble-tune-", ignore_cleanup_errors=True)
    tuner = tune.Tuner(
        tune.with_resources(
            run_trial, tune.PlacementGroupFactory([_leader_resources(schedule.expected)])
        ),
        tune_config=tune.TuneConfig(
            search_alg=_Trials(schedule, capacity),
            scheduler=_Reports(schedule),
            num_samples=-1,
            max_concurrent_trials=None,  # the schedule itself starts no more than there are slots
            reuse_actors=False,
        ),
        run_config=tune.RunConfig(
            name="runs",
            storage_path=own.name,
            callbacks=[_Watching(schedule)],
            verbose=0,
        ),
    )
    try:
        with own:
            tuner.fit()
    finally:
        with contextlib.suppress(OSError):  # the next call does it where the store is away
            store.delete("ray")  # the signs of life of the training processes


def _leader_resources(slots: int) -> dict[str, float]:
    """What the process that leads a trial requests; the Train workers hold the trial's slot.

    It must request something, and any share of a CPU would be missing where the workers need them
    all: so, a byte of memory. On the head, where all of them have room there: it is the node that
    lives as long as the command does.
    """
    for node in ray.nodes():
        has = node["Resources"]
        head = node["Alive"] and _HEAD in has
        if head and slots * _LEADER_BYTES <= _SHARE_OF_HEAD * has.get("memory", 0):
            return {"memory": 1, _HEAD: has[_HEAD] / 10_000}
    return {"memory": 1}


class _Trials(Searcher):
    """Takes a trial's config from the schedule, and reports when a trial is over."""

    def __init__(self, schedule: Schedule, capacity: Capacity):
        super().__init__()
        self._schedule, self._capacity = schedule, capacity
        self._dead: list[str] = []  # trials whose process died

    def suggest(  # type: ignore[override]  # Ray's annotation lacks its own `FINISHED`, a text
        self, trial_id: str
    ) -> dict[str, Any] | str | None:
        self._capacity.follow(self._schedule)
        job = self._schedule.start(trial_id)
        if job is not None:
            return job.to_config()
        return Searcher.FINISHED if self._schedule.is_over() else None

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Reports come through the scheduler, which can act on them."""

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False):
        if error:
            self._schedule.lost(trial_id, causes.LEADER)
            self._dead.append(trial_id)
        for dead in self._dead:  # all: what one asked for may be granted after its death
            ray_internals.free_slot(dead)
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
    """Passes every report to the schedule, and stops the candidates that it names."""

    def __init__(self, schedule: Schedule):
        super().__init__()
        self._schedule = schedule

    def __getstate__(self) -> dict:
        return {}

    def on_trial_result(self, tune_controller, trial, result) -> str:
        if "event" not in result:
            return TrialScheduler.CONTINUE
        if result["event"] == "died":
            self._schedule.lost(trial.trial_id, result["cause"])
            return TrialScheduler.CONTINUE
        stop = self._schedule.report(trial.trial_id, result)
        return TrialScheduler.STOP if stop else TrialScheduler.CONTINUE

    def on_trial_error(self, tune_controller, trial) -> None:
        """The trial's own process is gone; `on_trial_complete` of the searcher follows."""
        self._schedule.lost(trial.trial_id, causes.cause_of_leader(str(trial.get_error() or "")))
        super().on_trial_error(tune_controller, trial)


class _Watching(tune.Callback):
    """Kills the trials from which nothing comes any more; the schedule begins them again."""

    def __init__(self, schedule: Schedule):
        self._schedule, self._folder = schedule, Path.cwd()

    def __getstate__(self) -> dict:
        return {}

    def on_step_end(self, iteration: int, trials: list, **info: Any) -> None:
        _enter(self._folder)
        hanging = self._schedule.hanging()
        for trial in trials if hanging else ():
            if trial.trial_id in hanging:
                ray_internals.kill_trial(trial)


def _enter(folder: Path) -> None:
    """The working folder anew, where its disk was away and it has no path any more."""
    try:
        Path.cwd()
    except FileNotFoundError:
        with contextlib.suppress(OSError):  # it is away still
            os.chdir(folder)


def run_trial(config: dict[str, Any]) -> None:
    """One Tune trial: a Ray Train run over the units of a job."""
    import ray.train

    job = Job.from_config(config)
    backend = None
    if job.workers > 1:
        from ray.train.torch import TorchConfig  # costs seconds

        # what stands in a GPU's memory goes by NCCL, what else the ranks send each other by gloo
        backend = TorchConfig("cpu:gloo,cuda:nccl" if job.gpus else "gloo")
    parts = ray_internals.train_parts()
    own = tempfile.TemporaryDirectory(prefix="ensemble-train-", ignore_cleanup_errors=True)
    trainer = parts.trainer(
        train_units,
        train_loop_config=config,
        torch_config=backend,
        scaling_config=ray.train.ScalingConfig(
            num_workers=job.workers,
            use_gpu=job.gpus > 0,
            resources_per_worker={"CPU": job.cpus, "GPU": job.gpus},
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
