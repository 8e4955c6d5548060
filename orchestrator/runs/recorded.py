"""JSON that a run keeps about itself, read as typed values: a file that is none is named."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from orchestrator.errors import WrongRequest
from orchestrator.runs.store import Store

Model = TypeVar("Model", bound="Recorded")


class Recorded(BaseModel):
    """What a later version adds is let pass."""

    model_config = ConfigDict(extra="ignore", strict=True)


def read_recorded(model: type[Model], store: Store, path: str, way_on: str) -> Model:
    """The file at `path` of the run. way_on: what to do where it is damaged, a sentence.

    Raises FileNotFoundError where there is none, and `WrongRequest` where it is damaged or something
    else.
    """
    content = store.read(path)
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise wrong_record(store, path, described(error), way_on) from None


def wrong_record(store: Store, path: str, why: str, way_on: str) -> WrongRequest:
    return WrongRequest(f"{store.uri(path)} is damaged, or something else ({why}). {way_on}")


def described(error: ValidationError) -> str:
    """The first three mistakes, each with its place."""
    found = [f"{_place(mistake['loc'])}: {mistake['msg']}" for mistake in error.errors()]
    return "; ".join(found[:3]) + ("; ..." if len(found) > 3 else "")


def _place(loc: tuple[Any, ...]) -> str:
    return ".".join(map(str, loc)) or "the whole"
