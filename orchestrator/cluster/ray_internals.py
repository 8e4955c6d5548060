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
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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


@contextmanager
def on_loopback() -> Iterator[None]:
    """A Ray that is started within the block listens on 127.0.0.1 alone, in all its processes.

    Ray does so where it is told that this machine is in no cluster: by an environment variable that
    its processes read when they import it. It has no option for it, and makes of
    `ray.init(_node_ip_address="127.0.0.1")` the address that other machines see.
    """
    name = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
    before = os.environ.get(name)
    os.environ[name] = "0"
    read: Any = None
    with suppress(ImportError):
        from ray._private import ray_constants as read
    enabled = getattr(read, "ENABLE_RAY_CLUSTER", None)
    if read is not None:
        read.ENABLE_RAY_CLUSTER = False  # in this process, which has imported it
    try:
        yield
    finally:
        if read is not None:
            read.ENABLE_RAY_CLUSTER = enabled
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


def silence() -> None:
    """Ray prints what goes wrong in its other processes on standard output, logs included."""
    with suppress(ImportError, AttributeError):
        from ray._private import worker

        worker.print_to_stdstream  # noqa: B018  # where there is none, nothing is to be replaced
        worker.print_to_stdstream = lambda *data, **options: None


@contextmanager
def without_signal_handlers() -> Iterator[None]:
    """`ray.init` leaves SIGTERM alone: its handlers would end the process in its own ways."""
    try:
        from ray._private import utils

        handler = utils.set_sigterm_handler
    except (ImportError, AttributeError):
        yield
        return
    utils.set_sigterm_handler = lambda handler: None
    try:
        yield
    finally:
        utils.set_sigterm_handler = handler
