"""A run folder, on a local disk or under `s3://`: the same calls, and writes that never tear.

Every file is written as `ensembles.files.places` does: a reader sees the old content or the new,
whenever a process or the machine dies.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyarrow import fs

from ensembles import object_store
from ensembles.errors import file_problem, wrong_place
from ensembles.files import places
from orchestrator.errors import WrongRequest
from orchestrator.runs import presence


class Store:
    """Files below `root`; every `path` is relative to it, with forward slashes.

    session: of the command that trains into the folder (presence.py), for its other processes: each
    use waits where the folder is away.
    """

    def __init__(self, root: str | Path, session: str = ""):
        root = str(root) if "://" in str(root) else str(Path(root).absolute())
        self._fs, self._base = object_store.connected(root)
        self.local = self._fs.type_name == "local"
        self.root = self._base if self.local else root.rstrip("/")
        self.session = session if self.local else ""

    def require_writable(self) -> None:
        """Write, read and delete a file of an object store. Raises BadInput with what is wrong."""
        if not self.local:
            object_store.require_writable(self._fs, self._base, self.root)

    def __reduce__(self):
        return (Store, (self.root, self.session))

    def uri(self, path: str = "") -> str:
        """Absolute path or `s3://` address of `path`, as other libraries take it."""
        self.await_folder()
        return f"{self.root}/{path}" if path else self.root

    def source(self, path: str) -> str:
        """As `uri`, for what only reads there."""
        return self.uri(path)

    @property
    def live(self) -> Store:
        """The folder as it is at any time, of one that may be a `Snapshot`."""
        return self

    def _at(self, path: str) -> str:
        self.await_folder()
        return f"{self._base}/{path}" if path else self._base

    def await_folder(self) -> None:
        """Until the folder is there; where nobody trains into it, it is taken as it is."""
        if self.session:
            presence.await_folder(self.root, self.session)

    def exists(self, path: str = "") -> bool:
        with self._named(path, "the folder of a run"):
            return self._fs.get_file_info(self._at(path)).type != fs.FileType.NotFound

    def list(self, path: str = "") -> list[str]:
        """Names directly below `path`, sorted; empty where there is no such folder."""
        selector = fs.FileSelector(self._at(path), allow_not_found=True)
        with self._named(path, "the folder of a run"):
            return sorted(info.base_name for info in self._fs.get_file_info(selector))

    def read(self, path: str) -> bytes:
        """Raises FileNotFoundError, and BadInput for a pipe or a device, which may have no end."""
        if self.local:
            places.require_end(Path(self._at(path)))
        with self._named(path, "the folder of a run"):
            return object_store.through_refusals(lambda: self._read(path))

    def _read(self, path: str) -> bytes:
        with self._fs.open_input_stream(self._at(path)) as stream:
            return stream.read()

    def read_text(self, path: str) -> str:
        """As `read`. Raises `WrongRequest` where the file is no UTF-8 text."""
        try:
            return self.read(path).decode()
        except UnicodeDecodeError as error:
            raise WrongRequest(
                file_problem(self.uri(path), error, "text, or make it anew")
            ) from None

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

    def set_aside(self, path: str) -> str:
        """Move a damaged file or folder to `damaged/<path>`, numbered where that is taken.

        Returns where it is now. Raises FileNotFoundError.
        """
        target, number = f"damaged/{path}", 1
        while self.exists(target):
            number += 1
            target = f"damaged/{path}.{number}"
        if self.local:
            places.move(self._at(path), self._at(target))
            return target
        found = self._fs.get_file_info(self._at(path))
        if found.type == fs.FileType.Directory:  # an object store has no folders to move
            below = fs.FileSelector(found.path, recursive=True)
            files = [info.path for info in self._fs.get_file_info(below) if info.is_file]
        else:
            files = [found.path]
        for file in files:
            self._fs.move(file, self._at(target) + file[len(found.path) :])
        return target

    def pipes(self) -> Sequence[str]:
        """What is neither a file nor a folder, `damaged/` left out: nothing of a run is."""
        found = []
        for folder, folders, names in os.walk(self.root) if self.local else ():
            if folder == self.root and "damaged" in folders:
                folders.remove("damaged")
            paths = [Path(folder, name) for name in names]
            found += [path for path in paths if path.exists() and not path.is_file()]
        return sorted(str(path.relative_to(self.root)) for path in found)

    def sizes(self, paths: Sequence[str]) -> dict[str, int]:
        """Bytes of those of the files that are there."""
        found = self._fs.get_file_info([self._at(path) for path in paths])
        return {path: info.size for path, info in zip(paths, found, strict=True) if info.is_file}

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
        with (folder / presence.LOCK).open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = (file.read().splitlines() or ["unknown"])[0]
                raise WrongRequest(
                    f"{self.root} is being trained by another process (pid {holder}). "
                    "Wait for it, stop it, or give another folder with --run DIR."
                ) from None
            session = presence.new_session()
            try:
                file.truncate(0)
                os.write(file.fileno(), f"{os.getpid()}\n{session}\n".encode())
            except OSError as error:  # of a full disk, without a name
                error.filename = file.name
                raise
            places.remove_unfinished(folder)
            self.session = session
            try:
                yield
            finally:
                self.session = ""
