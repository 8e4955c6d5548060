"""An ensemble made by hand, whose members are plain functions, and a client for its pages."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from ensembles.rules.pools import Rule
from ensembles.voting.record import VoteRecord
from members.data.codec import Codec
from members.recipe.recipe import Recipe
from orchestrator.inference.parts import Network, Part, Seen, Trained
from orchestrator.serving.settings import Settings
from orchestrator.serving.web import Asked, web_app

CLASSES = ("red", "green", "blue")
WEIGHTS = {"plain": 0.75, "shy": 0.25}


def ensemble() -> Trained:
    """Two members that see photographs of one size, and the mean of their probabilities by WEIGHTS."""
    network = Network("nowhere", None, Recipe(model="test_resnet", image_size=[8, 8]))
    members = tuple(Part(name, Seen((8, 8)), (network,)) for name in WEIGHTS)
    return Trained(
        name="colours",
        place="/nowhere/colours",
        codec=Codec({"label": CLASSES}),
        members=members,
        vote="weighted",
        record=VoteRecord(
            mode="weighted", weights=dict(WEIGHTS), rows="oof",
            estimate={"accuracy": 0.9, "standard_error": {"accuracy": 0.02}},
        ),
        rule=Rule(np.array(list(WEIGHTS.values()))),
        voters=tuple(WEIGHTS),
    )  # fmt: skip


def shares(pixels: np.ndarray) -> np.ndarray:
    """What `plain` says: how much of the light is red, green and blue."""
    light = pixels.astype(np.float64).sum(axis=(1, 2)) + 1e-9
    return (light / light.sum(axis=1, keepdims=True)).astype(np.float32)


class Functions:
    """Members in this process. hold: what they wait for before they answer. failing: who raises."""

    def __init__(
        self, hold: asyncio.Event | None = None, failing: dict[str, Exception] | None = None
    ):
        self.hold, self.failing = hold, failing or {}
        self.asked: list[tuple[str, tuple[int, ...]]] = []

    async def ask(self, member: str, pixels: np.ndarray) -> Asked:
        self.asked.append((member, pixels.shape))
        if self.hold:
            await self.hold.wait()
        if member in self.failing:
            raise self.failing[member]
        even = np.full((len(pixels), len(CLASSES)), 1 / 3, np.float32)
        return Asked(shares(pixels) if member == "plain" else even, 0.25, len(pixels))

    async def ready(self, member: str) -> None:
        if member in self.failing:
            raise self.failing[member]


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Service:
    """The pages, asked as a server does."""

    members: Functions = field(default_factory=Functions)
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self):
        self.app = web_app(ensemble(), self.members, self.settings)

    async def ask(
        self, method: str, path: str, body: bytes = b"", chunks: int = 1, **headers: str
    ) -> Reply:
        sent: list[dict] = []
        step = max(1, -(-len(body) // chunks))
        parts = [body[i : i + step] for i in range(0, len(body), step)] or [b""]
        messages = [
            {"type": "http.request", "body": part, "more_body": i < len(parts) - 1}
            for i, part in enumerate(parts)
        ]

        async def receive() -> dict:
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: dict) -> None:
            sent.append(message)

        named = [(k.replace("_", "-").lower().encode(), v.encode()) for k, v in headers.items()]
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
            "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
            "root_path": "", "headers": named, "client": ("127.0.0.1", 1), "server": ("x", 80),
        }  # fmt: skip
        try:
            await self.app(scope, receive, send)
        except Exception:  # a server logs it; the answer was sent before
            assert sent, "nothing was answered"
        start, *rest = sent
        found = {k.decode().lower(): v.decode() for k, v in start["headers"]}
        return Reply(start["status"], found, b"".join(own.get("body", b"") for own in rest))

    def now(self, *arguments: Any, **options: Any) -> Reply:
        return asyncio.run(self.ask(*arguments, **options))

    def predict(self, *files: tuple[str, bytes], **headers: str) -> Reply:
        body, kind = form(*files)
        return self.now("POST", "/predict", body, content_type=kind, **headers)


def form(*files: tuple[str, bytes], field: str = "photos") -> tuple[bytes, str]:
    """The body of a form with files, and its content type."""
    parts = [
        f'--X\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode()
        + content
        + b"\r\n"
        for name, content in files
    ]
    return b"".join(parts) + b"--X--\r\n", "multipart/form-data; boundary=X"


def picture(
    colour: tuple[int, int, int], size: tuple[int, int] = (12, 10), kind: str = "PNG"
) -> bytes:
    """A file of one colour. size: (width, height)."""
    content = io.BytesIO()
    Image.new("RGB", size, colour).save(content, format=kind)
    return content.getvalue()
