"""`progress.json` of a run folder: how far its training is, for whoever looks from elsewhere.

format            1
name              of the spec
command           the command line that trains, to be called again
process           pid, host, and when it was started, seconds since 1970
phase             reading | starting | training | tables | ended
reading           what of the photographs is read -> [done, of]
outcome           of what has ended: done | failed | refused | interrupted; and `failures`, title -> why
began, updated    seconds since 1970
spent             seconds of all calls that trained into the folder, this one included
slots, seconds_left, photos_per_second, members     of progress/board.py
memory            bytes of this machine `used`, and `of` how many; disk: bytes `free` for the run folder

It is written a few times a minute at most and never synced: what counts stands in the units' own
files. Of a training that was killed it says what was true a moment before.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from ensembles import unfinished
from ensembles.files import places
from orchestrator import stopping
from orchestrator.errors import BAD_INPUT, WrongRequest
from orchestrator.program import called
from orchestrator.runs.store import Store

PROGRESS = "progress.json"
FORMAT = 1
EVERY, EVERY_REMOTE = 1.0, 20.0  # seconds between two writes
SILENT = 90.0  # seconds after which a process on another machine counts as lost
Driver = Literal["alive", "gone", "silent"]


class Kept:
    """Writes what changed, where enough time has passed since it last did. Writing never fails a call."""

    def __init__(
        self,
        store: Store,
        name: str,
        spent: float = 0.0,
        clock: Callable[[], float] = time.time,
    ):
        self._store, self._clock = store, clock
        self.spent_before = spent
        self._every = EVERY if store.local else EVERY_REMOTE
        self._written = 0.0
        self.document: dict[str, Any] = {
            "format": FORMAT,
            "name": name,
            "command": f"{called()} {shlex.join(sys.argv[1:])}",
            "process": {
                "pid": os.getpid(),
                "host": socket.gethostname(),
                "started": _started(os.getpid()),
            },
            "phase": "reading",
            "reading": {},
            "began": clock(),
            "members": [],
        }

    def reading(self, what: str, done: int, of: int) -> None:
        """Photographs that are read or compared."""
        self.document["reading"][what] = [done, of]
        self.put()

    def is_due(self) -> bool:
        return self._clock() - self._written >= self._every

    def put(self, now: bool = False, **changes: Any) -> None:
        """now: however short ago the last time was."""
        self.document |= changes
        if not (now or self.is_due()):
            return
        self._written = self._clock()
        self.document["updated"] = self._written
        self.document["spent"] = round(
            self.spent_before + self._written - self.document["began"], 1
        )
        with suppress(OSError, *BAD_INPUT):
            self.document |= _room(self._store)
            self._write(places.json_bytes(self.document))

    def put_back(self, content: bytes | None) -> None:
        """What stood there before; None: nothing."""
        with suppress(OSError, *BAD_INPUT):
            if content is None:
                self._store.delete(PROGRESS)
            else:
                self._write(content)

    def _write(self, content: bytes) -> None:
        if not self._store.local:
            self._store.write(PROGRESS, content)
            return
        target = Path(self._store.uri(PROGRESS))
        with unfinished.aside(target) as aside:
            aside.write_bytes(content)
            aside.replace(target)


@contextmanager
def keeping(store: Store, name: str) -> Iterator[Kept]:
    """The record of one call, which says at last how it ended. A call that ends while it reads the
    photographs has done nothing: the record of the call before it is put back.
    """
    before = store.read(PROGRESS) if store.exists(PROGRESS) else None
    kept = Kept(store, name, _spent(before))
    try:
        kept.put(now=True)
        yield kept
    except BaseException as error:
        if kept.document["phase"] == "reading":
            kept.put_back(before)
        else:
            kept.put(now=True, phase="ended", outcome=_outcome(error))
        raise
    failures = kept.document.get("failures")
    kept.put(now=True, phase="ended", outcome="failed" if failures else "done")


def _spent(before: bytes | None) -> float:
    """Seconds of the calls before, by the record that the last one left; none where it has none."""
    with suppress(ValueError, TypeError, RecursionError, KeyError):
        return max(0.0, float(json.loads(before or b"{}")["spent"]))
    return 0.0


def _outcome(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt) or stopping.exit_code():
        return "interrupted"
    return "refused" if isinstance(error, BAD_INPUT) else "failed"


def read_progress(store: Store) -> dict[str, Any]:
    """What a run folder says of its training. Raises `WrongRequest` where it says nothing."""
    path = store.uri(PROGRESS)
    try:
        found = json.loads(store.read(PROGRESS))
    except FileNotFoundError:
        raise WrongRequest(
            f"{path}: there is no such file, so nothing was trained there, or by a version before "
            "there was one. Give the folder of a run, or its SPEC; train-members begins or goes on."
        ) from None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("format"), int):
        raise damaged(store)
    if found["format"] > FORMAT:
        raise WrongRequest(
            f"{path}: of format {found['format']}, and this version reads {FORMAT}. Ask the version that "
            "trains there."
        )
    return found


def damaged(store: Store) -> WrongRequest:
    return WrongRequest(
        f"{store.uri(PROGRESS)}: damaged, or of something else. The run itself is not: train-members "
        "writes it anew."
    )


def driver_of(document: Mapping[str, Any], now: float) -> Driver:
    """Whether the process that wrote it works on. Of another machine: from when it last wrote."""
    process = document["process"]
    if process["host"] == socket.gethostname():
        return "alive" if _started(process["pid"]) == process["started"] else "gone"
    return "silent" if now - document["updated"] > SILENT else "alive"


def _started(pid: int) -> float | None:
    """When a process was, seconds since 1970; None: there is no such process, or it has ended."""
    import psutil

    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if process.status() != psutil.STATUS_ZOMBIE:
            return round(process.create_time(), 2)
    return None


def _room(store: Store) -> dict[str, Any]:
    import psutil

    memory = psutil.virtual_memory()
    found: dict[str, Any] = {
        "memory": {"used": memory.total - memory.available, "of": memory.total}
    }
    if store.local:
        found["disk"] = {"free": shutil.disk_usage(store.root).free}
    return found
