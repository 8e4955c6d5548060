"""The deployments of Ray Serve: one a member, each with its networks, and the vote in front of them.

`build` is what a serve.yaml names; `serve` calls `application` itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import ray
from ray import serve
from ray.exceptions import RayActorError
from ray.serve.config import BackpressureConfig
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from ray.serve.handle import DeploymentHandle
from ray.serve.schema import LoggingConfig

from orchestrator.errors import WrongRequest
from orchestrator.inference.parts import Part, Trained
from orchestrator.serving import settings as given
from orchestrator.serving.batches import Batches
from orchestrator.serving.refusals import no_answer
from orchestrator.serving.settings import RETRY_AFTER, Settings, member_name
from orchestrator.serving.token import digest_of, read_token
from orchestrator.serving.web import Asked, web_app

# requests whose pixels a member is asked about together
BATCH = 16
# Beside the queue: pages that are always answered, /healthz say, and what is sent away.
_BESIDE = 64
# A member's process that died is started again meanwhile: Python, torch and the weights.
_PATIENCE = 60.0
_PAUSE = 0.1
# of a service that is busy for long, one line a request would fill the disk; /metrics counts them
LOGGING = LoggingConfig(enable_access_log=False, log_level="WARNING")
_BACKPRESSURE = BackpressureConfig(status_code=503, retry_after_s=RETRY_AFTER)


class Member:
    """A process with all networks of one member."""

    def __init__(self, part: Part, n_classes: int):
        from orchestrator.inference.networks import ask_member

        gpus = ray.get_runtime_context().get_accelerator_ids().get("GPU")
        self._ask = ask_member(part, n_classes, "cuda" if gpus else "cpu")
        height, width = part.seen.size
        self._ask(np.zeros((1, height, width, 3), np.uint8))  # the first is slower than all others
        self._batches = Batches(self._together, BATCH)

    async def ask(self, pixels: np.ndarray) -> Asked:
        """pixels: (n, h, w, 3) uint8. Together with those of other requests."""
        return await self._batches.ask(pixels)

    def _together(self, requests: list[np.ndarray]) -> list[Asked]:
        pixels = np.concatenate(requests)
        started = time.perf_counter()
        found = self._ask(pixels)
        each = (time.perf_counter() - started) / len(pixels)
        ends = np.cumsum([len(own) for own in requests])[:-1]
        return [Asked(own, each * len(own), len(pixels)) for own in np.split(found, ends)]

    async def ready(self) -> bool:
        return True


class _Replicas:
    """The members' deployments, asked through Serve: `web.Members`."""

    def __init__(self, handles: Mapping[str, DeploymentHandle]):
        self._handles = handles

    async def ask(self, member: str, pixels: np.ndarray) -> Asked:
        """A process that dies loses nothing: another, or the next, is asked the same."""
        until = time.monotonic() + _PATIENCE
        again = 0
        while True:
            try:
                async with asyncio.timeout(max(0.0, until - time.monotonic())):
                    asked = await self._handles[member].ask.remote(pixels)
                return asked._replace(again=again)
            except (RayActorError, DeploymentUnavailableError):
                again += 1
                if time.monotonic() + _PAUSE > until:
                    raise no_answer(member, _PATIENCE) from None
                await asyncio.sleep(_PAUSE)
            except (BackPressureError, TimeoutError):
                raise no_answer(member, _PATIENCE) from None

    async def ready(self, member: str) -> None:
        await self._handles[member].ready.remote()


@serve.ingress()
class Vote:
    """The process that is asked: it decodes photographs, asks all members and votes."""

    def __init__(self, trained: Trained, settings: Settings, members: dict[str, DeploymentHandle]):
        self._parts = trained, _Replicas(members), settings

    def __serve_build_asgi_app__(self):
        return web_app(*self._parts)


def application(trained: Trained, settings: Settings) -> Any:
    """The application of an ensemble, to be run by Serve."""
    room = settings.queue + _BESIDE
    resources = {"num_cpus": settings.cpus, "num_gpus": settings.gpus}
    members = {}
    for part in trained.members:
        deployment = serve.deployment(
            name=member_name(part.name),
            num_replicas=settings.replicas,
            ray_actor_options=resources,
            max_ongoing_requests=room,
            health_check_period_s=2,
            health_check_timeout_s=30,
            graceful_shutdown_timeout_s=5,
            logging_config=LOGGING,
        )(Member)
        members[part.name] = deployment.bind(part, len(trained.codec_of(part).classes))
    front = serve.deployment(
        name=given.VOTE,
        num_replicas=1,
        ray_actor_options={"num_cpus": 0},
        max_ongoing_requests=room,
        max_queued_requests=room,
        backpressure_config=_BACKPRESSURE,
        graceful_shutdown_timeout_s=5,
        logging_config=LOGGING,
    )(Vote)
    return front.bind(trained, settings, members)


def build(args: dict[str, Any]) -> Any:
    """For `import_path` of a serve.yaml. args: `place` of a run or bundle, as all nodes see it; also
    `vote`, `queue`, and `token_file`, where the token lies on all nodes.

    Raises WrongRequest for other keys, and where the ensemble cannot be loaded.
    """
    from orchestrator.inference.ensemble import Ensemble

    known = {"place", "vote", "queue", "token_file"}
    if "place" not in args or set(args) - known:
        more = ", ".join(sorted(set(args) - known)) or "none of them unknown"
        raise WrongRequest(
            f"args of the application: `place` is needed, {', '.join(sorted(known))} are known, "
            f"{more} given."
        )
    token, _ = read_token(args.get("token_file"))
    settings = Settings(
        queue=args.get("queue", Settings.queue),
        digest=None if token is None else digest_of(token),
    )
    return application(Ensemble.load(args["place"], args.get("vote")).trained, settings)
