"""Ray Tune runs the units: candidates of searches and cross-fit units in one pool of slots.

A *run* is one Ray Train worker group (one process, or as many as `resources.workers` says) that
trains one or more units of one member, one after the other. Tune asks `Schedule` what to run next
whenever a slot is free. Candidates go first, because the other folds of their member wait for them;
the remaining slots are filled with units, the costliest first, so that one big network does not
decide the wall time.
"""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from . import member_metrics
from .cluster import Cluster
from .progress import Progress
from .search import MemberSearch
from .spec import Member, Spec
from .store import Store
from .units import Unit
from .worker import train_units

# A worker that dies (out of memory, a lost node) is started again this often; it resumes.
_WORKER_RESTARTS = 2


def units_per_run(available: int, cost: float, outstanding: float, slots: int) -> int:
    """How many units of one member the next run takes.

    Starting a run costs seconds, so units share one where slots are few; sharing too many leaves
    slots idle at the end. As in guided self-scheduling each run takes a slot's share of what is
    still outstanding (queued and running; same scale as `cost`, that of one unit): large runs
    first, single units last.
    """
    share = outstanding / slots / cost
    return max(1, min(available, math.ceil(share - 1e-9)))


@dataclass
class _Run:
    """Units on their way through one Tune trial."""

    units: list[Unit]
    candidate: tuple[str, int] | None = None
    ended: dict[str, str] = field(default_factory=dict)  # unit's path -> "done" or the failure
    given: float = field(default_factory=time.monotonic)
    first_report: float | None = None
    last_report: float | None = None

    def title(self, unit: Unit) -> str:
        return f"{unit.member.name} candidate {self.candidate[1]}" if self.candidate else unit.title


class Schedule(Searcher):
    """Hands runs to Tune, and keeps the books: what is queued, running, done and failed."""

    def __init__(
        self,
        units: Sequence[Unit],
        searches: dict[str, MemberSearch],
        units_left: Callable[[Member], list[Unit]],
        cost: Callable[[Member], float],
        slots: int,
        config: dict[str, Any],
        progress: Progress,
    ):
        super().__init__()
        self.queue = sorted(units, key=lambda u: -cost(u.member))
        self.searches = dict(searches)
        self.winners: dict[str, dict[str, Any]] = {}
        self.left_out: list[str] = []  # members whose candidates lost to those of others
        self.failures: dict[str, str] = {}
        self.trained = 0  # units, candidates that trained to their end included
        # slot-seconds of all runs: until a worker's first report, until its last, until it is gone
        self.seconds = {"starting": 0.0, "working": 0.0, "ending": 0.0}
        self.runs: dict[str, _Run] = {}
        self._units_left, self._cost, self._slots = units_left, cost, slots
        self._config, self._progress = config, progress
        for name in list(self.searches):
            self._close_search(name)

    # -- Tune asks ---------------------------------------------------------------------------

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        if len(self.runs) >= self._slots:
            return None
        run = self._next_run()
        if run is None:
            return None if self.runs or self.searches else Searcher.FINISHED
        self.runs[trial_id] = run
        self._progress.started({unit.path: run.title(unit) for unit in run.units}, run.units)
        metric = run.units[0].member.recipe.metric
        if run.candidate:
            metric = self.searches[run.candidate[0]].search.metric
        return {
            **self._config,
            "units": [unit.config() for unit in run.units],
            "metric": metric,
            "worst_score": member_metrics.worst(metric),
        }

    def _next_run(self) -> _Run | None:
        # in turns: members that compete meet early, and each learns from what it has behind it
        for name, search in sorted(self.searches.items(), key=lambda item: item[1].begun):
            asked = search.ask()
            if asked:
                candidate, unit = asked
                self._progress.expect([unit])
                return _Run([unit], (name, candidate.number))
            self._close_search(name)  # its space or its hours may be used up
        if not self.queue:
            return None
        first = self.queue[0]
        same = [u for u in self.queue if u.hash == first.hash and u.member == first.member]
        n = units_per_run(len(same), self._cost(first.member), self._outstanding(), self._slots)
        units = same[:n]
        self.queue = [u for u in self.queue if u not in units]
        return _Run(units)

    def _outstanding(self) -> float:
        running = [u for run in self.runs.values() for u in run.units if u.path not in run.ended]
        waiting = [
            u for name in self.searches for u in self._units_left(self.searches[name].member)
        ]
        return sum(self._cost(u.member) for u in [*self.queue, *running, *waiting])

    # -- Tune tells --------------------------------------------------------------------------

    def report(self, trial_id: str, result: dict[str, Any]) -> bool:
        """One report of a worker; True where ASHA stops the candidate."""
        run = self.runs[trial_id]
        run.last_report = time.monotonic()
        run.first_report = run.first_report or run.last_report
        if result["event"] == "failed":
            run.ended[result["unit"]] = result["message"]
        elif result["event"] == "done":
            run.ended[result["unit"]] = "done"
        self._progress.reported(result)
        if run.candidate and result["event"] == "epoch":
            name, number = run.candidate
            reason = self.searches[name].epoch(number, result["epoch"], result["value"])
            if reason:
                self._progress.note(f"{name}: candidate {number} stopped by {reason}")
                return True
        return False

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Reports come through the scheduler, which can act on them."""

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False):
        run = self.runs.pop(trial_id)
        self._clock(run)
        lost = "its training process died; see the Ray logs" if error else "stopped"
        outcome = {u.path: run.ended.get(u.path, lost) for u in run.units}
        self.trained += sum(why == "done" for why in outcome.values())
        if run.candidate:
            self._candidate_ended(run, outcome[run.units[0].path])
            return
        self.failures |= {u.title: outcome[u.path] for u in run.units if outcome[u.path] != "done"}
        self._progress.ended(outcome)

    def _clock(self, run: _Run) -> None:
        now = time.monotonic()
        first, last = run.first_report or now, run.last_report or now
        self.seconds["starting"] += first - run.given
        self.seconds["working"] += last - first
        self.seconds["ending"] += now - last

    def _candidate_ended(self, run: _Run, outcome: str) -> None:
        name, number = run.candidate
        search = self.searches[name]
        search.ended(number, *(("done", "") if outcome == "done" else ("failed", outcome)))
        self._progress.ended({run.units[0].path: search.candidates[number].state})
        self._close_search(name)

    def _close_search(self, name: str) -> None:
        """Where all candidates of a search are behind us, queue what is left of its member."""
        search = self.searches[name]
        if not search.is_over():
            return
        del self.searches[name]
        search.save()
        winner = search.winner()
        if search.is_left_out():
            self.left_out.append(name)
            return
        if winner is None:
            reasons = "; ".join(sorted({c.reason for c in search.candidates}))
            self.failures[f"{name} (search)"] = f"no candidate trained to its end: {reasons}"
            return
        self.winners[name] = winner.settings
        settings = ", ".join(f"{k}={_short(v)}" for k, v in winner.settings.items())
        self._progress.note(
            f"{name}: candidate {winner.number} of {len(search.candidates)} wins with "
            f"{search.search.metric} {winner.score:.4f} on fold {search.search.fold}: {settings}"
        )
        units = self._units_left(search.member.with_settings(winner.settings))
        self.queue = sorted([*self.queue, *units], key=lambda u: -self._cost(u.member))
        self._progress.expect(units)

    # -- what Tune wants of a searcher -------------------------------------------------------

    def set_search_properties(self, metric, mode, config, **spec) -> bool:
        return True

    def save(self, checkpoint_path: str) -> None:
        """Nothing: what a later call needs stands in the run folder."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, see `save`."""

    def __getstate__(self) -> dict:
        """Nothing either; Tune pickles itself at its start, for a restore that is never used."""
        return {}


