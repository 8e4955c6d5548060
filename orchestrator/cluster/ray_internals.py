"""All that is imported from Ray's private modules: what it buys, and what is done without it.

A Ray of another minor version may lack any of it. Then the public way is taken, which is slower.

Processor seconds that a run of two small units takes in all processes of Ray, the mean of four runs
on two busy cores with Ray 2.60: 32 as here and 60 the public way. Of these 28,

    TrainController, no actor of its own                          10
    _QueueActor, which brings reports to Tune from there           5
    DatasetManager, for datasets that there are none of            4
    ray.train.torch, which TorchTrainer stands in, not imported    4
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class TrainParts:
    """trainer: called as `ray.train.torch.TorchTrainer` is; report_to_tune: makes the callback of
    its run that passes the first rank's reports to the Tune trial it runs in."""

    trainer: Callable[..., Any]
    report_to_tune: Callable[[], Any]


def train_parts() -> TrainParts:
    try:
        return _in_one_process()
    except (ImportError, AttributeError):
        return _public()


def _public() -> TrainParts:
    from ray.train.torch import TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    return TrainParts(TorchTrainer, TuneReportCallback)


def _in_one_process() -> TrainParts:
    """A trainer whose controller runs in the trial's process, without an actor for datasets.

    Raises ImportError or AttributeError where this Ray has no such parts.
    """
    import ray.train
    from ray import tune
    from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
    from ray.train.v2._internal.execution.controller import TrainController
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    # overriding methods that are no longer called would change nothing, and say nothing
    for name in ("_create_default_callbacks", "_initialize_and_run_controller"):
        getattr(DataParallelTrainer, name)
    if not inspect.iscoroutinefunction(TrainController.run):
        raise AttributeError("TrainController.run is no coroutine")

    class ReportToTune(ray.train.UserCallback):
        """As `TuneReportCallback`, without the queue that it starts for another process."""

        def after_report(self, run_context, metrics, checkpoint) -> None:
            tune.report(metrics[0])

    class Trainer(DataParallelTrainer):
        def __init__(self, train_loop_per_worker, *, torch_config=None, **rest):
            super().__init__(train_loop_per_worker, backend_config=torch_config, **rest)

        def _create_default_callbacks(self) -> list:
            callbacks = super()._create_default_callbacks()
            return [c for c in callbacks if not isinstance(c, DatasetsCallback)]

        def _initialize_and_run_controller(self, **arguments) -> ray.train.Result:
            controller = TrainController(**arguments)
            asyncio.run(controller.run())
            return controller.get_result()

    return TrainParts(Trainer, ReportToTune)


def kill_trial(trial: Any) -> None:
    """Kill the process of a Tune trial, whatever it does; its Train workers end with it, wherever
    they run, also those that are stopped or hang.

    There is no public way: without this one such a trial keeps its slot.
    """
    import ray

    actor = getattr(trial.temporary_state, "ray_actor", None)
    if actor is not None:
        ray.kill(actor)


def resolved(address: str) -> str:
    """HOST:PORT of `address`; `auto` is the Ray of this job, or the one that runs on this machine.

    So every process joins the same one, and messages name it. The public way leaves `auto` to each
    `ray.init`.
    """
    try:
        from ray._private.services import canonicalize_bootstrap_address_or_die
    except ImportError:
        return address
    return canonicalize_bootstrap_address_or_die(address)
