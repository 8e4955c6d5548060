"""Find or start Ray, pin its address, check that it can do the work, and stop what was started."""

from __future__ import annotations

import itertools
import logging
import os
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orchestrator
from members.errors import first_line
from orchestrator import stopping
from orchestrator.cluster import joining
from orchestrator.cluster.alive import Watch
from orchestrator.cluster.private import private_folder, private_token, show_token
from orchestrator.cluster.processes import Started
from orchestrator.cluster.ray_internals.process import (
    on_loopback,
    silence,
    without_services,
    without_signal_handlers,
)
from orchestrator.errors import RunFailed
from orchestrator.tracking.settings import open_settings

PROJECT = Path(orchestrator.__file__).resolve().parent.parent

# How often Train's controller polls its workers; its default, 2 s, is an epoch of a small network.
_POLL_SECONDS = "0.2"


_NODE_SECONDS = 60.0  # a process, Python and the packages of trackers, on a busy machine


class Node(NamedTuple):
    cpus: float
    gpus: float


@dataclass(frozen=True)
class Cluster:
    """A running Ray: its GCS address, and what its nodes have together when it is joined."""

    address: str
    cpus: float
    gpus: float
    started_here: bool

    def nodes(self) -> list[Node]:
        """What each of its nodes has now, whatever is done with it."""
        if self.started_here:
            return [Node(self.cpus, self.gpus)]
        import ray

        have = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        return [Node(each.get("CPU", 0.0), each.get("GPU", 0.0)) for each in have]


@contextmanager
def connect(address: str | None = None, *, dashboard: bool = False) -> Iterator[Cluster]:
    """Join the Ray at `address`, or start one on this machine and stop it at the end.

    None and `local` start one, `auto` is the Ray of this job or machine. A Ray that dies within the
    block ends the process, see `watched`. dashboard: it has one, whose State API answers.
    """
    address = None if address == "local" else address
    _quiet()
    if address is not None:
        show_token()
    import ray

    with ExitStack() as stack:
        if address is None:
            started = Started()
            stack.enter_context(stopping.kills_at_end(started.kill))
            folder = stack.enter_context(private_folder())
            stack.callback(_end_local, ray, started)
            with on_loopback():
                try:
                    pinned = _start_local(ray, folder, dashboard)
                except Exception as error:
                    stopping.tear()  # what of it runs is of no use
                    raise RunFailed(
                        f"no local Ray could be started: {first_line(error).rstrip('.')}. "
                        "Nothing was begun; the same command may succeed when the machine has less to do."
                    ) from error
        else:
            stack.callback(_leave, ray)
            pinned = joining.resolve(address)
            settings = _environment(pinned) | _passed_on() | open_settings(os.environ)
            with joining.refused(pinned):
                _init(ray, address=pinned, runtime_env={"env_vars": settings})
        if dashboard:
            _preflight(ray, pinned)
        watch = Watch(pinned, _own_raylet(ray), address is None)
        stack.callback(watch.close)
        total = ray.cluster_resources()
        try:
            yield Cluster(pinned, total.get("CPU", 0.0), total.get("GPU", 0.0), address is None)
        except Exception as error:
            if why := watch.dead():
                stopping.tear()
                raise RunFailed(why) from error
            raise


@contextmanager
def mapped(
    address: str | None, *, spread: bool = False
) -> Iterator[Callable[[Callable, Sequence], Iterator]]:
    """A `map` whose calls are tasks of the Ray at `address`; results come in order, few wait.

    spread: over all machines, and None is the result of a call whose process dies whenever it is tried
    (three times), or that ran on a machine that is gone.
    """
    with connect(address) as cluster:
        import ray
        from ray.exceptions import NodeDiedError, OutOfMemoryError, WorkerCrashedError

        lost = (NodeDiedError, OutOfMemoryError, WorkerCrashedError) if spread else ()

        @ray.remote(
            num_cpus=1, scheduling_strategy="SPREAD" if spread else "DEFAULT", max_retries=2
        )
        def call(function, part):
            return function(part)

        def run(function: Callable, parts: Sequence) -> Iterator:
            shared, left = ray.put(function), iter(parts)
            waiting: deque[ray.ObjectRef] = deque()
            for part in itertools.islice(left, max(2, 2 * int(cluster.cpus))):
                waiting.append(call.remote(shared, part))
            while waiting:
                try:
                    found = ray.get(waiting.popleft())
                except lost:
                    found = None
                yield found
                for part in itertools.islice(left, 1):
                    waiting.append(call.remote(shared, part))

        yield run


