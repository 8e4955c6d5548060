"""Find or start Ray, pin its address, check that it can do the work, and stop what was started."""

from __future__ import annotations

import itertools
import logging
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import orchestrator
from members.errors import first_line
from orchestrator.cluster.ray_internals import resolved
from orchestrator.errors import RunFailed, WrongRequest
from orchestrator.spec.spec import Resources

PROJECT = Path(orchestrator.__file__).resolve().parent.parent

# How often Train's controller polls its workers; its default, 2 s, is an epoch of a small network.
_POLL_SECONDS = "0.2"


@dataclass(frozen=True)
class Cluster:
    """A running Ray: its GCS address and what it can hold."""

    address: str
    cpus: float
    gpus: float
    started_here: bool

    def gpus_each(self, resources: Resources) -> float:
        """GPUs of one training process: `auto` is one where the cluster has any."""
        return float(self.gpus > 0) if resources.gpus == "auto" else resources.gpus

    def slots(self, resources: Resources) -> int:
        """How many units train at once, each with its workers. Raises `WrongRequest` for none."""
        gpus, workers = self.gpus_each(resources), resources.workers
        processes = int(self.cpus // resources.cpus)
        if gpus:
            processes = min(processes, int(self.gpus / gpus + 1e-9))
        if processes < workers:
            who, keys = "one training process wants", "resources.cpus or resources.gpus"
            if workers > 1:
                who = f"the {workers} training processes of a unit want together"
                keys = f"resources.workers, {keys}"
            raise WrongRequest(
                f"{who} {workers * resources.cpus} CPUs and {workers * gpus:g} GPUs, and the "
                f"cluster has {self.cpus:g} CPUs and {self.gpus:g} GPUs. Lower {keys} in the "
                "spec, or join a larger cluster with --address."
            )
        return processes // workers


@contextmanager
def connect(address: str | None = None) -> Iterator[Cluster]:
    """Join the Ray at `address`, or start one on this machine and stop it at the end."""
    _quiet()
    import ray

    try:
        pinned = _start_local(ray) if address is None else _join(ray, address)
        _preflight(ray, pinned)
        total = ray.cluster_resources()
        yield Cluster(pinned, total.get("CPU", 0.0), total.get("GPU", 0.0), address is None)
    finally:
        ray.shutdown()


@contextmanager
def mapped(address: str | None) -> Iterator[Callable[[Callable, Sequence], Iterator]]:
    """A `map` whose calls are tasks of the Ray at `address`; results come in order, few wait."""
    with connect(address) as cluster:
        import ray

        @ray.remote(num_cpus=1)
        def call(function, part):
            return function(part)

        def run(function: Callable, parts: Sequence) -> Iterator:
            shared, left = ray.put(function), iter(parts)
            waiting: deque[ray.ObjectRef] = deque()
            for part in itertools.islice(left, max(2, 2 * int(cluster.cpus))):
                waiting.append(call.remote(shared, part))
            while waiting:
                yield ray.get(waiting.popleft())
                for part in itertools.islice(left, 1):
                    waiting.append(call.remote(shared, part))

        yield run


def _quiet() -> None:
    """Settings that Ray reads when it is imported or when a process of it starts."""
    logging.getLogger("ray").setLevel(logging.ERROR)  # its notes are about Ray, not about the work
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", _POLL_SECONDS)
    # the slot of a candidate that was stopped comes free only after a while
    os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", "300")
    # one process less a run; a worker that is preempted is noticed when it dies, and resumes
    os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")  # we keep our own history
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # Ctrl-C ends the command at once
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")


def show_token() -> None:
    """Who joins by address must say before Ray is imported that a token is at hand."""
    token = Path(os.environ.get("RAY_AUTH_TOKEN_PATH", "~/.ray/auth_token")).expanduser()
    if "RAY_AUTH_TOKEN" in os.environ or token.exists():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def _environment(address: str) -> dict[str, str]:
    """What every process of this job finds in its environment.

    RAY_ADDRESS: Train's clean-up of a stopped trial calls the State API, which connects to
    whatever cluster last ran on the machine where this is not set, and never frees the trial's slot.
    """
    passed_on = {
        k: v for k, v in os.environ.items() if k.startswith(("RAY_TRAIN_", "ENSEMBLE_MAX_"))
    }
    return {
        **passed_on,
        "RAY_ADDRESS": address,
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        "NO_ALBUMENTATIONS_UPDATE": "1",
        "PYTHONPATH": os.pathsep.join([str(PROJECT), "${PYTHONPATH}"]),
    }


def _of_trackers() -> dict[str, str]:
    """Processes of a local Ray have them anyway; those of another cluster must be given them."""
    return {k: v for k, v in os.environ.items() if k.startswith(("WANDB_", "MLFLOW_"))}


def _start_local(ray) -> str:
    port = _free_port()
    address = f"{ray.util.get_node_ip_address()}:{port}"
    os.environ["RAY_GCS_SERVER_PORT"] = str(port)
    try:
        ray.init(
            address="local",  # a plain init() would join whatever cluster last ran here
            log_to_driver=False,
            logging_level="ERROR",
            configure_logging=False,
            runtime_env={"env_vars": _environment(address)},
        )
    finally:
        del os.environ["RAY_GCS_SERVER_PORT"]
    return ray.get_runtime_context().gcs_address


def _join(ray, address: str) -> str:
    try:
        address = resolved(address)
        _try_out(address)
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level="ERROR",
            configure_logging=False,
            runtime_env={"env_vars": _environment(address) | _of_trackers()},
        )
    except Exception as error:
        raise WrongRequest(
            f"no Ray cluster could be joined at {address!r}: {first_line(error).rstrip('.')}. Check with "
            f"`ray status --address {address}`; a cluster that wants a token takes the one in "
            "~/.ray/auth_token with RAY_AUTH_MODE=token. Without --address a local Ray is started."
        ) from error
    return ray.get_runtime_context().gcs_address


def _try_out(address: str) -> None:
    """Join in a process of its own first.

    Where this machine is no node of the cluster, Ray does not raise: it aborts the whole process.
    """
    code = f"import ray; ray.init(address={address!r}, log_to_driver=False)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "Error" in line or "Failed" in line]
        raise ConnectionError(
            f"{errors[-1].strip() if errors else 'it does not answer'} (only a machine of the cluster "
            "can join it; from elsewhere: ray job submit --address http://HEAD:8265 --working-dir . "
            "-- python -m orchestrator train-members SPEC)"
        )


def _preflight(ray, address: str) -> None:
    """Call the State API once: without it the slot of a stopped trial would never come free."""
    from ray.util.state import list_nodes

    before = os.environ.get("RAY_ADDRESS")
    os.environ["RAY_ADDRESS"] = address
    try:
        list_nodes(timeout=30)
    except Exception as error:
        raise RunFailed(
            f"Ray runs at {address}, but its State API does not answer: {first_line(error).rstrip('.')}. "
            "It needs the dashboard (pip install 'ray[default]'; a second Ray on one machine also a "
            "port of its own for it: ray start --dashboard-port N) and, where the cluster wants a "
            "token, RAY_AUTH_MODE=token. Nothing was trained."
        ) from error
    finally:
        os.environ.pop("RAY_ADDRESS")
        if before is not None:
            os.environ["RAY_ADDRESS"] = before


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]
