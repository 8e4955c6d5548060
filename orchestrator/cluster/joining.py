"""Joining a Ray that runs already: it must answer within seconds, and let this machine in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from members.errors import first_line
from orchestrator.cluster.answers import Silence, require_answer
from orchestrator.cluster.private import token_file
from orchestrator.cluster.ray_internals.process import resolved
from orchestrator.errors import WrongRequest

_TRY_SECONDS = 90  # Python, Ray and a connection, on a machine with much else to do


def reach(address: str) -> None:
    """Say what is joined. Raises `WrongRequest` where no Ray head answers at HOST:PORT.

    Without Ray, so before anything slow; `auto` is looked up later.
    """
    if address == "auto":
        print("joining the Ray of this job or this machine (auto)", file=sys.stderr, flush=True)
        return
    print(f"joining the Ray at {address}", file=sys.stderr, flush=True)
    with refused(address):
        require_answer(address)


def resolve(address: str) -> str:
    """HOST:PORT of a Ray that answers and that this machine can join. Raises `WrongRequest`."""
    with refused(address):
        if address != "auto":
            require_answer(address)
        address = resolved(address)
        require_answer(address)
        _try_out(address)
    return address


@contextmanager
def refused(address: str) -> Iterator[None]:
    """What is raised within the block becomes a `WrongRequest` with what to do next."""
    try:
        yield
    except Exception as error:
        why = str(error) if isinstance(error, (Silence, ValueError)) else first_line(error)
        raise WrongRequest(
            f"no Ray cluster could be joined at {address!r}: {why.rstrip('.')}. Check with `ray status "
            f"--address {address}`; a cluster that wants a token takes the one in {token_file()} with "
            "RAY_AUTH_MODE=token. Without --address and RAY_ADDRESS a local Ray is started."
        ) from error


def _try_out(address: str) -> None:
    """Join in a process of its own first.

    Where this machine is no node of the cluster, Ray does not raise: it aborts the whole process.
    """
    code = f"import ray; ray.init(address={address!r}, log_to_driver=False)"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True, text=True, check=False, timeout=_TRY_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Silence(
            f"its head answers, but lets no program join within {_TRY_SECONDS} s"
        ) from None
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "Error" in line or "Failed" in line]
        raise ConnectionError(
            f"{errors[-1].strip() if errors else 'it does not answer'} (only a machine of the cluster "
            "can join it; from elsewhere: ray job submit --address http://HEAD:8265 --working-dir . "
            "-- python -m orchestrator train-members SPEC --address auto)"
        )
