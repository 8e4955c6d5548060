"""What ends a command, and with which exit code.

    ValueError
      members.errors.BadInput       2   recipes, photographs, labels, weights; raised here too
        WrongRequest                2   specs, arguments, run folders
      ensembles.errors.BadInput     2   tables, submissions, choices of a vote
    RuntimeError
      RunFailed                     1   a right request whose work did not succeed
      members.training.ranks.RaisedByAll         a unit failed on all its processes alike: tried again by
        members.training.epoch.Diverged        the schedule, at last counted as failed in a RunFailed
      members.training.ranks.LostContact         a process is gone: the unit goes on from its last epoch
      UnexpectedEnd                 1   an EOFError, by its name
    OSError                         1   a full or failing disk (disk_problem); 2: another path will do
    KeyboardInterrupt
      stopping.Stopped      130 143 129 SIGINT (Ctrl-C), SIGTERM, SIGHUP
    any other                       1   a mistake of the program, with its name

What ends with 2 has `problems`, one text a mistake: what is wrong, what was given, what is allowed,
what to do next. ensembles and members do not import each other, so each has its BadInput.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import ensembles.errors
from members.errors import BadInput, nearest

FAILED, WRONG_REQUEST = 1, 2
BAD_INPUT = (BadInput, ensembles.errors.BadInput)


class WrongRequest(BadInput):
    """The request cannot be carried out as given (exit code 2)."""


class RunFailed(RuntimeError):
    """Work that was asked for rightly did not succeed (exit code 1)."""


class UnexpectedEnd(RunFailed):
    """An EOFError: as one, it would end the command as if somebody had aborted it."""


THE_DISK = "The disk"  # how the text of `disk_problem` begins
_ALL_BUT_FULL = 64_000_000  # bytes
_OF_DISKS = {
    errno.ENOSPC: "is full",
    errno.EDQUOT: "has no room left for this user (quota)",
    errno.EROFS: "is read-only",
    errno.EIO: "fails (input/output error; see `dmesg`)",
    errno.ESTALE: "is gone (a network disk that was mounted anew?)",
    errno.ENOTCONN: "is gone (a network disk that lost its server?)",
}


def disk_problem(error: BaseException) -> str | None:
    """What to print where a disk is full or fails; None for other failures."""
    if not isinstance(error, OSError) or error.errno not in _OF_DISKS:
        return None
    out_of_room = error.errno in (errno.ENOSPC, errno.EDQUOT)
    if not error.filename and not out_of_room:  # of a terminal or a connection, perhaps
        return None
    given = os.fsdecode(error.filename) if error.filename else _fullest()
    if given is None:
        state = _OF_DISKS[error.errno]
        return f"{THE_DISK} of a folder that this command writes to {state}. Make room there."
    place = Path(given).absolute()
    disk = place
    while not (disk.exists() and os.path.ismount(disk)) and disk != disk.parent:
        disk = disk.parent
    room, fix = "", "Mend that"
    if out_of_room:
        room, fix = _room_on(disk), "Make room there"
    what = f": {place} cannot be written or read" if error.filename else ""
    return f"{THE_DISK} at {disk} {_OF_DISKS[error.errno]}{room}{what}. {fix}."


def _room_on(disk: Path) -> str:
    """` (20 kB of 20 MB free)`, after what could not be written is gone again."""
    try:
        found = os.statvfs(disk)
    except OSError:
        return ""
    free = _size(found.f_bavail * found.f_frsize)
    total = _size(found.f_blocks * found.f_frsize)
    if found.f_files and not found.f_favail:
        return f" (it takes no more files; {free} of {total} free)"
    return f" (now {free} of {total} free)"


def _size(n: int) -> str:
    return f"{n / 1e9:.1f} GB" if n >= 1e9 else f"{n / 1e6:.1f} MB"


def _fullest() -> str | None:
    """Of the folders that this program writes to, the one whose disk is all but full."""
    folders = [os.curdir, tempfile.gettempdir(), os.environ.get("ENSEMBLE_CACHE"), "~/.cache"]
    found = [Path(f).expanduser() for f in folders if f and Path(f).expanduser().exists()]
    free = {str(folder.absolute()): shutil.disk_usage(folder).free for folder in found}
    least = min(free, key=lambda folder: free[folder])
    return least if free[least] < _ALL_BUT_FULL else None


def counted(n: int, noun: str) -> str:
    """`1 unit`, `2 units`."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


def unknown(what: str, name: object, allowed: Iterable[str]) -> str:
    """`unknown key 'epoch'. Did you mean 'epochs'? Allowed: ...` (the list only where short)."""
    allowed = sorted(map(str, allowed))
    listing = f" Allowed: {', '.join(allowed)}." if len(allowed) <= 40 else ""
    return f"unknown {what} {str(name)!r}.{nearest(str(name), allowed)}{listing}"
