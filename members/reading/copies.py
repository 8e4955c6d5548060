"""Decoded copies of photographs in all sizes that are asked for, by one decoding of each photograph."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext, suppress
from pathlib import Path

import numpy as np

from members import checked_array, files, unfinished
from members.files import Progress
from members.pixels.cache import Wanted
from members.pixels.crop import Pair
from members.reading.photo import Asked, Copy
from members.reading.readers import readers
from members.room import OwnDisk, hold, making_room

Size = tuple[tuple[int, int], Pair | None]
_SHARE_OF_DISK = 0.9  # of the room that is free


class Copies:
    """Files of `members/pixels/cache.py` of all photos at `paths`, one for each of `sizes`: (h, w), crop.

    They are begun before their names are known, which come of the digests, and filled by whoever has the
    pixels; `finish` decodes what is left. What is not finished when the block ends is gone. Nothing here
    refuses a photo or a disk: what cannot be made is made, or refused, where it is needed.
    """

    def __init__(
        self,
        paths: Sequence[str],
        sizes: Sequence[Size],
        folder: Path,
        disk: OwnDisk | None = None,
    ):
        self.paths, self._sizes = list(paths), list(sizes)
        self._folder, self._disk, self._needed = folder, disk, ExitStack()
        self._rows: dict[str, list[int]] = defaultdict(list)
        for row, path in enumerate(self.paths):
            self._rows[path].append(row)
        self._made: list[_Making] = []

    def __enter__(self) -> Copies:
        return self

    def __exit__(self, *_: object) -> None:
        while self._made:
            self._made.pop().drop()

    @property
    def held(self) -> int:
        """Bytes of the files that are begun and not finished."""
        return sum(checked_array.size_of(own.copy.shape) for own in self._made)

    def rows_of(self, path: str) -> tuple[int, ...]:
        return tuple(self._rows[path])

    def begin(self, sizes: Sequence[Size] | None = None) -> list[Copy]:
        """The files to fill, of as many sizes as the disk has room for; `filled` has their order."""
        try:
            files.make_folder(self._folder)
            for size in self._sizes if sizes is None else sizes:
                shape = Wanted(self.paths, (), *size).shape
                with self._room(shape) as has_room:
                    if has_room:
                        self._made.append(_Making(self._folder, size, shape))
        except OSError:  # the folder, or the disk
            self.__exit__()
        return [own.copy for own in self._made]

    def _room(self, shape: tuple[int, int, int, int]) -> AbstractContextManager[bool]:
        if self._disk:
            return making_room(self._folder, checked_array.size_of(shape), self._disk)
        free = shutil.disk_usage(self._folder).free
        return nullcontext(int(np.prod(shape)) <= _SHARE_OF_DISK * free)

    def filled(self, asked: Asked, checksums: Sequence[int | None]) -> None:
        """A photo's rows stand in the files. checksums: one a file, None where it does not."""
        for own, checksum in zip(self._made, checksums, strict=True):
            if checksum is not None:
                own.done[[*asked.rows]] = True
                own.rows.checksums[[*asked.rows]] = checksum

    def finish(
        self, digests: Sequence[str], sizes: Sequence[Size], progress: Progress | None = None
    ) -> None:
        """Put those of `sizes` in place that are not there, each photo that they lack decoded once.

        digests: as in `members/pixels/cache.py`. `progress(done, total)` counts photos.
        """
        wanted = {size: Wanted(self.paths, digests, *size) for size in sizes}
        missing = [
            size for size, own in wanted.items() if not self._keep(own.file_in(self._folder))
        ]
        for own in [own for own in self._made if own.size not in missing]:
            own.drop()
            self._made.remove(own)
        begun = [own.size for own in self._made]
        into = self.begin([size for size in missing if size not in begun])
        asked: dict[str, Asked] = {}
        if into:
            whole = np.logical_and.reduce([own.done for own in self._made])
            for row in np.flatnonzero(~whole).tolist():
                path = self.paths[row]
                asked[path] = Asked(path, self.rows_of(path), digests[row])
        with (
            readers(len(asked)) as rows_of,
            closing(rows_of("copy", [*asked.values()], into)) as found,
        ):
            for done, (photo, copied) in enumerate(found, start=1):
                self.filled(photo, copied["copied"])
                if progress:
                    progress(done, len(asked))
        while self._made:
            own = self._made.pop()
            own.put(wanted[own.size], self._folder)

    def _keep(self, file: Path) -> bool:
        """Whether it is there; it is not removed for others of these then."""
        try:
            opened = self._needed.enter_context(file.open("rb"))
        except OSError:
            return False
        hold(opened.fileno())
        return file.exists()


class _Making:
    """One file. done: (N,) bool, which rows are filled."""

    def __init__(self, folder: Path, size: Size, shape: tuple[int, int, int, int]):
        self.size, self._aside = size, ExitStack()
        with ExitStack() as stack:
            name = f"{shape[1]}x{shape[2]}-unnamed.npy"
            aside = stack.enter_context(unfinished.aside(folder / name))
            self._writing = checked_array.writing(aside, shape, "")
            self.rows = self._writing.__enter__()
            self._aside = stack.pop_all()
        self.copy = Copy(aside, shape, size[1])
        self.done = np.zeros(shape[0], bool)

    def put(self, wanted: Wanted, folder: Path) -> None:
        """Give it its name, where it is whole and no other process was faster."""
        file, self.rows.made_from = wanted.file_in(folder), wanted.key
        with self._aside, suppress(OSError):
            self._writing.__exit__(None, None, None)
            with files.locked(file.with_suffix(".lock")):
                if self.done.all() and not file.exists():
                    files.put_in_place(self.copy.file, file)

    def drop(self) -> None:
        with self._aside, suppress(OSError):
            self._writing.__exit__(None, None, None)
