"""Decoded copies that members will train on, made while the photographs are read, or in one pass after."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from pathlib import Path

import pandas as pd

from members.reading.copies import Copies
from members.room import kept
from orchestrator.photographs.cache import Reading, copies_folder, own_disk
from orchestrator.photographs.streaming import (
    Copying,
    File,
    Part,
    Way,
    choose,
    files_of,
    room_in,
)
from orchestrator.photographs.table import Photographs, column
from orchestrator.spec.spec import Spec


class Decoding:
    """Copies on the way, of the parts and copies of a spec's photographs; gone with the block.

    names: members whose copies are made. Without any nothing is, and no disk is filled.
    """

    def __init__(self, spec: Spec, names: Collection[str] = ()):
        self._spec, self._names = spec, names
        self._folder, self._disk = Path(copies_folder(spec)), own_disk(spec)
        self._stack = ExitStack()
        self._copied: tuple[File, ...] = ()
        self._copies: dict[tuple[Part, str | None], Copies] = {}

    def __enter__(self) -> Decoding:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def plan(self, photos: Mapping[Part, int]) -> None:
        """Decide what is made of so many photographs of each part, before they are read."""
        if self._names:
            limit = self._spec.cache.limit if self._spec.cache else None
            files = files_of(self._spec, photos)
            others = kept(self._folder) if self._disk else 0  # which make room
            self._copied = choose(files, limit, room_in(self._folder, others)).copied

    def of(self, frame: pd.DataFrame, part: Part, copy: str | None) -> Copies | None:
        """Those of a part that is about to be read; None where there are none to make."""
        seen = {way for way in self._seen(self._names) if (way.part, way.copy) == (part, copy)}
        if not seen:
            return None
        sizes = [(own.way.size, own.way.crop) for own in self._copied if own.way in seen]
        paths = frame[column("path", copy)].tolist()
        made = self._stack.enter_context(Copies(paths, sizes, self._folder, self._disk))
        self._copies[part, copy] = made
        return made

    @property
    def held(self) -> int:
        """Bytes of the disk that copies on the way have taken."""
        return sum(own.held for own in self._copies.values())

    def finish(
        self,
        photographs: Photographs,
        names: Collection[str],
        copying: Copying | None = None,
        progress: Reading = lambda *_: None,
    ) -> None:
        """Make what the members `names` need, `copying` allows (None: as planned) and the cache lacks."""
        seen = self._seen({*names} & {*self._names})
        for (part, copy), own in self._copies.items():
            frame = photographs.train if part == "train" else photographs.test
            copied = copying.copied if copying else self._copied
            ways = [file.way for file in copied if file.way in seen]
            sizes = [(way.size, way.crop) for way in ways if (way.part, way.copy) == (part, copy)]
            if frame is not None and frame[column("path", copy)].tolist() == own.paths:
                digests = frame[column("digest", copy)].tolist()
                own.finish(digests, sizes, lambda *done: progress("decoding photographs", *done))
        self._stack.close()

    def _seen(self, names: Collection[str]) -> set[Way]:
        members = tuple(own for own in self._spec.members if own.name in names)
        chosen = self._spec.model_copy(update={"members": members})
        return {own.way for own in files_of(chosen, {"train": 1, "test": 1})}
