"""A run folder, on a local disk or under `s3://`: the same calls, and writes that never tear.

Every file is written as `ensembles.files.places` does: a reader sees the old content or the new,
whenever a process or the machine dies.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyarrow import fs

from ensembles.errors import file_problem, wrong_place
from ensembles.files import places
from orchestrator.errors import WrongRequest


class Store:
    """Files below `root`; every `path` is relative to it, with forward slashes."""

    def __init__(self, root: str | Path):
        root = str(root) if "://" in str(root) else str(Path(root).absolute())
        self._fs, self._base = fs.FileSystem.from_uri(root)
        self.local = self._fs.type_name == "local"
        self.root = self._base if self.local else root.rstrip("/")

    def __reduce__(self):
        return (Store, (self.root,))

    def uri(self, path: str = "") -> str:
        """Absolute path or `s3://` address of `path`, as other libraries take it."""
        return f"{self.root}/{path}" if path else self.root

    def _at(self, path: str) -> str:
        return f"{self._base}/{path}" if path else self._base

    def exists(self, path: str = "") -> bool:
        return self._fs.get_file_info(self._at(path)).type != fs.FileType.NotFound

    def list(self, path: str = "") -> list[str]:
        """Names directly below `path`, sorted; empty where there is no such folder."""
        selector = fs.FileSelector(self._at(path), allow_not_found=True)
        with self._named(path, "the folder of a run"):
            return sorted(info.base_name for info in self._fs.get_file_info(selector))

    def read(self, path: str) -> bytes:
        with (
            self._named(path, "the folder of a run"),
            self._fs.open_input_stream(self._at(path)) as stream,
        ):
            return stream.read()

    @contextmanager
    def _named(self, path: str, expected: str) -> Iterator[None]:
        """Arrow's errors name no file that a program can read off them."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            if not wrong_place(error):
                raise
            raise WrongRequest(file_problem(self.uri(path), error, expected)) from None

    def write(self, path: str, content: bytes | memoryview | str) -> None:
        """Replace `path` as a whole, durably."""
        content = content.encode() if isinstance(content, str) else content
        places.write_bytes(self._at(path), content, None if self.local else self._fs)

    def read_json(self, path: str) -> Any:
        return json.loads(self.read(path))

    def write_json(self, path: str, value: Any) -> None:
        self.write(path, places.json_bytes(value))

    def delete(self, path: str) -> None:
        """Remove a file or a whole folder; nothing happens where there is none."""
        kind = self._fs.get_file_info(self._at(path)).type
        if kind == fs.FileType.Directory:
            self._fs.delete_dir(self._at(path))
        elif kind == fs.FileType.File:
            self._fs.delete_file(self._at(path))

    @contextmanager
    def lock(self):
        """One trainer a run folder. Released by the system when the process dies, however it dies.

        Only local folders are locked. Raises `WrongRequest` where another process holds it.
        """
        if not self.local:
            yield
            return
        folder = Path(self.root)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "unknown"
                raise WrongRequest(
                    f"{self.root} is being trained by another process (pid {holder}). "
                    "Wait for it, stop it, or give another folder with --run DIR."
                ) from None
            try:
                file.truncate(0)
                os.write(file.fileno(), str(os.getpid()).encode())
            except OSError as error:  # of a full disk, without a name
                error.filename = file.name
                raise
            places.remove_unfinished(folder / "units")  # the large ones; nobody else writes there
            yield
