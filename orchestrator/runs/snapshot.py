"""A run folder as it stood at one moment: listed once, its records read once and many at a time.

A plan of 5,000 units asks ten times for each of them. Under `s3://`, where an answer takes 30 ms, that is
half an hour one after the other, and seconds by this.
"""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property

from pyarrow import fs

from members import files
from orchestrator.runs.store import Store

_BELOW = ("units", "tables")
_RECORDS = re.compile(r"units/[^/]+/[^/]+/[^/]+/unit\.json|tables/[^/]+/made_from\.txt")
_AT_ONCE = 32  # requests


class Snapshot(Store):
    """The same answers as of the `Store` that it is made of, about `units` and `tables` as they stood.

    What is written, deleted or moved through it is asked for anew, and so is all of a folder in which
    `uri` has named a file, since that may be written; `source` names one to read. For what nobody else
    changes meanwhile, or where it does not matter; `live` is for what outlasts the moment.
    """

    def __init__(self, store: Store):
        self.__dict__.update(store.live.__dict__)
        self._live = store.live
        self._anew: set[str] = set()  # files and folders
        self._above: set[str] = set()  # and the folders that they lie in
        self._reading = threading.RLock()

    def __reduce__(self):
        return self._live.__reduce__()

    @property
    def live(self) -> Store:
        return self._live

    @property
    def _standing(self) -> tuple[dict[str, int | None], dict[str, set[str]]]:
        """Sizes of files, None of folders, and the names in each folder."""
        with self._reading:  # once, however many threads ask first
            return self._listed

    @cached_property
    def _listed(self) -> tuple[dict[str, int | None], dict[str, set[str]]]:
        found: dict[str, int | None] = {}
        names: dict[str, set[str]] = defaultdict(set)
        for top in _BELOW:
            selector = fs.FileSelector(self._at(top), allow_not_found=True, recursive=True)
            with self._named(top, "the folder of a run"):
                for info in self._fs.get_file_info(selector):
                    path = info.path[len(self._base) + 1 :]
                    found[path] = info.size if info.is_file else None
                    while path not in _BELOW:  # an object store may know of files alone
                        folder, _, name = path.rpartition("/")
                        names[folder].add(name)
                        found.setdefault(folder, None)
                        path = folder
        return found, names

    @cached_property
    def _contents(self) -> dict[str, bytes]:
        """Of all records that stood there, but for those that are gone since or cannot be read."""
        paths = [path for path in self._standing[0] if _RECORDS.fullmatch(path)]

        def read(path: str) -> bytes | None:
            try:
                return self._live.read(path)
            except Exception:  # who asks for it is told
                return None

        found = zip(paths, files.in_threads(read, paths, _AT_ONCE), strict=True)
        return {path: content for path, content in found if content is not None}

    def _knows(self, path: str) -> bool:
        if path.partition("/")[0] not in _BELOW or path in self._above:
            return False
        return self._anew.isdisjoint(_with_folders(path))

    def _forget(self, path: str) -> None:
        """A file or a folder, and what lies beside it; but not all units, or all tables, for one of them."""
        beside = path.rpartition("/")[0]
        own = {path, beside if "/" in beside else path} - {""}
        self._anew |= own
        self._above.update(*map(_with_folders, own))

    def exists(self, path: str = "") -> bool:
        return path in self._standing[0] if self._knows(path) else super().exists(path)

    def list(self, path: str = "") -> list[str]:
        return sorted(self._standing[1].get(path, ())) if self._knows(path) else super().list(path)

    def sizes(self, paths: Sequence[str]) -> dict[str, int]:
        known = {path: self._standing[0].get(path) for path in paths if self._knows(path)}
        asked = [path for path in paths if path not in known]
        there = super().sizes(asked) if asked else {}
        found = there | {path: size for path, size in known.items() if size is not None}
        return {path: found[path] for path in paths if path in found}

    def read(self, path: str) -> bytes:
        if self._knows(path):
            if path not in self._standing[0]:
                raise FileNotFoundError(self._live.uri(path))
            if _RECORDS.fullmatch(path):
                with self._reading:
                    found = self._contents.get(path)
                if found is not None:
                    return found
        return super().read(path)

    def uri(self, path: str = "") -> str:
        self._forget(path)
        return super().uri(path)

    def source(self, path: str) -> str:
        return self._live.source(path)

    def write(self, path: str, content: bytes | memoryview | str) -> None:
        self._forget(path)
        super().write(path, content)

    def delete(self, path: str) -> None:
        self._forget(path)
        super().delete(path)

    def set_aside(self, path: str) -> str:
        self._forget(path)
        return super().set_aside(path)


def _with_folders(path: str) -> list[str]:
    """A path, and those of the folders that it lies in."""
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
