"""Which sizes of photographs get decoded copies, and which are decoded batch by batch instead.

Copies are worth most where photographs are read often and their copies are small. In the order of readings a
byte, files get their place until the limit (`cache.limit`) or the room on the disk is used up; one that does
not fit is passed over. Photographs to predict are read once a unit, so they are the first to go without.
"""

from __future__ import annotations

import shutil
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from members.checked_array import size_of
from members.errors import BadInput
from members.pixels.augment import crop_of
from members.pixels.cache import Wanted
from members.pixels.crop import Pair
from members.recipe.recipe import Recipe
from members.recipe.stages import copy_size, training_copies
from members.recipe.stages import size_of as size_in_epoch
from members.room import SHARE_OF_DISK, kept
from orchestrator.photographs.cache import copies_folder, own_disk
from orchestrator.photographs.table import Photographs, column
from orchestrator.sizes import shown
from orchestrator.spec.folds.choice import folds_of
from orchestrator.spec.spec import Member, Spec

Part = Literal["train", "test"]
_TIMED, _SECONDS = 16, 0.5  # photographs that are timed, and for how long at most
_OF_A_PIXEL = (
    13  # bytes while a photograph is decoded: its coefficients, as Pillow's picture, as RGB
)


class Way(NamedTuple):
    """Photographs of a part, of a copy of them (None: the originals), in one size, (h, w), and crop."""

    part: Part
    copy: str | None
    size: tuple[int, int]
    crop: Pair | None

    @classmethod
    def from_list(cls, plain: Sequence[Any]) -> Way:
        """What `list(way)` is after JSON."""
        part, copy, size, crop = plain
        return cls(part, copy, (size[0], size[1]), None if crop is None else (crop[0], crop[1]))

    def __str__(self) -> str:
        whose = "to train on" if self.part == "train" else "to predict"
        return f"{self.size[0]}x{self.size[1]} {whose}" + (f" ({self.copy})" if self.copy else "")


@dataclass(frozen=True)
class File:
    """A file of decoded copies. readings: how often each photograph is read, by all units together."""

    way: Way
    photos: int
    readings: float

    @property
    def bytes(self) -> int:
        return size_of((self.photos, *self.way.size, 3))

    @property
    def worth(self) -> float:
        """Readings a byte."""
        return self.readings / (3 * self.way.size[0] * self.way.size[1])


@dataclass(frozen=True)
class Copying:
    """What is copied and what is streamed. room: bytes for what is not there yet; limit: for all; None:
    any. largest: pixels of the largest photograph. milliseconds: of CPU to decode one, where any is."""

    copied: tuple[File, ...]
    streamed: tuple[File, ...]
    limit: int | None
    room: int | None
    folder: str = ""
    processes: int = 1
    largest: int = 0
    milliseconds: float | None = None

    @property
    def ways(self) -> tuple[Way, ...]:
        """Those that are streamed."""
        return tuple(own.way for own in self.streamed)

    def memory_of(self, member: Member) -> int:
        """Bytes that the decoding takes, of all processes that train a unit of it."""
        mine = any(way.copy == member.photos for way in self.ways)
        return self.processes * _OF_A_PIXEL * self.largest if mine else 0

    def lines(self) -> list[str]:
        """Which way was taken and what it costs, where there are photographs without copies."""
        if not self.streamed:
            return []
        every = sum(own.bytes for own in (*self.copied, *self.streamed))
        kept = sum(own.bytes for own in self.copied)
        if self.limit == 0:
            allowed = "cache.limit allows none"
        elif self.limit is not None and (self.room is None or self.limit <= self.room + kept):
            allowed = f"{shown(self.limit)} are allowed (cache.limit)"
        else:
            allowed = f"{shown(self.room or 0)} more have room in {self.folder}"
        streamed = ", ".join(str(own.way) for own in self.streamed)
        rest = f"; copied: {', '.join(str(own.way) for own in self.copied)}" if self.copied else ""
        cost = ""
        if self.milliseconds is not None:
            photos = sum(own.photos for own in self.streamed if own.way.part == "train")
            epoch = f", {_seconds(photos * self.milliseconds / 1000)} for the {photos:,}"
            cost = f", about {self.milliseconds:.2g} ms of CPU a photo and epoch"
            cost += f"{epoch} to train on" if photos else ""
        return [
            f"decoded copies would take {shown(every)}, {allowed}: photographs are decoded batch by "
            f"batch in {streamed}{cost}{rest}"
        ]

    def record(self) -> dict[str, Any]:
        """For `check --json`."""

        def plain(own: File) -> dict[str, Any]:
            way = own.way._asdict()
            return {**way, "size": list(own.way.size), "photos": own.photos, "bytes": own.bytes}

        return {
            "limit": self.limit,
            "room": self.room,
            "copied": [plain(own) for own in self.copied],
            "streamed": [plain(own) for own in self.streamed],
            "milliseconds_per_photo": self.milliseconds,
        }


