"""The photographs of a run in a training process: read once, decoded once, for all its units."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from members.errors import first_line
from members.files import Progress
from members.room import OwnDisk
from orchestrator.photographs.files import read_photographs
from orchestrator.photographs.streaming import Part, Way
from orchestrator.photographs.table import Photographs, codec_of, column, in_fold, labels_of
from orchestrator.runs.store import Store
from orchestrator.units.predictions import PhotoPart
from orchestrator.units.unit import Unit

if TYPE_CHECKING:
    import pandas as pd

    from members.batches.photos import Photos
    from members.pixels.cache import Decoded


class Inputs:
    """cache: folder of decoded photographs, which outlives the process. progress: of decoding. streamed:
    photographs that have no copies there. disk: as of `members/pixels/cache.py`."""

    def __init__(
        self,
        store: Store,
        cache: str,
        progress: Progress | None = None,
        streamed: Collection[Way] = (),
        disk: OwnDisk | None = None,
    ):
        self._store, self._cache, self._progress, self._disk = store, cache, progress, disk
        self._pixels: dict[Way, Decoded] = {}
        self._streamed: set[Way] = {*streamed}
        self._without_room: list[str] = []
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

    def notes(self) -> list[str]:
        """What is worth knowing of the cache since the last call: damage, and copies it has no room for."""
        found, self._without_room = self._without_room, []
        return [*found, *self.damage()]

    def streamed(self, unit: Unit) -> list[str]:
        """Which photographs of the unit were decoded batch by batch, part and size."""
        from members.recipe.stages import training_copies

        recipe = unit.member.recipe
        sizes = [recipe.image_size, *training_copies(recipe)]
        return [
            f"{way.part} {way.size[0]}x{way.size[1]}"
            for way in self._pixels
            if way in self._streamed and way.copy == unit.member.photos and way.size in sizes
        ]

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

    def _decoded(self, unit: Unit, part: Part, size: tuple[int, int]) -> Decoded:
        """The pixels of all photographs of a part, cropped as the unit's recipe says."""
        from members.pixels.augment import crop_of

        way = Way(part, unit.member.photos, size, crop_of(unit.member.recipe))
        if way not in self._pixels:
            self._pixels[way] = self._open(way)
        return self._pixels[way]

    def _open(self, way: Way) -> Decoded:
        from members.pixels.cache import NoRoom, Wanted, pixels
        from members.pixels.streamed import StreamedPixels

        frame = self._frame(way.part)
        paths, digests = (frame[column(name, way.copy)].tolist() for name in ("path", "digest"))
        if way not in self._streamed:
            try:
                return pixels(
                    paths,
                    digests,
                    size=way.size,
                    crop=way.crop,
                    folder=self._cache,
                    progress=self._progress,
                    disk=self._disk,
                )
            except NoRoom as error:
                self._streamed.add(way)
                why = f"{first_line(error)} Until then they are decoded batch by batch."
                self._without_room.append(why)
        return StreamedPixels(Wanted(paths, digests, way.size, way.crop), self._progress)

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
