"""Photographs read by tasks on the machines of a Ray cluster, for a command that trains there."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from members.pixels.memory import BUDGET
from members.reading.photo import Asked, Copy, read_photo
from members.reading.readers import ReadBy, Rows, parts_of, readers, rows_in_threads

# photos that are worth joining Ray for, and starting a process of it on each CPU
FEWEST = 5000


def reading_at(address: str | None) -> ReadBy:
    """What reads photographs for a command that trains on the Ray at `address`.

    Of a cluster all machines, where the photos are many; otherwise this one.
    """
    return readers if address in (None, "local") else partial(_on_cluster, address)


@contextmanager
def _on_cluster(address: str | None, photos: int) -> Iterator[Rows]:
    if photos < FEWEST:
        with readers(photos) as here:
            yield here
        return
    from orchestrator.cluster.connect import mapped

    with mapped(address, spread=True) as calls:
        yield partial(_rows, calls)


def _rows(
    calls: Callable, work: str, asked: Sequence[Asked], into: Sequence[Copy] = ()
) -> Generator[tuple[Asked, dict], None, None]:
    """As `Readers.rows`. What a machine cannot read this one reads, which has the last word: the other
    may not have the folder, or a decoder of its kind, or may have died."""
    if work != "read" or into:  # copies are made where they are used
        yield from rows_in_threads(work, asked, into)
        return
    parts = parts_of(asked)
    left = []
    for part, rows in zip(parts, calls(_read, parts), strict=True):
        for photo, row in zip(part, rows or [None] * len(part), strict=True):
            if row is None or row["problem"]:
                left.append(photo)
            else:
                yield photo, row
    yield from rows_in_threads(work, left)


def _read(part: Sequence[Asked]) -> list[dict | None]:
    """Rows of a scan, in a task. One of a photo that needs too much beside as many others is None."""
    import cv2

    cv2.setNumThreads(1)
    most = BUDGET.total // (2 * (os.cpu_count() or 1))
    return [read_photo(photo, most) for photo in part]
