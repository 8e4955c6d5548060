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
    import pandas as pd

    from members.batches.photos import Photos
    from members.pixels.cache import CachedPixels

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
        self._pixels: dict[_Decoded, CachedPixels] = {}
        self._noted = 0
        self.damage()

    @cached_property
    def photographs(self) -> Photographs:
        return read_photographs(self._store)

    def damage(self) -> list[str]:
        """What was damaged in the cache since the last call, and is mended; of any process here."""
        from members.pixels.cache import damage

        lines = damage(self._cache)
        new, self._noted = lines[self._noted :], len(lines)
        return new

    def photos(self, unit: Unit, part: Part) -> Photos:
        """All photographs of a part, in the size of the unit's recipe, with labels of its targets.

        Those to train on also in the other sizes that the recipe trains in.
        """
        frame = self._frame(part)
        codec = codec_of(unit.member, self.photographs.codec)
        labels = labels_of(frame, codec).astype(np.int64)
        if part == "test":
            from members.batches.photos import Photos

            return Photos(self._decoded(unit, part, unit.member.recipe.image_size), labels)
        return self._to_train_on(unit, part, frame, labels)

    def pseudo_labelled(self, unit: Unit, rows: np.ndarray, labels: np.ndarray) -> Photos:
        """The test photographs at `rows` (P,) as photographs to train on, with the `labels` (P,) int64.

        Their own labels, where the test list has any, are not looked at, nor are years of age.
        """
        codec = codec_of(unit.member, self.photographs.codec)
        unknown = np.full(len(rows), -1, np.int16)
        frame = self._frame("test")[["image_id"]].iloc[rows]
        given = dict.fromkeys(self.photographs.codec.targets, unknown) | codec.decode(labels)
        return self._to_train_on(unit, "test", frame.assign(**given), labels, rows)

    def _to_train_on(
        self,
        unit: Unit,
        part: Part,
        frame: pd.DataFrame,
        labels: np.ndarray,
        rows: np.ndarray | None = None,
    ) -> Photos:
        from members.batches.photos import Photos
        from members.data.columns import columns_of
        from members.recipe.stages import training_copies

        recipe, columns = unit.member.recipe, columns_of(frame, self.photographs.codec)
        pixels = self._decoded(unit, part, recipe.image_size)
        others = [size for size in training_copies(recipe) if size != recipe.image_size]
        sizes = {size: self._decoded(unit, part, size) for size in others}
        return Photos(pixels, labels, rows, columns, sizes)

    def _decoded(self, unit: Unit, part: Part, size: tuple[int, int]) -> CachedPixels:
        """The pixels of all photographs of a part, cropped as the unit's recipe says."""
        from members.pixels.augment import crop_of
        from members.pixels.cache import pixels

        copy, frame = unit.member.photos, self._frame(part)
        key = _Decoded(part, copy, size, crop_of(unit.member.recipe))
        if key not in self._pixels:
            self._pixels[key] = pixels(
                frame[column("path", copy)].tolist(),
                frame[column("digest", copy)].tolist(),
                size=key.size,
                crop=key.crop,
                folder=self._cache,
                progress=self._progress,
            )
        return self._pixels[key]

    def _frame(self, part: Part) -> pd.DataFrame:
        frame = self.photographs.train if part == "train" else self.photographs.test
        if frame is None:
            raise ValueError("these photographs have no test part")
        return frame

    def to_predict(self, unit: Unit) -> dict[str, PhotoPart]:
        """`oof`, where the unit's fold holds anything out, and `test`, where there is a test part."""
        photographs = self.photographs
        parts = {}
        _, rows = in_fold(photographs.train, unit.fold)
        if len(rows) and isinstance(unit.fold, int):
            photos = self.photos(unit, "train").take(rows)
            parts["oof"] = PhotoPart(photographs.train.iloc[rows], photos, unit.fold)
        if photographs.test is not None:
            parts["test"] = PhotoPart(photographs.test, self.photos(unit, "test"), None)
        return parts
