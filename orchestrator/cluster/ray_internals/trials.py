"""Training as Tune trials, with fewer processes than the public way takes.

A Ray of another minor version may lack any of what this needs. Then the public way is taken.

What a process of Ray costs here in processor seconds, on two busy cores with Ray 2.60; each of these
is started once a slot, the last two once a run:

    TrainController, no actor of its own                           5
    _QueueActor, which brings reports to Tune from there         2.5
    DatasetManager, for datasets that there are none of            2
    ray.train.torch, which TorchTrainer stands in, not imported    2
    PlacementGroupCleaner, see `free_slot`                       2.8
    _AutoscalingCoordinatorActor, where no node can come         1.4
    the dashboard and its parts, which only that cleaner asks    7.5
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.cluster.ray_internals.replaced import replaced

_END_OF_LOG = 100_000  # characters


@dataclass(frozen=True)
class TrainParts:
    """trainer: called as `ray.train.torch.TorchTrainer` is; report_to_tune: makes the callback of
    its run that passes the first rank's reports to the Tune trial it runs in."""

    trainer: Callable[..., Any]
    report_to_tune: Callable[[], Any]


def train_parts(grows: bool = True) -> TrainParts:
    """grows: whether nodes may come, for which Train then asks."""
    try:
        return _in_one_process(grows)
    except (ImportError, AttributeError):
        return _public()


def asks_the_dashboard() -> bool:
    """Whether the slot of a stopped trial comes free only where the State API answers, which the
    dashboard does: the cleaner of Train's own asks it."""
    try:
        _in_one_process(True)
    except (ImportError, AttributeError):
        return True
    return False


def _public() -> TrainParts:
    from ray.train.torch import TorchTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    return TrainParts(TorchTrainer, TuneReportCallback)


def _in_one_process(grows: bool) -> TrainParts:
    """A trainer whose controller runs in the trial's process, without actors for datasets and for slots.

    Raises ImportError or AttributeError where this Ray has no such parts.
    """
    import ray.train
    import ray.util
    from ray import tune
    from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
    from ray.train.v2._internal.callbacks.placement_group_callback import (
        PlacementGroupCleanerCallback,
    )
    from ray.train.v2._internal.execution.controller import TrainController
    from ray.train.v2._internal.execution.scaling_policy import FixedScalingPolicy
    from ray.train.v2._internal.execution.worker_group import WorkerGroup
    from ray.train.v2._internal.execution.worker_group.placement_group_handle import (
        DefaultPlacementGroupHandle,
    )
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    # overriding methods that are no longer called would change nothing, and say nothing
    for name in ("_create_default_callbacks", "_initialize_and_run_controller"):
        getattr(DataParallelTrainer, name)
    WorkerGroup._create_placement_group, WorkerGroup._get_worker_runtime_env  # noqa: B018
    FixedScalingPolicy._maybe_send_resource_request  # noqa: B018
    if not inspect.iscoroutinefunction(TrainController.run):
        raise AttributeError("TrainController.run is no coroutine")

    class ReportToTune(ray.train.UserCallback):
        """As `TuneReportCallback`, without the queue that it starts for another process."""

        def after_report(self, run_context, metrics, checkpoint) -> None:
            tune.report(metrics[0])

    class Group(WorkerGroup):
        @staticmethod
        def _get_worker_runtime_env(custom_runtime_env):
            """Where Ray was started here nothing is to be set up, see `trials_inherit`."""
            return WorkerGroup._get_worker_runtime_env(custom_runtime_env) if grows else {}

        def _create_placement_group(self, scaling_config, worker_group_context):
            """As the one that it overrides, with a name by which `free_slot` finds it."""
            wanted = worker_group_context
            group = ray.util.placement_group(
                bundles=[wanted.resources_per_worker] * wanted.num_workers,
                strategy=wanted.placement_strategy,
                bundle_label_selector=wanted.label_selector,
                name=_slot_of(tune.get_context().get_trial_id()),
            )
            return DefaultPlacementGroupHandle(group)

    class Controller(TrainController):
        worker_group_cls = Group

    class Silent(FixedScalingPolicy):
        """Asks nobody for nodes."""

        def after_controller_start(self, train_run_context) -> None:
            pass

        def _maybe_send_resource_request(self) -> None:
            pass

    not_wanted = (DatasetsCallback, PlacementGroupCleanerCallback)

    class Trainer(DataParallelTrainer):
        def __init__(self, train_loop_per_worker, *, torch_config=None, **rest):
            super().__init__(train_loop_per_worker, backend_config=torch_config, **rest)

        def _create_default_callbacks(self) -> list:
            callbacks = super()._create_default_callbacks()
            return [c for c in callbacks if not isinstance(c, not_wanted)]

        def _initialize_and_run_controller(self, **arguments) -> ray.train.Result:
            if not grows:
                arguments["scaling_policy"] = Silent(arguments["scaling_policy"].scaling_config)
            controller = Controller(**arguments)
            asyncio.run(controller.run())
            return controller.get_result()

    return TrainParts(Trainer, ReportToTune)


def trials_inherit() -> AbstractContextManager[None]:
    """Trials of a Ray that was started here, with all that they need in its environment, use processes as
    it has them ready.

    Tune gives each an environment of its own, which costs .4 CPU seconds a process, and has the agent
    for environments log AWS_SECRET_ACCESS_KEY where that is set.
    """
    nothing: dict[str, Any] = {"DEFAULT_ENV_VARS": {}, "ENV_VARS_TO_PROPAGATE": set()}
    return replaced("ray.tune.execution.class_cache", **nothing)


def callbacks_uncounted() -> AbstractContextManager[None]:
    """Tune begins without a count of the kinds of callbacks for its usage statistics, which are off.

    To know them it imports W&B, MLflow and Comet where they are installed, which takes 2 s.
    """
    return replaced("ray.air._internal.usage", tag_callbacks=lambda callbacks: False)


def kill_trial(trial: Any) -> None:
    """Kill the process of a Tune trial, whatever it does; its Train workers end with it, wherever
    they run, also those that are stopped or hang.

    There is no public way: without this one such a trial keeps its slot.
    """
    import ray

    actor = getattr(trial.temporary_state, "ray_actor", None)
    if actor is not None:
        ray.kill(actor)


def free_slot(trial_id: str) -> None:
    """Give back what the Train workers of a trial ran in, or were to; nothing where that is done.

    The process that leads them does so at their end. Where that one is killed or stopped, its placement
    group, and with it the CPUs and GPUs, would belong to nobody for as long as the command lives. Train
    has an actor for it, one a run, which does so only where the group had started and the State API
    answers.
    """
    import ray

    with suppress(ValueError):  # there is none
        ray.util.remove_placement_group(ray.util.get_placement_group(_slot_of(trial_id)))


def _slot_of(trial_id: str) -> str:
    return f"slot-of-{trial_id}"


def errors_of_worker(actor: str, process: int, where: str) -> str:
    """The end of what a process of the joined Ray wrote on standard error; empty where it is not known.

    It is read from the folder of this machine's Ray, or asked for by the State API, where that answers.
    """
    import ray

    try:
        if where == ray.util.get_node_ip_address():
            from ray._private import worker

            node: Any = worker._global_node
            files = Path(node.get_logs_dir_path()).glob(f"worker-*-{process}.err")
            return "".join(file.read_text(errors="replace")[-_END_OF_LOG:] for file in files)
        from ray.util.state import get_log

        return "".join(get_log(actor_id=actor, suffix="err", tail=500, timeout=10))
    except Exception:  # whatever it is, a cause without the signal is one still
        return ""
