"""Processes that read photographs for a scan: in threads, Python runs on one CPU however many there are.

Each takes lists of paths on its input and gives their rows on its output. It ends with its input, so
with the process that started it, however that one ends; and keys that interrupt that one do not reach it.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from members import files
from members.pixels.memory import BUDGET
from members.reading.photo import read_photo

MOST = 8  # processes, of some 100 MiB each
FEWEST = 1000  # photos that are worth starting them: half a second of CPU time each
_AT_ONCE = 16  # photos that are asked for
_CHILD = "from members.reading.readers import answer; answer()"


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
                env={**os.environ, "PYTHONPATH": paths},
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

    def rows(self, paths: Sequence[str]) -> Generator[dict, None, None]:
        """The rows of a scan, in any order."""
        parts = [paths[start : start + _AT_ONCE] for start in range(0, len(paths), _AT_ONCE)]
        left = []
        for part, rows in zip(parts, files.in_threads(self._ask, parts, self._jobs), strict=True):
            for path, row in zip(part, rows, strict=True):
                if row is None:
                    left.append(path)
                else:
                    yield row
        yield from rows_in_threads(left)

    def _ask(self, part: Sequence[str]) -> list[dict | None]:
        process = self._free.get()
        try:
            pickle.dump((part, self._share), process.stdin)  # type: ignore[arg-type]
            process.stdin.flush()  # type: ignore[union-attr]
            return pickle.load(process.stdout)  # type: ignore[arg-type]
        except (OSError, EOFError, pickle.UnpicklingError):  # it died, of a decoder or of memory
            return [None] * len(part)
        finally:
            self._free.put(process)


def rows_in_threads(paths: Sequence[str]) -> Generator[dict, None, None]:
    """As `Readers.rows`, in this process."""
    for row in files.in_threads(read_photo, paths):
        assert row is not None  # it may take all that there is
        yield row


@contextlib.contextmanager
def readers(photos: int) -> Iterator[Readers | None]:
    """As many as there are CPUs for; None where so few photos are not worth it."""
    jobs = min(MOST, len(os.sched_getaffinity(0)), photos // FEWEST)
    if jobs < 2:
        yield None
        return
    with Readers(jobs) as started:
        yield started


def answer() -> None:
    """What such a process does: rows for lists of paths, until its input ends."""
    import cv2

    cv2.setNumThreads(1)
    asked, given = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a decoder prints is no answer
    while True:
        try:
            part, share = pickle.load(asked)
        except EOFError:
            return
        try:
            pickle.dump([read_photo(path, share) for path in part], given)
            given.flush()
        except BrokenPipeError:
            return
