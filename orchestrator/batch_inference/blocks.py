"""A list of photographs in blocks, each known by what it is and by whom it is asked.

The digest of a block is of the ensemble and of its photographs: their ids, places, sizes and times of
change. Where any of these is another, so is the digest, and answers that were kept are not found.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from ensembles.files import places
from members.pixels.background import VERSION
from orchestrator.inference.ensemble import photos_at_once
from orchestrator.inference.parts import Trained
from orchestrator.inference.photos import Photo
from orchestrator.version import __version__


@dataclass(frozen=True)
class Block:
    """Photographs that are read, asked about and kept together. digest: 64 hex digits."""

    number: int
    photos: Sequence[Photo]
    digest: str


def divided(
    photos: Sequence[Photo],
    trained: Trained,
    tables: bool = False,
    lazy: np.ndarray | None = None,
) -> list[Block]:
    """The blocks of a list, in its order; all but the last have `photos_at_once(trained)`.

    tables: whether those of the members are kept, too. lazy: the order in which a lazy vote asks.
    """
    size, whose = photos_at_once(trained), ensemble_digest(trained, tables, lazy)
    blocks = []
    for number, start in enumerate(range(0, len(photos), size)):
        own = photos[start : start + size]
        total = hashlib.sha256(whose.encode())
        for photo in own:
            line = json.dumps([photo.id, photo.place, *_state_of(photo.place)])
            total.update(f"{line}\n".encode())
        blocks.append(Block(number, own, total.hexdigest()))
    return blocks


def _state_of(place: str) -> tuple[int, ...]:
    """Size and time of change of a file; of an object in a store, and where there is none, nothing."""
    if "://" in place:
        return ()
    try:
        found = os.stat(place)  # noqa: PTH116  # of a million paths
    except (OSError, ValueError):
        return ()
    return found.st_size, found.st_mtime_ns


def ensemble_digest(trained: Trained, tables: bool = False, lazy: np.ndarray | None = None) -> str:
    """sha256 of all that decides what an ensemble answers, this program's version included."""
    members = {
        part.name: [
            part.seen,
            part.targets,
            [
                [own.sha256 or places.file_digest(own.place), own.recipe.model_dump_json()]
                for own in part.networks
            ],
        ]
        for part in trained.members
    }
    stacks = {name: [own.of, own.held_out] for name, own in trained.stacks.items()}
    what = {
        "version": [__version__, VERSION],
        "codec": trained.codec.targets,
        "members": members,
        "voters": trained.voters,
        "rule": trained.rule,
        "prior": trained.record.prior,
        "joins": trained.joins,
        "stacks": stacks,
        "bits": trained.bits,
        "tables": tables,
        "lazy": lazy,
    }
    total = hashlib.sha256()
    for piece in _pieces(what):
        total.update(piece)
    return total.hexdigest()


def _pieces(value: Any) -> Iterator[bytes]:
    """The bytes of a value made of plain ones, arrays and dataclasses: its own, whatever process."""
    if isinstance(value, np.ndarray):
        yield f"array {value.dtype} {value.shape} ".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif is_dataclass(value) and not isinstance(value, type):
        yield f"{type(value).__name__} ".encode()
        yield from _pieces({own.name: getattr(value, own.name) for own in fields(value)})
    elif isinstance(value, Mapping):
        yield f"mapping {len(value)} ".encode()
        for key, own in value.items():
            yield from _pieces(key)
            yield from _pieces(own)
    elif isinstance(value, list | tuple):
        yield f"list {len(value)} ".encode()
        for own in value:
            yield from _pieces(own)
    elif isinstance(value, np.generic):
        yield from _pieces(value.item())
    elif value is None or isinstance(value, str | int | float | bool):
        yield f"{json.dumps(value)} ".encode()
    else:
        raise TypeError(f"{type(value).__name__}: a digest is made of plain values and arrays")
