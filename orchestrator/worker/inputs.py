"""The photographs of a run in a training process: read once, decoded once, for all its units."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from members.files import Progress
from orchestrator.photographs.files import read_photographs
from orchestrator.photographs.table import Photographs, codec_of, column, in_fold, labels_of
from orchestrator.runs.store import Store
from orchestrator.units.predictions import PhotoPart
from orchestrator.units.unit import Unit

if TYPE_CHECKING:
    from members.batches.photos import Photos

Part = Literal["train", "test"]


class _Decoded(NamedTuple):
    """Which photographs an array has the pixels of, and how they were cropped and resized."""

    part: Part
    copy: str | None
    size: tuple[int, int]
    crop: tuple[float, float] | None


class Inputs:
    """cache: folder of decoded photographs, which outlives the process. progress: of decoding."""

    def __init__(self, store: Store, cache: str, progress: Progress | None = None):
        self._store, self._cache, self._progress = store, cache, progress
        self._pixels: dict[_Decoded, np.ndarray] = {}

    @cached_property
    def photographs(self) -> Photographs:
        return read_photographs(self._store)

    def photos(self, unit: Unit, part: Part) -> Photos:
        """All photographs of a part, in the size of the unit's recipe, with labels of its targets."""
        from members.batches.photos import Photos
        from members.data.columns import columns_of
        from members.pixels.augment import crop_of
        from members.pixels.cache import pixels

        recipe, copy, photographs = unit.member.recipe, unit.member.photos, self.photographs
        frame = photographs.train if part == "train" else photographs.test
        if frame is None:
            raise ValueError("these photographs have no test part")
        key = _Decoded(part, copy, recipe.image_size, crop_of(recipe))
        if key not in self._pixels:
            self._pixels[key] = pixels(
                frame[column("path", copy)].tolist(),
                frame[column("digest", copy)].tolist(),
                size=key.size,
                crop=key.crop,
                folder=self._cache,
                progress=self._progress,
            )
        labels = labels_of(frame, codec_of(unit.member, photographs.codec)).astype(np.int64)
        columns = columns_of(frame, photographs.codec) if part == "train" else {}
        return Photos(self._pixels[key], labels, columns=columns)

    def to_predict(self, unit: Unit) -> dict[str, PhotoPart]:
        """`oof`, where the unit's fold holds anything out, and `test`, where there is a test part."""
        photographs = self.photographs
        parts = {}
        _, rows = in_fold(photographs.train, unit.fold)
        if len(rows):
            photos = self.photos(unit, "train").take(rows)
            parts["oof"] = PhotoPart(photographs.train.iloc[rows], photos, unit.fold)
        if photographs.test is not None:
            parts["test"] = PhotoPart(photographs.test, self.photos(unit, "test"), None)
        return parts
