"""Decoded copies that members will train on, made while the photographs are read, or in one pass after."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path

import pandas as pd

from members.pixels.augment import crop_of
from members.reading.copies import Copies, Size
from members.recipe.stages import training_copies
from orchestrator.photographs.cache import Reading, cache_folder
from orchestrator.photographs.table import Photographs, column
from orchestrator.spec.spec import Spec


def sizes_of(
    spec: Spec, part: str, copy: str | None, names: Collection[str] | None = None
) -> list[Size]:
    """Sizes and crops of a part, "train" or "test", that members see of a copy of the photographs.

    names: of the members that count; None: all. Photos to predict are seen in the networks' sizes alone.
    """
    return list(
        dict.fromkeys(
            (size, crop_of(recipe))
            for member in spec.members
            if member.photos == copy and (names is None or member.name in names)
            for recipe in spec.recipes_of(member)
            for size in (recipe.image_size, *(training_copies(recipe) if part == "train" else ()))
        )
    )


class Decoding:
    """Copies on the way, of the parts and copies of a spec's photographs; gone with the block.

    names: members whose copies are made. Without any nothing is, and no disk is filled.
    """

    def __init__(self, spec: Spec, names: Collection[str] = ()):
        self._spec, self._names = spec, names
        self._stack = ExitStack()
        self._copies: dict[tuple[str, str | None], Copies] = {}

    def __enter__(self) -> Decoding:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def of(self, frame: pd.DataFrame, part: str, copy: str | None) -> Copies | None:
        """Those of a part that is about to be read; None where there are none to make."""
        sizes = sizes_of(self._spec, part, copy, self._names)
        if not sizes:
            return None
        paths = frame[column("path", copy)].tolist()
        made = self._stack.enter_context(Copies(paths, sizes, Path(cache_folder())))
        self._copies[part, copy] = made
        return made

    def finish(
        self, photographs: Photographs, names: Collection[str], progress: Reading = lambda *_: None
    ) -> None:
        """Make what the members `names` need and the cache does not have."""
        for (part, copy), own in self._copies.items():
            frame = photographs.train if part == "train" else photographs.test
            sizes = sizes_of(self._spec, part, copy, {*names} & {*self._names})
            if frame is not None and frame[column("path", copy)].tolist() == own.paths:
                digests = frame[column("digest", copy)].tolist()
                own.finish(digests, sizes, lambda *done: progress("decoding photographs", *done))
        self._stack.close()
