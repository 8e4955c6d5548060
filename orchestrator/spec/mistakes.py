"""The mistakes of one file, each with the line that it stands in."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from members.errors import nearest
from orchestrator.spec.pointers import unknown_key
from orchestrator.spec.search import Search
from orchestrator.spec.spec import Member, Spec
from orchestrator.spec.yaml_lines import Document

Model = TypeVar("Model", bound=BaseModel)


class Mistakes:
    """`problems` holds one text a mistake. name: how the messages call the file."""

    def __init__(self, document: Document, name: str):
        self.document, self.name = document, name
        self.problems: list[str] = document.problems
        self.elsewhere: dict[tuple, str] = {}  # what stands in no line of this file

    def where(self, path: tuple) -> str:
        for depth in range(len(path), 0, -1):
            if path[:depth] in self.elsewhere:
                return self.elsewhere[path[:depth]]
        line = self.document.line(path)
        return f"{self.name}, line {line}" if line else self.name

    def add(self, path: tuple, text: str, shown: str | None = None) -> None:
        dotted = shown or ".".join(map(str, path))
        self.problems.append(
            f"{self.where(path)}: {dotted}: {text}" if dotted else f"{self.where(path)}: {text}"
        )

    def relocate(self, path: tuple, source: tuple) -> None:
        """Messages about `path` point from now on at the line of `source`."""
        lines = self.document.lines
        moved = {
            (*path, *p[len(source) :]): n for p, n in lines.items() if p[: len(source)] == source
        }
        lines.update(moved)

    def move(self, path: tuple, to: tuple) -> None:
        """The entry at `path` of a list stands at `to` from now on, and those behind it move up."""
        self.relocate(to, path)
        self.document.forget(*path)
        moved = {}
        for own, where in self.elsewhere.items():
            if own[: len(path)] == path:
                own = (*to, *own[len(path) :])
            elif own[:1] == path[:1] and len(own) > 1 and own[1] > path[1]:
                own = (own[0], own[1] - 1, *own[2:])
            moved[own] = where
        self.elsewhere = moved

    def keys(self, model: type[BaseModel]) -> list[str]:
        """The keys that a file may have in the block of `model`."""
        return _keys(model, ())

    def build(
        self, model: type[Model], values: dict, path: tuple, shown: str = "", fallback: tuple = ()
    ) -> Model | None:
        """`model(**values)`, or None with its mistakes added to the list."""
        try:
            return model(**values)
        except ValidationError as error:
            for mistake in error.errors():
                loc = tuple(mistake["loc"])
                here = (*path, *loc)
                if fallback and (*fallback, *loc[:1]) in self.document.lines:
                    here = (
                        here if here[: len(path) + 1] in self.document.lines else (*fallback, *loc)
                    )
                text = _words(mistake, model)
                known = mistake["type"] in (*_UNKNOWN_KEY, "missing")
                dotted = ".".join(map(str, loc[:-1] if known else loc))
                self.add(here, text, ".".join(filter(None, [shown, dotted])))
            return None


_UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")  # of a model, a dataclass


def _words(mistake: ErrorDetails, model: type[BaseModel]) -> str:
    """One pydantic mistake in the project's words."""
    kind, loc, given = mistake["type"], mistake["loc"], mistake["input"]
    if kind in _UNKNOWN_KEY:
        return unknown_key(loc[-1], _keys(model, loc[:-1]))
    if kind == "missing":
        return f"the key {loc[-1]!r} is missing"
    if kind == "literal_error":
        allowed = mistake["ctx"]["expected"]
        names = [n.strip("' ") for n in allowed.replace(" or ", ",").split(",")]
        return f"got {given!r}.{nearest(given, names)} Allowed: {allowed}."
    if kind == "string_pattern_mismatch":
        return (
            f"got {given!r}. A name becomes a folder: letters, digits, '.', '_' and '-', "
            "beginning with a letter or digit."
        )
    message = mistake["msg"].removeprefix("Value error, ")
    shown = "" if kind == "value_error" else f", got {given!r}"
    return f"{message[0].lower() + message[1:]}{shown}"


def _keys(model: type[BaseModel], loc: tuple) -> list[str]:
    """The keys allowed in the block of `model` that `loc` leads to."""
    block: type = model
    for part in loc:
        inner: list[Any] = []
        if isinstance(part, str) and issubclass(block, BaseModel) and part in block.model_fields:
            inner = _arguments(block.model_fields[part].annotation)
        block = next((type_ for type_ in inner if _has_keys(type_)), block)
    if is_dataclass(block):
        return [own.name for own in fields(block)]
    assert issubclass(block, BaseModel)
    own = [key for key in block.model_fields if key not in _MADE.get(block, ())]
    return [*own, *_GONE_BEFORE.get(block, ())]


# keys that are read and taken out before the model is built
_GONE_BEFORE: dict[type, tuple[str, ...]] = {Spec: ("defaults", "small"), Search: ("names",)}

# what a model has and no file: made of other keys
_MADE: dict[type, tuple[str, ...]] = {Spec: ("stacks",), Member: ("teachers",)}


def _has_keys(annotation: Any) -> bool:
    # an Annotated has the attributes of its class and is none
    return isinstance(annotation, type) and (
        is_dataclass(annotation) or hasattr(annotation, "model_fields")
    )


def _arguments(annotation: Any) -> list[Any]:
    inner = getattr(annotation, "__args__", ())
    return [annotation, *(a for i in inner for a in _arguments(i))]
