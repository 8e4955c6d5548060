"""What an ensemble takes on this machine, from what was timed: of each member, and of all together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.first_spec.steps import Steps
from orchestrator.photographs.streaming import File, Part, Way, choose
from orchestrator.progress.pace import Group, makespan

# In starts of a process, that is, of importing torch and the rest, which is timed: what the command
# takes before and after its units, what a run of units takes until its first one, what a unit takes for
# its tables, its curves and its record until the next begins, and what an epoch takes besides its
# steps, its predictions and its state: scores, curves and the report. Measured by
# benchmarks/first_spec.py.
_BEFORE, _AFTER, _OF_A_RUN, _OF_A_UNIT, _OF_AN_EPOCH = 3.6, 0.9, 3.8, 0.5, 0.08


@dataclass(frozen=True)
class Measured:
    """A member with what was timed of it. recipe: its keys without epochs."""

    name: str
    family: str
    recipe: dict[str, Any]
    steps: Steps

    @property
    def batch(self) -> int:
        return int(self.recipe["batch_size"])

    def way(self, part: Part) -> Way:
        height, width = self.recipe["image_size"]
        return Way(part, None, (height, width), None)


@dataclass(frozen=True)
class Load:
    """Photographs to train on and to predict; seconds to read one, with all cores; and of a process to
    start. cpus: of the machine. loaders: processes that load photographs, for each that trains. room: bytes
    for decoded copies."""

    n_train: int
    n_test: int
    read: float
    start: float
    cpus: int = 1
    loaders: int = 0
    room: int | None = None

    @property
    def decode(self) -> float:
        """Seconds of a training process to decode a photograph that has no copy."""
        return self.read * self.cpus / max(1, self.loaders)

    @property
    def reading(self) -> float:
        """Seconds to read and check all photographs once."""
        return self.read * (self.n_train + self.n_test)


@dataclass(frozen=True)
class Folds:
    """`folds:` of a spec, apart from the seed."""

    scheme: str
    k: int = 1
    ratio: float = 0.2

    @property
    def held_out(self) -> float:
        """Share of the photographs in a fold."""
        return 1 / self.k if self.scheme == "kfold" else self.ratio

    def keys(self) -> dict[str, Any]:
        if self.scheme == "kfold":
            return {"scheme": "kfold", "k": self.k}
        return {"scheme": "holdout", "ratio": self.ratio}


@dataclass(frozen=True)
class Cost:
    """Seconds. members: of each, all its folds, one after the other. total: of `train-members`, the
    reading of the photographs included. streamed: whether copies of some have no room."""

    members: dict[str, float]
    reading: float
    total: float
    streamed: bool = False


def unit_seconds(
    member: Measured, load: Load, folds: Folds, epochs: int, streamed: Collection[Way] = ()
) -> float:
    """Of one fold of a member, from the network's making to its record. streamed: what has no copies."""
    held_out = round(load.n_train * folds.held_out)
    steps, own = math.ceil((load.n_train - held_out) / member.batch), member.steps
    epoch = steps * own.step + held_out * own.predict + own.save + _OF_AN_EPOCH * load.start
    after = (held_out + load.n_test) * own.predict + own.save
    if member.way("train") in streamed:
        epoch += load.n_train * load.decode
        after += held_out * load.decode
    if member.way("test") in streamed:
        after += load.n_test * load.decode
    return own.build + epochs * epoch + after + _OF_A_UNIT * load.start


def cost(members: Sequence[Measured], load: Load, folds: Folds, epochs: int, slots: int) -> Cost:
    """Of an ensemble of these members, as many units at once as there are slots."""
    copying = choose(_files(members, load, epochs), None, load.room)
    streamed = {*copying.ways}
    each = {own.name: unit_seconds(own, load, folds, epochs, streamed) for own in members}
    groups = [Group(folds.k, seconds) for seconds in each.values()]
    # each size is decoded by one process while the others wait
    decoding = load.read * sum(own.photos for own in copying.copied)
    fixed = (_BEFORE + _AFTER) * load.start
    units = makespan([], groups, slots, _OF_A_RUN * load.start)
    return Cost(
        {name: folds.k * seconds for name, seconds in each.items()},
        load.reading,
        fixed + load.reading + decoding + units,
        bool(streamed),
    )


def _files(members: Sequence[Measured], load: Load, epochs: int) -> list[File]:
    """Decoded copies of the photographs, by how often they are read."""
    seen: dict[Part, tuple[int, int]] = {"train": (load.n_train, epochs), "test": (load.n_test, 1)}
    return [
        File(way, photos, often * members_of_way)
        for part, (photos, often) in seen.items()
        for way, members_of_way in Counter(own.way(part) for own in members).items()
    ]
