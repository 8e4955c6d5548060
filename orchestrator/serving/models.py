"""The answers of a service as types: its OpenAPI page is made of them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class Answer(BaseModel):
    """Of one photograph."""

    name: str = Field(description="of its file, or its number in the request")
    answer: str = Field(description="the class of the highest probability")
    confidence: float = Field(description="that probability")
    probabilities: dict[str, float] = Field(description="class -> probability, sum 1")


class Answers(BaseModel):
    """Of a request, in the order of its photographs."""

    answers: list[Answer]
    vote: str = Field(description="the name of the vote")


class Problem(BaseModel):
    name: str
    problem: str


class Refusal(BaseModel):
    """Nothing of the request was answered."""

    detail: str
    problems: list[Problem] | None = Field(
        default=None, description="each photograph that is wrong, and why"
    )


class Health(BaseModel):
    status: str = Field(description="healthy, or unhealthy")
    members: dict[str, str] = Field(description="member -> ready, or what is wrong")


_FILES = {"type": "array", "items": {"type": "string", "format": "binary"}}
_PHOTO = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "name": {"type": "string", "description": "default: its number in the request"},
        "data": {"type": "string", "format": "byte", "description": "the file, base64"},
    },
}
# of /predict, which reads it itself: before it is known to be small, nothing is made of it
BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {
                "schema": {
                    "type": "object",
                    "required": ["photos"],
                    "properties": {"photos": photos},
                }
            }
            for kind, photos in {
                "multipart/form-data": _FILES,
                "application/json": {"type": "array", "items": _PHOTO},
            }.items()
        },
    }
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refusal, "description": what}
    for status, what in {
        400: "photographs that are none, or a request that cannot be read; all that is wrong is named",
        401: "no token, or a wrong one, where the service asks for one",
        408: "the request was not sent in time",
        413: "beyond a limit of /metadata",
        415: "neither multipart/form-data nor JSON",
        503: "too many requests at once, or a member that is being started again; see Retry-After",
    }.items()
}