def on_each_node(function: Callable, *arguments: object) -> dict[str, Any]:
    """`function(*arguments)` on every machine of the joined Ray, by its address; a silent one is left out."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    call = ray.remote(num_cpus=0)(function)
    results = {}
    for node in ray.nodes():
        if node["Alive"]:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            results[node["NodeManagerAddress"]] = call.options(scheduling_strategy=there).remote(
                *arguments
            )
    ray.wait(list(results.values()), num_returns=len(results), timeout=_NODE_SECONDS)
    return {
        where: ray.get(result)
        for where, result in results.items()
        if ray.wait([result], timeout=0)[0]
    }


def _quiet() -> None:
    """Settings that Ray reads when it is imported or when a process of it starts."""
    # its words are about Ray, not about the work; of what fails it prints tracebacks
    shown = logging.ERROR if "--debug" in sys.argv else logging.CRITICAL
    logging.getLogger("ray").setLevel(shown)
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


def _environment(address: str) -> dict[str, str]:
    """What every process of this job finds in its environment.

    RAY_ADDRESS: what calls the State API, as Train's own clean-up of a stopped trial does, connects to
    whatever cluster last ran on the machine where this is not set.
    """
    return {
        "RAY_ADDRESS": address,
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        "NO_ALBUMENTATIONS_UPDATE": "1",
        "PL_DISABLE_FORK": "1",  # as Tune has it in its processes
    }


def _passed_on() -> dict[str, str]:
    """The same for processes on machines that do not have this one's environment."""
    kept = {k: v for k, v in os.environ.items() if k.startswith(("RAY_TRAIN_", "ENSEMBLE_MAX_"))}
    return {**kept, "PYTHONPATH": os.pathsep.join([str(PROJECT), "${PYTHONPATH}"])}


@contextmanager
def _inherited(settings: dict[str, str]) -> Iterator[None]:
    """Processes that are started within the block have `settings` in their environment.

    Where Ray itself sets up an environment for processes, its agent does so for one after the other, and
    those that it had started beforehand are never used.
    """
    path = os.environ.get("PYTHONPATH")
    settings = {
        **settings,
        "PYTHONPATH": os.pathsep.join([str(PROJECT), *([path] if path else [])]),
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _start_local(ray, folder: Path, dashboard: bool) -> str:
    if note := private_token():
        print(f"note: {note}", file=sys.stderr)
    port = _free_port()
    address = f"{ray.util.get_node_ip_address()}:{port}"
    lean = nullcontext() if dashboard else without_services()
    with lean, _inherited({**_environment(address), "RAY_GCS_SERVER_PORT": str(port)}):
        _init(
            ray,
            address="local",  # a plain init() would join whatever cluster last ran here
            _temp_dir=str(folder),
            include_dashboard=None if dashboard else False,
        )
    return ray.get_runtime_context().gcs_address


def _init(ray, **how: Any) -> None:
    silence()
    with without_signal_handlers():
        ray.init(log_to_driver=False, logging_level="ERROR", configure_logging=False, **how)
    stopping.handle_again()  # Ray's C++ has taken SIGTERM


def _end_local(ray, started: Started) -> None:
    """Stop what was started. What a signal stopped may have lost parts: schedulers send it to all."""
    if stopping.exit_code() is not None or stopping.is_torn():
        stopping.tear()
        started.kill()
    else:
        _leave(ray)


def _leave(ray) -> None:
    if not stopping.is_torn():
        ray.shutdown()
        stopping.handle_again()


def _own_raylet(ray) -> tuple[str, int] | None:
    """Where the raylet of this machine listens."""
    own = ray.get_runtime_context().get_node_id()
    for node in ray.nodes():
        if node["NodeID"] == own:
            return node["NodeManagerAddress"], node["NodeManagerPort"]
    return None


def _preflight(ray, address: str) -> None:
    """Call the State API once. Where `asks_the_dashboard` says so, the slot of a stopped trial would never
    come free without it."""
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
            "token, RAY_AUTH_MODE=token. Nothing was begun."
        ) from error
    finally:
        os.environ.pop("RAY_ADDRESS")
        if before is not None:
            os.environ["RAY_ADDRESS"] = before


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]
