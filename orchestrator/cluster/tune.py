"""The runs of a schedule as trials of Ray Tune, each of them one Ray Train run."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from orchestrator.cluster import ray_internals
from orchestrator.cluster.capacity import Capacity
from orchestrator.cluster.schedule import Schedule
from orchestrator.runs.store import Store
from orchestrator.worker.job import Job
from orchestrator.worker.loop import train_units

# A worker that dies (out of memory, a lost node) is started again this often; it resumes.
_WORKER_RESTARTS = 2


def run_all(schedule: Schedule, store: Store, capacity: Capacity) -> None:
    """Run the schedule to its end, as many at once as the cluster holds at any time.

    Ray's own files go below `ray/`, which is removed after.
    """
    name = f"run-{uuid.uuid4().hex[:8]}"
    tuner = tune.Tuner(
        # The Train worker holds the slot. A trial must request something, and any share of a CPU
        # would be missing where the workers need them all: so, a byte of memory.
        tune.with_resources(run_trial, {"memory": 1}),
        tune_config=tune.TuneConfig(
            search_alg=_Trials(schedule, capacity),
            scheduler=_Reports(schedule),
            num_samples=-1,
            max_concurrent_trials=None,  # the schedule itself starts no more than there are slots
            reuse_actors=False,
        ),
        run_config=tune.RunConfig(name=name, storage_path=store.uri("ray"), verbose=0),
    )
    try:
        tuner.fit()
    finally:
        store.delete("ray")


class _Trials(Searcher):
    """Takes a trial's config from the schedule, and reports when a trial is over."""

    def __init__(self, schedule: Schedule, capacity: Capacity):
        super().__init__()
        self._schedule, self._capacity = schedule, capacity

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
        self._schedule.end(trial_id, died=error)

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
        stop = self._schedule.report(trial.trial_id, result)
        return TrialScheduler.STOP if stop else TrialScheduler.CONTINUE


def run_trial(config: dict[str, Any]) -> None:
    """One Tune trial: a Ray Train run over the units of a job."""
    import ray.train

    job = Job.from_config(config)
    backend, restarts = None, _WORKER_RESTARTS
    if job.workers > 1:
        from ray.train.torch import TorchConfig  # costs seconds

        # what stands in a GPU's memory goes by NCCL, what else the ranks send each other by gloo
        backend = TorchConfig("cpu:gloo,cuda:nccl" if job.gpus else "gloo")
        restarts += len(job.units)  # a unit that fails on one rank takes one, see run_units
    name = f"train-{uuid.uuid4().hex[:8]}"
    parts = ray_internals.train_parts()
    trainer = parts.trainer(
        train_units,
        train_loop_config=replace(job, attempt=name).to_config(),
        torch_config=backend,
        scaling_config=ray.train.ScalingConfig(
            num_workers=job.workers,
            use_gpu=job.gpus > 0,
            resources_per_worker={"CPU": job.cpus, "GPU": job.gpus},
        ),
        run_config=ray.train.RunConfig(
            name=name,
            storage_path=Store(job.run).uri("ray"),
            callbacks=[parts.report_to_tune()],
            failure_config=ray.train.FailureConfig(
                max_failures=restarts,
                controller_failure_limit=_WORKER_RESTARTS,  # type: ignore[call-arg]  # of Train v2
            ),
        ),
    )
    trainer.fit()
