"""How a service runs: what `serve` says of it, and what stands in a serve.yaml."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from orchestrator.errors import WrongRequest

APPLICATION = "ensemble"
VOTE = "vote"  # the deployment in front
RETRY_AFTER = 1  # seconds that a caller who is sent away is told to wait
PORT = 8000


@dataclass(frozen=True)
class Settings:
    """queue: how many requests may be in the service at once, waiting ones included; the next is sent
    away with 503. replicas: processes a member. cpus, gpus: what each of them has. digest: of the
    token that callers must have, None: none (`token.digest_of`).
    """

    queue: int = 64
    replicas: int = 1
    cpus: float = 1.0
    gpus: float = 0.0
    digest: str | None = None


def member_name(member: str) -> str:
    """Of its deployment."""
    return f"member-{member}"


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_host(host: str) -> None:
    """Raise WrongRequest where it is no address to listen on."""
    if host == "localhost":
        return
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise WrongRequest(
            f"--host {host}: no address of a network card. Give 127.0.0.1 (this machine alone), "
            "0.0.0.0 (all of its networks), or one of its addresses."
        ) from None


def share(have: float, processes: int, least: float) -> float:
    """What each of `processes` gets of `have` CPUs or GPUs: whole ones where there are enough."""
    each = have / processes
    return float(int(each)) if each >= 1 else max(least, int(each * 100) / 100)
