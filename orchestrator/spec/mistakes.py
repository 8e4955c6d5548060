"""The mistakes of one file, each with the line that it stands in."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from orchestrator.spec.messages.wording import keys, said
from orchestrator.spec.yaml_lines import Document

Model = TypeVar("Model", bound=BaseModel)


class Mistakes:
    """`problems` holds one text a mistake. name: how the messages call the file."""

    def __init__(self, document: Document, name: str):
        self.document, self.name = document, name
        self.problems: list[str] = document.problems
        self.elsewhere: dict[tuple, str] = {}  # what stands in no line of this file

    def where(self, path: tuple, inherited: Collection[str] = ()) -> str:
        """The line of `path`, with the options that changed it. inherited: its keys from `defaults`."""
        for depth in range(len(path), 0, -1):
            if path[:depth] in self.elsewhere:
                return self.elsewhere[path[:depth]]
        line = self.document.line(path)
        place = f"{self.name}, line {line}" if line else self.name
        within = [path] if path else []
        within += [("defaults", key) for key in inherited]
        changed = [
            text
            for at, text in self.elsewhere.items()
            if text.startswith("--set ") and any(at[: len(own)] == own for own in within)
        ]
        return f"{place}, with {' '.join(changed)}" if changed else place

    def add(
        self, path: tuple, text: str, shown: str | None = None, inherited: Collection[str] = ()
    ) -> None:
        dotted = shown or ".".join(map(str, path))
        text = ": ".join(filter(None, [self.where(path, inherited), dotted, text]))
        if text not in self.problems:
            self.problems.append(text)

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
        return keys(model)

    def build(
        self,
        model: type[Model],
        values: dict,
        path: tuple,
        shown: str = "",
        inherited: Collection[str] = (),
    ) -> Model | None:
        """`model(**values)`, or None with its mistakes added to the list, each once.

        shown: how messages call `path`. inherited: keys of `values` that stand in `defaults`.
        """
        try:
            return model(**values)
        except ValidationError as error:
            for at, block, text in said(error.errors(), values, model):
                here, called = (*path, *at), shown
                if at and at[0] in inherited:
                    here, called = ("defaults", *at), "defaults"
                dotted = ".".join(filter(None, [called, *map(str, block)]))
                self.add(here, text, dotted, () if at else inherited)
            return None
