"""The pages of the service: requests in, answers or refusals out. Without Ray, which calls it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from orchestrator.inference.parts import Trained
from orchestrator.inference.vote import tables_of, vote_of
from orchestrator.serving.body import PhotoFile, read_photos
from orchestrator.serving.figures import CONTENT_TYPE, Figures
from orchestrator.serving.metadata import metadata_of
from orchestrator.serving.models import BODY, REFUSALS, Answers, Health
from orchestrator.serving.page import page_of
from orchestrator.serving.photos import seen_by
from orchestrator.serving.refusals import Refused, busy
from orchestrator.serving.settings import Settings
from orchestrator.serving.token import lets_in
from orchestrator.version import __version__

# Requests that are read and decoded at the same time; the rest of the queue waits unread, so that
# what is in memory is bounded by this and the limit of a request.
READ_AT_ONCE = 8
_HEALTH_SECONDS = 5.0  # in which a member must say that it is there


class Asked(NamedTuple):
    """probabilities: (n, k) float32. seconds: the network's own for these; batch: photographs with
    which they were asked together; again: how often a process died on them.
    """

    probabilities: np.ndarray
    seconds: float
    batch: int
    again: int = 0


class Members(Protocol):
    """Where the members are: in processes of their own, in a service."""

    async def ask(self, member: str, pixels: np.ndarray) -> Asked:
        """pixels: (n, h, w, 3) uint8. Raises Refused where it cannot be had."""

    async def ready(self, member: str) -> None:
        """Raises where it does not answer."""


@dataclass
class _Service:
    trained: Trained
    members: Members
    settings: Settings
    figures: Figures
    reading: asyncio.Semaphore
    inside: int = 0

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """A place in the queue. Raises Refused where there is none."""
        if self.inside >= self.settings.queue:
            raise busy(self.settings.queue)
        self.inside += 1
        self.figures.inside.set(self.inside)
        try:
            yield
        finally:
            self.inside -= 1
            self.figures.inside.set(self.inside)

    def require_token(self, request: Request) -> None:
        digest = self.settings.digest
        if digest is not None and not lets_in(request.headers.get("authorization"), digest):
            raise Refused(
                401, "this service wants a token, in a header: Authorization: Bearer TOKEN"
            )

    async def answer(self, request: Request) -> dict[str, Any]:
        """Raises Refused."""
        self.require_token(request)
        with self.place():
            async with self.reading:
                photos = await read_photos(request)
                trained = self.trained
                ways = list(dict.fromkeys(part.seen for part in trained.members))
                with self.figures.decoding.time():
                    pixels = await asyncio.to_thread(seen_by, photos, ways, trained.bits)
            own = await self.asked({part.name: pixels[part.seen] for part in trained.members})
            probabilities = await asyncio.to_thread(_voted, trained, own)
        self.figures.photos.inc(len(photos))
        return _answers(trained, photos, probabilities)

    async def asked(self, pixels: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All members at once; where one fails, the others are not waited for."""
        tasks = {name: asyncio.create_task(self._one(name, own)) for name, own in pixels.items()}
        try:
            await asyncio.gather(*tasks.values())
        finally:
            for task in tasks.values():
                task.cancel()
        return {name: task.result() for name, task in tasks.items()}

    async def _one(self, member: str, pixels: np.ndarray) -> np.ndarray:
        figures = self.figures
        with figures.waits.labels(member).time():
            asked = await self.members.ask(member, pixels)
        figures.forward.labels(member).inc(asked.seconds)
        figures.batches.labels(member).observe(asked.batch)
        if asked.again:
            figures.again.labels(member).inc(asked.again)
        return asked.probabilities

    async def health(self) -> dict[str, str]:
        """Member -> `ready`, or what is wrong."""

        async def one(member: str) -> str:
            try:
                async with asyncio.timeout(_HEALTH_SECONDS):
                    await self.members.ready(member)
            except TimeoutError:
                return f"no answer within {_HEALTH_SECONDS:.0f} s"
            except Exception as error:
                return getattr(error, "detail", None) or type(error).__name__
            return "ready"

        names = [part.name for part in self.trained.members]
        return dict(zip(names, await asyncio.gather(*map(one, names)), strict=True))


def _voted(trained: Trained, members: Mapping[str, np.ndarray]) -> np.ndarray:
    return vote_of(trained, tables_of(trained, members))


def _answers(
    trained: Trained, photos: Sequence[PhotoFile], probabilities: np.ndarray
) -> dict[str, Any]:
    found = []
    for photo, row in zip(photos, probabilities.tolist(), strict=True):
        best = int(np.argmax(row))
        found.append(
            {
                "name": photo.name,
                "answer": trained.classes[best],
                "confidence": row[best],
                "probabilities": dict(zip(trained.classes, row, strict=True)),
            }
        )
    return {"answers": found, "vote": trained.vote}


def web_app(trained: Trained, members: Members, settings: Settings) -> FastAPI:
    """The service of an ensemble whose members are asked through `members`."""
    figures = Figures()
    service = _Service(trained, members, settings, figures, asyncio.Semaphore(READ_AT_ONCE))
    app = FastAPI(
        title="An ensemble of image classifiers",
        version=__version__,
        docs_url=None,  # they load scripts from elsewhere; page_of does not
        redoc_url=None,
    )

    @app.exception_handler(Refused)
    async def refuse(request: Request, refused: Refused) -> JSONResponse:
        return JSONResponse(refused.content, refused.status, refused.headers)

    @app.exception_handler(Exception)  # and it goes on to the log
    async def failed(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": f"the service failed: {type(error).__name__}"}, 500)

    @app.post(
        "/predict", summary="Classes of photographs", response_model=Answers, openapi_extra=BODY,
        responses=REFUSALS,
    )  # fmt: skip
    async def predict(request: Request) -> Response:
        """Several at once, as files or base64. Either all are answered, or none and it is said why."""
        async with _observed(figures) as seen:
            seen.status = 200
            try:
                return JSONResponse(await service.answer(request))
            except Refused as refused:
                seen.status = refused.status
                raise

    @app.get("/healthz", summary="Whether all members answer", response_model=Health,
             responses={503: {"model": Health, "description": "a member does not answer"}})  # fmt: skip
    async def healthz() -> Response:
        found = await service.health()
        well = all(own == "ready" for own in found.values())
        content = {"status": "healthy" if well else "unhealthy", "members": found}
        return JSONResponse(content, 200 if well else 503)

    @app.get("/metadata", summary="What the ensemble is: classes, members, vote, scores, limits",
             responses={401: REFUSALS[401]})  # fmt: skip
    async def metadata(request: Request) -> dict[str, Any]:
        service.require_token(request)
        return metadata_of(trained, settings)

    @app.get("/metrics", summary="Counts and times, as Prometheus reads them",
             response_class=PlainTextResponse, responses={401: REFUSALS[401]})  # fmt: skip
    async def metrics(request: Request) -> Response:
        service.require_token(request)
        return Response(figures.text(), media_type=CONTENT_TYPE)

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page_of(app.openapi(), settings.digest is not None))

    return app


@dataclass
class _Seen:
    status: int = 500


@contextlib.asynccontextmanager
async def _observed(figures: Figures) -> AsyncIterator[_Seen]:
    """Count and time a request, however it ends."""
    started, seen = time.perf_counter(), _Seen()
    try:
        yield seen
    except Refused:
        raise
    except BaseException:
        seen.status = 500
        raise
    finally:
        figures.requests.labels(str(seen.status)).inc()
        figures.seconds.observe(time.perf_counter() - started)
