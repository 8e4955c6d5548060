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
import json
import os
from collections import Counter
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
    import ray.util
    from ray import tune
    from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
    from ray.train.v2._internal.execution.controller import TrainController
    from ray.train.v2._internal.execution.worker_group import WorkerGroup
    from ray.train.v2._internal.execution.worker_group.placement_group_handle import (
        DefaultPlacementGroupHandle,
    )
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    # overriding methods that are no longer called would change nothing, and say nothing
    for name in ("_create_default_callbacks", "_initialize_and_run_controller"):
        getattr(DataParallelTrainer, name)
    WorkerGroup._create_placement_group  # noqa: B018
    if not inspect.iscoroutinefunction(TrainController.run):
        raise AttributeError("TrainController.run is no coroutine")

    class ReportToTune(ray.train.UserCallback):
        """As `TuneReportCallback`, without the queue that it starts for another process."""

        def after_report(self, run_context, metrics, checkpoint) -> None:
            tune.report(metrics[0])

    class Group(WorkerGroup):
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

    class Trainer(DataParallelTrainer):
        def __init__(self, train_loop_per_worker, *, torch_config=None, **rest):
            super().__init__(train_loop_per_worker, backend_config=torch_config, **rest)

        def _create_default_callbacks(self) -> list:
            callbacks = super()._create_default_callbacks()
            return [c for c in callbacks if not isinstance(c, DatasetsCallback)]

        def _initialize_and_run_controller(self, **arguments) -> ray.train.Result:
            controller = Controller(**arguments)
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


def free_slot(trial_id: str) -> None:
    """Give back what the Train workers of a trial whose process died were to run in.

    Ray does so only where their group had started: a process that is killed before leaves its
    placement group, and with it the CPUs and GPUs, to nobody for as long as the command lives.
    """
    import ray

    with suppress(ValueError):  # there is none
        ray.util.remove_placement_group(ray.util.get_placement_group(_slot_of(trial_id)))


def _slot_of(trial_id: str) -> str:
    return f"slot-of-{trial_id}"


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


def has_autoscaler(address: str) -> bool:
    """Whether the cluster can start nodes by itself. Without these parts of Ray: taken as it can.

    `ray start` runs one on every head; without node types it only looks, and calls the nodes
    `node_<id>`.
    """
    try:
        types = _node_types(address)
    except (ImportError, AttributeError, KeyError):
        return True
    return any(not name.startswith("node_") for name in types)


def nodes_to_come(address: str) -> str | None:
    """Nodes that the autoscaler starts, or tries to; None where there are none.

    Without these parts of Ray: that it is not known, so that a caller waits on.
    """
    try:
        coming, failed = _launches(address)
    except (ImportError, AttributeError, KeyError):
        return "this Ray does not tell whether its autoscaler starts any"
    texts = [f"{n} of type {name} being started" for name, n in coming.items()]
    texts += [f"type {name} could not be started: {why}" for name, why in failed.items()]
    return "; ".join(texts) or None


def ask_autoscaler(name: str, bundles: list[dict[str, float]], seconds: float) -> None:
    """That it has nodes for `bundles`, besides what others ask for, until `seconds` from now.

    Train asks for the nodes of its runs at the same place every 20 s, which would replace a request
    made the public way; that one also stays for ever where the command that made it is killed.
    """
    try:
        from ray.data._internal.cluster_autoscaler import default_autoscaling_coordinator as own

        coordinator = own.get_or_create_autoscaling_coordinator()
        ask = coordinator.request_resources.remote
    except (ImportError, AttributeError):
        from ray.autoscaler.sdk import request_resources

        request_resources(bundles=bundles)
        return
    ask(requester_id=name, resources=bundles, expire_after_s=seconds)


def withdraw(name: str) -> None:
    """What `ask_autoscaler` asked for."""
    import ray

    try:
        from ray.data._internal.cluster_autoscaler import default_autoscaling_coordinator as own

        coordinator = own.get_or_create_autoscaling_coordinator()
        withdrawn = coordinator.cancel_request.remote(name)
    except (ImportError, AttributeError):
        from ray.autoscaler.sdk import request_resources

        request_resources(bundles=[])
        return
    ray.get(withdrawn, timeout=10)


def serve_listens() -> tuple[str, int] | None:
    """Host and port of the Ray Serve that runs on the joined Ray already, None where none does.

    Of the options of a second start Serve takes none, and says so in its log alone. Without these parts
    of Ray: as if none ran.
    """
    try:
        from ray.serve.context import _get_global_client
        from ray.serve.exceptions import RayServeException
    except ImportError:
        return None
    try:
        options = _get_global_client().http_config  # type: ignore[union-attr]
    except (RayServeException, AttributeError):
        return None
    return str(options.host), int(options.port)


def _node_types(address: str) -> list[str]:
    from ray.autoscaler.v2.sdk import get_cluster_status

    if (report := _report_of_v1()) is not None:
        return list(report["node_type_mapping"].values())
    status = get_cluster_status(address)
    return [node.ray_node_type_name for node in [*status.active_nodes, *status.idle_nodes]]


def _launches(address: str) -> tuple[dict[str, int], dict[str, str]]:
    """Nodes on their way, by type, and why the last try at a type failed."""
    from ray.autoscaler.v2.sdk import get_cluster_status

    report = _report_of_v1()
    if report is None:
        status = get_cluster_status(address)
        names = [node.ray_node_type_name for node in status.pending_nodes]
        names += [
            one.ray_node_type_name for one in status.pending_launches for _ in range(one.count)
        ]
        failed = {one.ray_node_type_name: one.details or "?" for one in status.failed_launches}
        return dict(Counter(names)), failed
    coming = Counter(report["pending_launches"])
    coming.update(kind for *_, kind, _ in report["pending_nodes"])
    known = report["node_availability_summary"]["node_availabilities"].values()
    failed = {
        each["node_type"]: why["description"]
        for each in known
        if not each["is_available"] and (why := each["unavailable_node_information"])
    }
    return dict(coming), failed


def _report_of_v1() -> dict[str, Any] | None:
    """What the autoscaler of version 1 last wrote down; None where version 2 runs, or none yet."""
    from ray._private.ray_constants import DEBUG_AUTOSCALING_STATUS
    from ray.autoscaler.v2.utils import is_autoscaler_v2
    from ray.experimental.internal_kv import _internal_kv_get

    if is_autoscaler_v2():
        return None
    written = _internal_kv_get(DEBUG_AUTOSCALING_STATUS.encode())
    return json.loads(written)["autoscaler_report"] if written else None
