"""An application on the joined Ray: started, watched and taken away again."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ray import serve
from ray.serve.api import RunTarget
from ray.serve.schema import ApplicationStatus

from orchestrator import stopping
from orchestrator.cluster.ray_internals.process import serve_listens
from orchestrator.errors import RunFailed, WrongRequest
from orchestrator.inference.parts import Trained
from orchestrator.serving.deployments import LOGGING, application
from orchestrator.serving.settings import APPLICATION, Settings

Tell = Callable[[int, int, float], None]
_EVERY = 0.2  # seconds between two looks while it starts
_OVER = (ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.UNHEALTHY)


def require_place(host: str, port: int) -> None:
    """Raise WrongRequest where Serve runs on the joined Ray and listens elsewhere, or has an
    application in this one's place.
    """
    listens = serve_listens()
    if listens is None:
        return
    if listens != (host, port):
        raise WrongRequest(
            f"--host {host} --port {port}: Ray Serve runs on this cluster already and listens on "
            f"{listens[0]}:{listens[1]}, which cannot be changed while it does. Give --host {listens[0]} "
            f"--port {listens[1]}, or end it: serve shutdown"
        )
    there = serve.status().applications
    if there:
        raise WrongRequest(
            f"Ray Serve on this cluster has {', '.join(there)} already, and this service would take all "
            "paths. End it where it was started, or: serve shutdown"
        )


@contextmanager
def served(
    trained: Trained, settings: Settings, host: str, port: int, tell: Tell, local: bool
) -> Iterator[None]:
    """The ensemble is served within the block. tell: called with how many deployments are ready, of
    how many, and seconds since the start. local: whether the joined Ray ends with this command.

    Raises RunFailed with the reason where it does not start.
    """
    started = time.monotonic()
    # its words are about Serve, and stand in its logs
    logging.getLogger("ray.serve").setLevel(logging.CRITICAL)
    began = serve_listens() is None
    serve.start(http_options={"host": host, "port": port}, logging_config=LOGGING)
    try:
        serve.run_many(
            [RunTarget(application(trained, settings), name=APPLICATION, route_prefix="/")],
            wait_for_ingress_deployment_creation=False,
            wait_for_applications_running=False,
        )
        while True:
            found = serve.status().applications[APPLICATION]
            states = found.deployments.values()
            ready = sum(own.status == "HEALTHY" for own in states)
            tell(ready, len(trained.members) + 1, time.monotonic() - started)
            if found.status == ApplicationStatus.RUNNING:
                break
            if found.status in _OVER:
                raise RunFailed(f"the service did not start: {_why(found)}")
            time.sleep(_EVERY)
        yield
    finally:
        if not (
            local and stopping.exit_code() is not None
        ):  # then all its processes are ended at once
            with suppress(Exception):  # a Ray that is gone has ended it already
                serve.shutdown() if began else serve.delete(APPLICATION)


def troubles() -> dict[str, str]:
    """Deployment -> its state in words, of those that are not well."""
    found = serve.status().applications.get(APPLICATION)
    if found is None:
        return {"the service": "is gone: somebody has ended it on the cluster"}
    return {
        name: f"is {own.status.value.lower()}"
        for name, own in found.deployments.items()
        if own.status != "HEALTHY"
    }


_LAST = re.compile(r"^\S*?(\w+(?:Error|Request|Input|Exception|Failed)): ?(.+)$", re.M)


def _why(found: Any) -> str:
    """The last exception of the tracebacks that Serve hands on."""
    texts = [own.message for own in found.deployments.values() if own.message] or [found.message]
    reasons = []
    for text in texts:
        errors = _LAST.findall(text)
        if errors:
            reasons.append(errors[-1][1])
    return "; ".join(dict.fromkeys(reasons)) or found.message
