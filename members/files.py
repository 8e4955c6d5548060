"""Files that appear whole, locks that die with their holder, and work in threads."""

from __future__ import annotations

import errno
import fcntl
import functools
import glob
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, TypeVar

from members.errors import BadInput

Progress = Callable[[int, int], None]  # how many are done, of how many
Item = TypeVar("Item")
Result = TypeVar("Result")


Writer = Callable[[str | os.PathLike], AbstractContextManager[Path]]


def _names_its_place(writer: Writer) -> Writer:
    """An OSError from `writer` or its block has the file as its `filename` where the system names none."""

    @functools.wraps(writer)
    @contextmanager
    def naming(file: str | os.PathLike) -> Iterator[Path]:
        try:
            with writer(file) as aside:
                yield aside
        except OSError as error:
            if error.filename is None and error.errno is not None:
                error.filename = os.fspath(file)
            raise

    return naming


@_names_its_place
@contextmanager
def replacing(file: str | os.PathLike) -> Iterator[Path]:
    """A path to write to, which is `file` when the block ends without an error.

    A reader sees the old content or the new, whenever the process or the machine dies: the content
    is synced to the disk, moved, and the folder synced. Of a process that was killed a hidden file
    `.NAME.PID-....part` stays.
    """
    file = Path(file)
    make_folder(file.parent)
    aside = _aside(file)
    try:
        yield aside
        _sync(aside)
        aside.replace(file)
        _sync(file.parent)
    finally:
        aside.unlink(missing_ok=True)


def write_bytes(file: str | os.PathLike, content: bytes) -> None:
    """Replace the whole content, as `replacing` does."""
    with replacing(file) as aside:
        aside.write_bytes(content)


@_names_its_place
@contextmanager
def new_folder(folder: str | os.PathLike) -> Iterator[Path]:
    """An empty folder to fill, which is `folder` when the block ends without an error.

    `folder` must be empty or not there; OSError where another process was faster.
    """
    folder = Path(folder)
    make_folder(folder.parent)
    aside = _aside(folder)
    aside.mkdir()
    try:
        yield aside
        for _ in in_threads(_sync, [*aside.rglob("*"), aside]):
            pass
        aside.rename(folder)
        _sync(folder.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; it outlives a power cut."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def remove_unfinished(folder: Path, name: str | None = None) -> None:
    """Delete what killed processes left of the file `name`, or of any, in `folder` and below.

    No other process may be writing there: hold the lock of the writers.
    """
    name = "*" if name is None else glob.escape(name[:50])
    for left in folder.rglob(f".{name}.*-????????.part"):
        left.unlink(missing_ok=True)


@contextmanager
def locked(
    file: Path, busy: str | None = None, waiting: Callable[[], None] | None = None
) -> Iterator[IO[str]]:
    """Hold an exclusive lock on `file`, open to read and append; made where it is not there.

    The system frees it when the process ends, however it ends. busy: text of the BadInput that is
    raised where another process holds the lock; without it, this one waits, and calls `waiting`
    every now and then.
    """
    with file.open("a+", encoding="utf-8") as handle:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | (fcntl.LOCK_NB if busy or waiting else 0))
                break
            except BlockingIOError:
                if waiting is None:
                    raise BadInput(busy or "") from None
                waiting()
                time.sleep(0.2)
        yield handle


def in_threads(
    work: Callable[[Item], Result], items: Iterable[Item], jobs: int | None = None
) -> Iterator[Result]:
    """`work(item)` for each item, in order; what is not begun when the caller stops never is.

    jobs: how many at once; None: a few more than there are CPUs.
    """
    with ThreadPoolExecutor(jobs) as pool:
        try:
            yield from pool.map(work, items)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:  # some network disks take no folder
        if not path.is_dir() or error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(opened)


def _aside(target: Path) -> Path:
    """A name beside `target` that no other writer has, here or on another machine."""
    token = secrets.token_hex(4)
    return target.with_name(f".{target.name[:50]}.{os.getpid()}-{token}.part")