def files_of(spec: Spec, photos: Mapping[Part, int]) -> list[File]:
    """Every file of decoded copies that the members of `spec` would read. photos: how many of each part."""
    readings: dict[Way, float] = defaultdict(float)
    for member in spec.members:
        of_folds = spec.folds.k if spec.folds.scheme == "kfold" else 1
        units = len(folds_of(member.folds, of_folds)) * len(member.seeds or (None,))
        learns_test = member.pseudo or (member.teacher and member.teacher.unlabelled)
        for recipe in spec.recipes_of(member):
            crop = crop_of(recipe)
            for size, often in _readings(recipe, _held_out(spec)).items():
                readings[Way("train", member.photos, size, crop)] += units * often
            for size in (recipe.image_size, *(training_copies(recipe) if learns_test else ())):
                readings[Way("test", member.photos, size, crop)] += units
    return [
        File(way, photos[way.part], often)
        for way, often in readings.items()
        if photos.get(way.part)
    ]


def choose(
    files: Sequence[File],
    limit: int | None,
    room: int | None,
    there: Collection[Way] = (),
    **how: Any,
) -> Copying:
    """there: files that are made already: they take no room, but count to the limit."""
    copied, streamed = [], []
    taken = made = 0
    for own in sorted(files, key=lambda own: -own.worth):
        new = 0 if own.way in there else own.bytes
        allowed = limit is None or taken + own.bytes <= limit
        if allowed and (room is None or made + new <= room):
            copied.append(own)
            taken, made = taken + own.bytes, made + new
        else:
            streamed.append(own)
    return Copying(tuple(copied), tuple(streamed), limit, room, **how)


def copying_of(
    spec: Spec, photographs: Photographs, *, largest: int, here: bool = True, held: int = 0
) -> Copying:
    """What is copied of the photographs of `spec`, and what it costs where they are not.

    largest: pixels of the largest. here: this machine's disk is the one; else nodes find out about theirs.
    held: bytes on it that copies on the way have taken.
    """
    parts: dict[Part, Any] = {"train": photographs.train, "test": photographs.test}
    files = files_of(spec, {part: len(frame) for part, frame in parts.items() if frame is not None})
    folder = Path(copies_folder(spec))
    limit = spec.cache.limit if spec.cache else None
    there = [
        own.way
        for own in files
        if here and _wanted(own.way, parts[own.way.part]).file_in(folder).exists()
    ]
    if own_disk(spec):  # others make room
        held += kept(folder) - sum(own.bytes for own in files if own.way in there)
    resources = spec.resources
    found = choose(
        files, limit, room_in(folder, held) if here else None, there, folder=str(folder),
        processes=resources.workers * max(1, resources.loader_workers), largest=largest,
    )  # fmt: skip
    if not found.streamed:
        return found
    way = found.streamed[0].way
    timed = milliseconds(_wanted(way, parts[way.part]))
    return Copying(**{**vars(found), "milliseconds": timed})


def room_in(folder: Path, held: int = 0) -> int:
    """Bytes that may be taken of the disk of `folder`, which need not be there; held: are taken already."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return int(SHARE_OF_DISK * (shutil.disk_usage(folder).free + held))


def milliseconds(wanted: Wanted) -> float | None:
    """CPU time to decode one of the photographs, of some; None where none of them can be."""
    step = max(1, len(wanted.paths) // _TIMED)
    times: list[float] = []
    for row in range(0, len(wanted.paths), step):
        begun = time.process_time()
        try:
            wanted.photo(row)
        except BadInput:  # it is said where it is needed
            continue
        times.append(time.process_time() - begun)
        if sum(times) > _SECONDS:
            break
    return 1000 * sum(times) / len(times) if times else None


def _wanted(way: Way, frame: Any) -> Wanted:
    paths, digests = (frame[column(name, way.copy)].tolist() for name in ("path", "digest"))
    return Wanted(paths, digests, way.size, way.crop)


def _readings(recipe: Recipe, held_out: float) -> dict[tuple[int, int], float]:
    """Size -> how often a unit reads a photograph in it: to train, to validate, and for the OOF table."""
    found: dict[tuple[int, int], float] = defaultdict(float)
    for epoch in range(recipe.epochs):
        found[copy_size(recipe, size_in_epoch(recipe, epoch))] += 1 - held_out
    found[recipe.image_size] += held_out * (recipe.epochs + 1)
    return found


def _held_out(spec: Spec) -> float:
    """Share of the photographs that a unit validates with."""
    folds = spec.folds
    if folds.scheme == "kfold":
        return 1 / folds.k
    return 0.0 if folds.scheme == "all" else folds.ratio


def _seconds(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 90 else f"{seconds / 60:.0f} min"
