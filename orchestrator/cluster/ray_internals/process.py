"""How Ray starts and joins in this process: addresses, signals, what it prints.

A Ray of another minor version may lack any of it. Then that is left as Ray has it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

from orchestrator.cluster.ray_internals.replaced import replaced


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


def without_signal_handlers() -> AbstractContextManager[None]:
    """`ray.init` leaves SIGTERM alone: its handlers would end the process in its own ways."""
    return replaced("ray._private.utils", set_sigterm_handler=lambda handler: None)


# What a head starts beside what runs tasks: the dashboard's server, what starts nodes, what brings the
# prints of other machines
_SERVICES = ("start_api_server", "start_monitor", "start_log_monitor")


def without_services() -> AbstractContextManager[None]:
    """A Ray that is started within the block has no process but those that run tasks.

    On one machine, whose prints nobody asks for, the others do nothing: 1.7 processor seconds, 170 MiB, 1 to
    3 s of its start and 1 of its end. `ray.init` can leave out the pages of the dashboard alone, not
    its server.
    """
    nothing = dict.fromkeys(_SERVICES, lambda self, **options: None)
    return replaced("ray._private.node", "Node", **nothing)


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
