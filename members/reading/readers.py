"""Processes that read photographs for a scan: in threads, Python runs on one CPU however many there are.

Each takes lists of photos on its input and gives their rows on its output. It ends with its input, so
with the process that started it, however that one ends; and keys that interrupt that one do not reach it.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from members import files
from members.pixels.memory import BUDGET
from members.reading.photo import Asked, Copy, copy_photo, read_photo, stamp

MOST = 8  # processes, of some 100 MiB each
FEWEST = 1000  # photos that are worth starting them: half a second of CPU time each
# photos, or bytes, that are asked for: with few a process mostly waits to be asked, on a busy machine
_AT_ONCE, _BYTES = 128, 2**20
WORK = {"read": read_photo, "copy": copy_photo}
Rows = Callable[..., Generator[tuple[Asked, dict], None, None]]
ReadBy = Callable[[int], contextlib.AbstractContextManager[Rows]]  # of so many photos
_CHILD = "from members.reading.readers import answer; answer()"
# Of glibc, bytes: what a photo was decoded in is kept for the next one. Given back and taken again, it costs
# a page fault each 4 KiB: 560 a photo of 500 x 375, .8 of 6.4 ms.
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**26)}


class Readers:
    """So many processes. They end with the block.

    All of them together hold no more than half of the memory that photos are decoded in; those that need
    more than their share are read here, in threads, when the others are done.
    """

    def __init__(self, jobs: int):
        self._jobs, self._share = jobs, BUDGET.total // (2 * jobs)
        self._running: list[subprocess.Popen] = []
        self._free: queue.SimpleQueue[subprocess.Popen] = queue.SimpleQueue()

    def __enter__(self) -> Readers:
        paths = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
        for _ in range(self._jobs):
            started = subprocess.Popen(
                [sys.executable, "-c", _CHILD],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**_MALLOC, **os.environ, "PYTHONPATH": paths},
                process_group=0,
            )
            self._running.append(started)
            self._free.put(started)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            with contextlib.suppress(OSError):  # it died before it took all
                process.stdin.close()  # type: ignore[union-attr]
        for process in self._running:
            process.stdout.close()  # type: ignore[union-attr]
            process.wait()

    def rows(
        self, work: str, asked: Sequence[Asked], into: Sequence[Copy] = ()
    ) -> Generator[tuple[Asked, dict], None, None]:
        """Each photo and what the function of WORK makes of it, in any order."""
        parts = parts_of(asked)
        ask = partial(self._ask, work, into)
        left = []
        try:
            for part, rows in zip(parts, files.in_threads(ask, parts, self._jobs), strict=True):
                for photo, row in zip(part, rows, strict=True):
                    if row is None:
                        left.append(photo)
                    else:
                        yield photo, row
        except BaseException:  # the caller stops: nobody waits for what is begun
            for process in self._running:
                process.kill()
            raise
        yield from rows_in_threads(work, left, into)

    def _ask(self, work: str, into: Sequence[Copy], part: Sequence[Asked]) -> Sequence[dict | None]:
        process = self._free.get()
        try:
            asked = [work, part, self._share, [(str(own.file), *own[1:]) for own in into]]
            process.stdin.write(_line(asked))  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            answer = process.stdout.readline()  # type: ignore[union-attr]
            return [own if own is None else _row(own) for own in json.loads(answer)]
        except (OSError, ValueError):  # it died, of a decoder or of memory
            return [None] * len(part)
        finally:
            self._free.put(process)


def parts_of(asked: Sequence[Asked]) -> list[list[Asked]]:
    """What a process is asked for at once."""
    parts: list[list[Asked]] = []
    left = 0
    for photo in asked:
        if not parts or len(parts[-1]) == _AT_ONCE or left <= 0:
            parts.append([])
            left = _BYTES
        parts[-1].append(photo)
        left -= (stamp(photo.path) or (0,))[0]
    return parts


def rows_in_threads(
    work: str, asked: Sequence[Asked], into: Sequence[Copy] = ()
) -> Generator[tuple[Asked, dict], None, None]:
    """As `Readers.rows`, in this process."""
    function = partial(WORK[work], into=into)
    for photo, row in zip(asked, files.in_threads(function, asked), strict=True):
        assert row is not None  # it may take all that there is
        yield photo, row


@contextlib.contextmanager
def readers(photos: int) -> Iterator[Rows]:
    """`Readers.rows` of as many as there are CPUs for, or of none where so few photos are not worth it."""
    jobs = min(MOST, len(os.sched_getaffinity(0)), photos // FEWEST)
    if jobs < 2:
        yield rows_in_threads
        return
    with Readers(jobs) as started:
        yield started.rows


def answer() -> None:
    """What such a process does: rows for lists of photos, until its input ends."""
    import cv2

    cv2.setNumThreads(1)
    given = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a decoder prints is no answer
    for line in sys.stdin.buffer:
        work, part, share, into = json.loads(line)
        copies = [
            Copy(Path(file), tuple(shape), crop and tuple(crop)) for file, shape, crop in into
        ]
        photos = [Asked(path, tuple(rows), digest) for path, rows, digest in part]
        try:
            given.write(_line([WORK[work](photo, share, copies) for photo in photos]))
            given.flush()
        except BrokenPipeError:
            return


def _line(value: Any) -> bytes:
    """As JSON, which runs nothing when it is read; names of files that are no Unicode included."""
    return json.dumps(value, default=bytes.hex).encode() + b"\n"


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """As it was before `_line`: of its values one is bytes."""
    return row | {name: bytes.fromhex(row[name]) for name in ("thumbnail",) if name in row}
