"""Files that appear whole, locks that die with their holder, and work in threads."""

from __future__ import annotations

import errno
import fcntl
import functools
import os
import stat
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Literal, TypeVar

from members import unfinished
from members.errors import BadInput
from members.unfinished import remove_unfinished as remove_unfinished

_OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ENOTCONN)
Progress = Callable[[int, int], None]  # how many are done, of how many
Item = TypeVar("Item")
Result = TypeVar("Result")


def kind_of(place: str | os.PathLike) -> Literal["file", "folder", "other", ""]:
    """What stands there; "" where nothing does, or can: in a name that no disk takes, say."""
    try:
        mode = Path(place).stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return ""
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
            return ""
        raise
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "other"


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
    `.NAME.PID-....part` stays, until the next one writes into that folder.
    """
    file = Path(file)
    make_folder(file.parent)
    with unfinished.aside(file) as aside:
        yield aside
        put_in_place(aside, file)


def put_in_place(aside: Path, file: Path) -> None:
    """Make `aside`, all written and in the same folder, `file`: as `replacing` does at its end."""
    _sync(aside)
    aside.replace(file)
    _sync(file.parent)


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
    with unfinished.aside(folder, folder=True) as aside:
        yield aside
        for _ in in_threads(_sync, [*aside.rglob("*"), aside]):
            pass
        aside.rename(folder)
        _sync(folder.parent)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; it outlives a power cut."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


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


@contextmanager
def in_cache(folder: Path) -> Iterator[None]:
    """BadInput that names the folder, or the file in it, where the system refuses to write or read.

    A disk that is full or fails stays an OSError, with a file's name: the request was right.
    """
    try:
        yield
    except OSError as error:
        error.filename = error.filename or os.fspath(folder)
        if error.errno in _OF_DISKS:
            raise
        raise BadInput(
            f"{error.filename}: cannot be kept or read ({error.strerror}). It belongs to the cache: "
            "set ENSEMBLE_CACHE to a folder that can be written to, or cache.folder where the spec has it."
        ) from None


def in_threads(
    work: Callable[[Item], Result], items: Iterable[Item], jobs: int | None = None
) -> Generator[Result, None, None]:
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
