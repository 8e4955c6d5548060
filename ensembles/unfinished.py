"""What is being written stands under a name aside; of a writer that died, the next one removes it.

A writer holds the system's lock on what it writes, and the lock ends with it, however it ends: what
nobody holds has no writer. Some shared disks do not show the locks of another machine, so what another
machine writes, or a disk without locks holds, counts as left behind after a day.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

_ASIDE = re.compile(r"\..+\.\d+-([0-9a-f]{6})?[0-9a-f]{8}\.part", re.DOTALL)
_DAY = 24 * 3600


@contextmanager
def aside(target: Path, *, folder: bool = False) -> Iterator[Path]:
    """An empty file, or folder, beside `target` and with a name of its own, until the block ends.

    `.NAME.PID-....part`: of a long name a part must do; the rest holds machine and writer apart.
    """
    _tidy(target.parent)
    path, held = _begin(target, folder)
    try:
        yield path
    finally:
        os.close(held)
        _remove(path)


def remove_unfinished(folder: Path) -> None:
    """Delete what dead writers left in `folder` and below; what a living one writes is left alone."""
    for left in folder.rglob(".*.part"):
        _remove_left(left)


@cache
def _tidy(folder: Path) -> None:
    """Once a process and folder: listing a large one for each file would take long."""
    with suppress(OSError):
        for left in folder.glob(".*.part"):
            _remove_left(left)


def _begin(target: Path, folder: bool) -> tuple[Path, int]:
    """The path, and what holds its lock."""
    while True:
        token = f"{os.getpid()}-{_machine()}{secrets.token_hex(4)}"
        path = target.with_name(f".{target.name[:50]}.{token}.part")
        if folder:
            path.mkdir()
            held = os.open(path, os.O_RDONLY)
        else:
            held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if _lock(held) is not False and path.exists():
            return path, held
        os.close(held)  # another process took it for left behind, in the moment before the lock


def _lock(opened: int) -> bool | None:
    """Whether it is ours now; None where the disk has no locks."""
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _remove_left(path: Path) -> None:
    found = _ASIDE.fullmatch(path.name)
    if found is None:
        return
    with suppress(OSError):  # gone already, or somebody else's
        held = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_NOFOLLOW)
        try:
            locked = _lock(held)
            is_old = time.time() - os.fstat(held).st_mtime > _DAY
            if (locked and found[1] == _machine()) or (locked is not False and is_old):
                _remove(path)
        finally:
            os.close(held)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@cache
def _machine() -> str:
    return hashlib.blake2b(socket.gethostname().encode(), digest_size=3).hexdigest()
