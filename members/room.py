"""Room for files in a folder that several processes fill: those that were opened longest ago make place.

Whoever has a file open holds the system's shared lock on it, which ends with the process, however that one
ends; what somebody holds stays. One process at a time makes room, and takes it before the next one looks.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from members import files
from members.unfinished import remove_unfinished

SHARE_OF_DISK = 0.9  # of the room that is free


@dataclass(frozen=True)
class OwnDisk:
    """Of a folder whose files are removed where others need their room. limit: bytes of all together;
    None: as many as the disk has."""

    limit: int | None = None


def hold(opened: int) -> None:
    """Keep an open file from being removed until it is closed; it counts as opened now."""
    with suppress(OSError):  # a disk without locks, where nothing is removed; another user's file
        fcntl.flock(opened, fcntl.LOCK_SH)
        os.utime(opened)


def kept(folder: Path) -> int:
    """Bytes of the files that are there."""
    return sum(size for _, _, size in _files(folder)[0])


@contextmanager
def making_room(folder: Path, needed: int, disk: OwnDisk) -> Iterator[bool]:
    """Whether `needed` bytes have room in `folder` now; where they had none, files that nobody holds are
    gone. The block is to take the room. Where it cannot be had, nothing is removed."""
    with files.locked(folder / "room.lock"):
        remove_unfinished(folder)
        found, taken = _files(folder)
        lacking = needed - int(SHARE_OF_DISK * shutil.disk_usage(folder).free)
        if disk.limit is not None:
            lacking = max(lacking, taken + needed - disk.limit)
        with ExitStack() as locks:
            going = []
            for _, path, size in sorted(found):
                if lacking <= 0:
                    break
                if _is_idle(path, locks):
                    going.append(path)
                    lacking -= size
            if lacking <= 0:
                for path in going:
                    path.unlink(missing_ok=True)
        yield lacking <= 0


def _files(folder: Path) -> tuple[list[tuple[int, Path, int]], int]:
    """When each was opened last, where it is, its bytes; and the bytes of all, with those on their way."""
    found, taken = [], 0
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.suffix in (".npy", ".part"):
            with suppress(FileNotFoundError):
                state = path.stat()
                taken += state.st_size
                if path.suffix == ".npy":
                    found.append((state.st_mtime_ns, path, state.st_size))
    return found, taken


def _is_idle(path: Path, locks: ExitStack) -> bool:
    """Whether nobody holds it; nobody can then, until `locks` are closed."""
    try:
        opened = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(opened)
        return False
    locks.callback(os.close, opened)
    return True
