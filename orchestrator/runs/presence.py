"""A run folder on a shared disk that goes away for a while: waited for, and never taken for empty.

Who trains into a folder of this machine writes a text of its own into the folder's `.lock`, and looks
for it before each use: an empty folder that a disk is not mounted on does not have it, and in a folder
that another command has taken over it is another one.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from pathlib import Path

from orchestrator.errors import RunFailed

LOCK = ".lock"  # `<process id>\n<session>`

_AWAY_SECONDS = 600.0  # how long a folder is waited for that was there before
# of a disk that others serve, whatever is asked of it
_SIGNS = {
    errno.ESTALE, errno.EIO, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH,
    errno.ENODEV, errno.ENXIO, errno.ESHUTDOWN, errno.EREMOTEIO,
}  # fmt: skip


def session_of(root: str) -> str | None:
    """Of the command that trains into the folder; None where it cannot be read or is being written."""
    try:
        lines = (Path(root) / LOCK).read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    return lines[1] if len(lines) > 1 else None


def await_folder(root: str, session: str) -> None:
    """Until the folder of this session is there. Raises `RunFailed` where it is another's now, and
    where it does not come back."""
    found = session_of(root)
    if found == session:
        return
    begun = time.monotonic()
    print(f"note: {root} is away; waiting for it", file=sys.stderr, flush=True)
    while (found := session_of(root)) != session:
        if found is not None:
            raise RunFailed(f"another train-members works in {root} now; this one leaves it alone")
        if time.monotonic() - begun > _AWAY_SECONDS:
            raise RunFailed(
                f"{root} was not there on {socket.gethostname()} for {_AWAY_SECONDS / 60:.0f} minutes. "
                "Is the shared disk mounted? What was finished stands there; run the command again."
            )
        time.sleep(1)
    print(
        f"note: {root} is there again, after {time.monotonic() - begun:.0f} s", file=sys.stderr,
        flush=True,
    )  # fmt: skip


def is_away(error: BaseException, root: str, session: str) -> bool:
    """Whether the folder's being away is what raised it."""
    if not session or not isinstance(error, OSError):
        return False
    return error.errno in _SIGNS or session_of(root) != session


def new_session() -> str:
    return os.urandom(8).hex()
