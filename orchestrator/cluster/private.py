"""What keeps a local Ray to its owner: a folder, a token and addresses that nobody else gets at."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from members.errors import BadInput
from members.files import locked

_PREFIX = "ens-ray-"
_LEAST_ROOM = 32_000_000  # bytes; the logs of a small run are some MB
_SURELY_LOCKED = 60.0  # seconds after which a folder is locked by its process, where that lives
# A socket's path has at most 107 bytes, and Ray's longest below its folder are
# session_YYYY-MM-DD_HH-MM-SS_MICROS_PROCESS/sockets/dash_MetricsHead
_LONGEST_FOLDER = 107 - len(
    "/r/session_2026-01-01_00-00-00_000000_4194304/sockets/dash_MetricsHead"
)


@contextmanager
def private_folder() -> Iterator[Path]:
    """A folder for Ray's files, which only its owner can look into; removed at the end.

    It is below RAY_TMPDIR, else the system's folder for temporary files. Those of processes that were
    killed are removed first. Raises OSError where Ray would fail for want of room, and BadInput.
    """
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_place()))  # made with mode 700
    try:
        if shutil.disk_usage(folder).free < _LEAST_ROOM:
            full = os.strerror(errno.ENOSPC)
            raise OSError(errno.ENOSPC, full, f"{folder}, for Ray's files (RAY_TMPDIR),")
        with locked(folder / "lock"):
            _remove_abandoned(folder.parent, folder)
            inner = folder / "r"  # Ray opens its own folder to everybody
            inner.mkdir()
            yield inner
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _place() -> str:
    """Raises BadInput where RAY_TMPDIR has too long a name; of a long TMPDIR, /tmp takes the place."""
    longest = _LONGEST_FOLDER - len(f"/{_PREFIX}xxxxxxxx")
    given = os.environ.get("RAY_TMPDIR")
    place = str(Path(given or tempfile.gettempdir()).absolute())
    if len(os.fsencode(place)) <= longest:
        return place
    if given:
        raise BadInput(
            f"RAY_TMPDIR={given}: Ray's sockets would have longer names there than the system takes. "
            f"Give a folder whose whole path has at most {longest} characters."
        )
    return "/tmp"


def _remove_abandoned(place: Path, own: Path) -> None:
    for folder in place.glob(f"{_PREFIX}*"):
        lock = folder / "lock"
        with suppress(OSError, BadInput):
            # one that was made just now may not be locked yet
            old = time.time() - lock.stat().st_mtime > _SURELY_LOCKED
            if old and folder != own and folder.lstat().st_uid == os.geteuid():
                with locked(lock, busy="its process is at work"):
                    shutil.rmtree(folder, ignore_errors=True)


def token_file() -> Path:
    """Where Ray looks for the token."""
    return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()


def _make_token(file: Path) -> None:
    """Whole under its name or not there: another process may be starting a Ray at this moment."""
    aside = file.with_name(f".{file.name}.{os.getpid()}-{secrets.token_hex(4)}")
    opened = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(opened, "w") as stream:
            stream.write(secrets.token_hex(32))
        with suppress(FileExistsError):
            file.hardlink_to(aside)
    finally:
        aside.unlink()


def show_token() -> None:
    """Who joins by address must say before Ray is imported that a token is at hand."""
    if "RAY_AUTH_TOKEN" in os.environ or token_file().exists():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def private_token() -> str | None:
    """Make the token before Ray does, which leaves it to the umask who can read it.

    Returns a note where one was there that others could read: it is closed to them.
    """
    wanted = os.environ.get("RAY_AUTH_MODE", "token").lower() == "token"
    if not wanted or "RAY_AUTH_TOKEN" in os.environ:
        return None
    file = token_file()
    if "RAY_AUTH_TOKEN_PATH" not in os.environ:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not file.exists():
            _make_token(file)
    with suppress(OSError):
        found = file.stat()
        if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) & 0o077:
            file.chmod(0o600)
            return f"{file}, which lets into this Ray, could be read by others of this machine; now it cannot"
    return None