class _StopWhereAsked(FIFOScheduler):
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


def run_all(schedule: Schedule, store: Store, cluster: Cluster) -> None:
    """Run the schedule to its end. Ray's own files go below `ray/`, which is removed after."""
    name = f"run-{uuid.uuid4().hex[:8]}"
    tuner = tune.Tuner(
        # The Train worker holds the slot. A trial must ask for something, and any share of a CPU
        # would be missing where the workers want them all: so, a byte of memory.
        tune.with_resources(_trial, {"memory": 1}),
        tune_config=tune.TuneConfig(
            search_alg=schedule,
            scheduler=_StopWhereAsked(schedule),
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


def _trial(config: dict[str, Any]) -> None:
    """One Tune trial: a Ray Train run over the units of `config`."""
    import ray.train
    from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
    from ray.train.v2._internal.execution.controller import TrainController
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    class ReportToTune(ray.train.UserCallback):
        """What the first rank reports; as `TuneReportCallback`, without a process between."""

        def after_report(self, run_context, metrics, checkpoint) -> None:
            tune.report(metrics[0])

    class Trainer(DataParallelTrainer):
        """Its controller runs in this process, and nobody deals out datasets: there are none.

        Each process that is not started saves two seconds of a processor in every run.
        """

        def _create_default_callbacks(self) -> list:
            callbacks = super()._create_default_callbacks()
            return [c for c in callbacks if not isinstance(c, DatasetsCallback)]

        def _initialize_and_run_controller(self, **arguments) -> ray.train.Result:
            controller = TrainController(**arguments)
            asyncio.run(controller.run())
            return controller.get_result()

    resources = {"CPU": config["cpus"], "GPU": config["gpus"]}
    workers, backend = config["workers"], None
    restarts = _WORKER_RESTARTS
    if workers > 1:
        from ray.train.torch import TorchConfig  # costs seconds

        # what stands in a GPU's memory goes by NCCL, what the ranks tell each other by gloo
        backend = TorchConfig("cpu:gloo,cuda:nccl" if config["gpus"] else "gloo")
        restarts += len(config["units"])  # a unit that fails on one rank takes one, see run_units
    name = f"train-{uuid.uuid4().hex[:8]}"
    trainer = Trainer(
        train_units,
        train_loop_config={**config, "attempt": name},
        backend_config=backend,
        scaling_config=ray.train.ScalingConfig(
            num_workers=workers, use_gpu=config["gpus"] > 0, resources_per_worker=resources
        ),
        run_config=ray.train.RunConfig(
            name=name,
            storage_path=Store(config["run"]).uri("ray"),
            callbacks=[ReportToTune()],
            failure_config=ray.train.FailureConfig(
                max_failures=restarts, controller_failure_limit=_WORKER_RESTARTS
            ),
        ),
    )
    trainer.fit()


def base_config(spec: Spec, store: Store, cluster: Cluster, cache: str | None) -> dict:
    """The part of a run's config that all runs share."""
    resources = spec.resources
    return {
        "run": store.root,
        "project": spec.name,
        "tracking": list(spec.tracking),
        "cache": cache,
        "cpus": resources.cpus,
        "gpus": cluster.gpus_each(resources),
        "workers": resources.workers,
        "loader_workers": resources.loader_workers,
    }


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
