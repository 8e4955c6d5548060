"""What each stage of a stream of blocks does, in processes of Ray or anywhere: Arrow tables in and out.

A row is a block: `number`, `photos` (JSON, the places), then `problems` (JSON), a column of pixels a
way in which members see photographs, and a column of probabilities a member that has been asked. Pixels
are dropped behind the last member that sees them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from orchestrator.batch_inference.blocks import Block
from orchestrator.inference.parts import Part, Seen, Trained
from orchestrator.inference.pixels import see_all

# Of one task that reads: few, as there are several tasks; a store far away answers slowly.
_HERE, _FAR = 1, 8


def row_of(block: Block) -> dict[str, Any]:
    """As the stream begins."""
    return {
        "number": block.number,
        "photos": json.dumps([whole_path(photo.place) for photo in block.photos]),
    }


def whole_path(place: str) -> str:
    """As processes in any folder find it."""
    return place if "://" in place else os.path.abspath(place)  # noqa: PTH100  # links are kept


def with_whole_paths(trained: Trained) -> Trained:
    """Its networks' places as processes in any folder find them."""
    members = [
        replace(part, networks=tuple(
            replace(own, place=whole_path(own.place)) for own in part.networks
        ))
        for part in trained.members
    ]  # fmt: skip
    return replace(trained, members=tuple(members))


def read(rows: pa.Table, ways: Sequence[Seen], bits: int | None) -> pa.Table:
    """Read and decode the photographs of each row."""
    out = []
    for row in rows.to_pylist():
        photos = json.loads(row["photos"])
        jobs = _FAR if any("://" in own for own in photos) else _HERE
        pixels, problems = see_all(photos, ways, bits, jobs)
        columns = {
            "number": pa.array([row["number"]]),
            "problems": pa.array([json.dumps(problems)]),
        }
        columns |= {_pixels(i): _held(pixels[way]) for i, way in enumerate(ways)}
        out.append(pa.table(columns))
    return pa.concat_tables(out)


class AskMembers:
    """Loads the networks of some members once, and asks them about each row.

    parts: with how many classes each predicts. ways: those of the ensemble; behind: the numbers of
    those that no later member sees.
    """

    def __init__(
        self,
        parts: Sequence[tuple[Part, int]],
        ways: Sequence[Seen],
        behind: Sequence[int],
        device: str | None,
    ):
        from orchestrator.inference.networks import ask_member, device_of

        device = device_of(device)
        self._ways, self._behind = list(ways), [_pixels(i) for i in behind]
        self._ask = [(part, ask_member(part, n, device)) for part, n in parts]

    def __call__(self, rows: pa.Table) -> pa.Table:
        for part, ask in self._ask:
            column = rows[_pixels(self._ways.index(part.seen))]
            shape = (*part.seen.size, 3)
            found = [_held(ask(_array(own, np.uint8, shape))) for own in column]
            rows = rows.append_column(_of_member(part.name), pa.chunked_array(found))
        return rows.drop_columns(self._behind)


def answers_of(
    rows: pa.Table, i: int, trained: Trained
) -> tuple[int, list[str | None], dict[str, np.ndarray]]:
    """Of a row that all members were asked about: the block's number, the problems of its photographs
    and, by member, (n, k) float32 of those without one.
    """
    members = {
        part.name: _array(
            rows[_of_member(part.name)][i], np.float32, (len(trained.codec_of(part).classes),)
        )
        for part in trained.members
    }
    return rows["number"][i].as_py(), json.loads(rows["problems"][i].as_py()), members


def in_stream_order(trained: Trained) -> list[Part]:
    """Members that see the same stand together, those of the most pixels first: they are dropped first."""
    ways = list(dict.fromkeys(part.seen for part in trained.members))
    ways.sort(key=lambda way: -way.size[0] * way.size[1])  # stable
    return sorted(trained.members, key=lambda part: ways.index(part.seen))


def dropped_behind(groups: Sequence[Sequence[Part]], ways: Sequence[Seen]) -> list[list[int]]:
    """For each group of members, the numbers of the ways that it is the last to see."""
    last: Mapping[int, int] = {
        ways.index(part.seen): g for g, group in enumerate(groups) for part in group
    }
    return [[i for i, own in last.items() if own == g] for g in range(len(groups))]


def _pixels(way: int) -> str:
    return f"pixels {way}"


def _of_member(name: str) -> str:
    return f"member {name}"


def _held(values: np.ndarray) -> pa.Array:
    """One value, whose bytes are those of the array, without a copy."""
    flat = np.ascontiguousarray(values)
    offsets = pa.py_buffer(np.array([0, flat.nbytes], np.int64))
    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), 1, [None, offsets, pa.py_buffer(flat.reshape(-1).view(np.uint8))]
    )


def _array(value: Any, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
    return np.frombuffer(value.as_buffer(), dtype).reshape(-1, *shape)
