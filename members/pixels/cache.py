"""The decoded photographs of one size, kept in a file that every process reads."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from members import checked_array, files
from members.checked_array import CheckedArray, Damaged, Rows
from members.errors import BadInput
from members.files import Progress
from members.pixels.crop import Pair, crop_and_resize, crop_value_problems, fits, too_small_problems
from members.pixels.decode import decode
from members.pixels.memory import BUDGET
from members.pixels.open import memory_needed
from members.pixels.samples import bits_of
from members.room import OwnDisk, making_room

# raise it whenever decode.py or crop.py give other pixels of the same photo: it names the cache.
# Where few photos change, decode.py names a range for those (read_bits): their digests say it
VERSION = 1
DAMAGE = "damaged.txt"  # in the cache: a line for each file that was damaged
_READ_AT_ONCE = 256  # photos


class NoRoom(BadInput):
    """The disk has too little room for decoded photographs; `StreamedPixels` does without."""


class TooSmall(BadInput):
    """A photo is smaller than the crop. photo: its path, height and width."""

    def __init__(self, photo: tuple[str, int, int], crop: Pair):
        super().__init__(too_small_problems([photo], crop))
        self.photo = photo


@dataclass(frozen=True)
class Wanted:
    """Photos in one size: paths and digests (N,), in order; size and crop as in `pixels`."""

    paths: Sequence[str | os.PathLike]
    digests: Sequence[str]
    size: tuple[int, int]
    crop: Pair | None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (len(self.paths), int(self.size[0]), int(self.size[1]), 3)

    @property
    def key(self) -> str:
        """All that decides the pixels."""
        crop = (float(self.crop[0]), float(self.crop[1])) if self.crop is not None else None
        return json.dumps([VERSION, self.shape, crop, list(self.digests)])

    def file_in(self, folder: Path) -> Path:
        name = hashlib.blake2b(self.key.encode(), digest_size=16).hexdigest()
        return folder / f"{self.shape[1]}x{self.shape[2]}-{name}.npy"

    def photo(self, row: int) -> np.ndarray:
        """One of them, (h, w, 3) uint8, decoded from its file. Raises BadInput where it is unreadable
        or another by now, and TooSmall."""
        path, digest = self.paths[row], self.digests[row]
        photo = decode(path, bits_of(digest), digest.partition("-")[0])
        height, width = photo.shape[:2]
        if self.crop is not None and not fits((height, width), self.crop):
            raise TooSmall((str(path), height, width), self.crop)
        return crop_and_resize(photo, self.shape[1:3], self.crop)


def pixels(
    paths: Sequence[str | os.PathLike],
    digests: Sequence[str],
    *,
    size: tuple[int, int],
    crop: Pair | None,
    folder: str | os.PathLike,
    progress: Progress | None = None,
    disk: OwnDisk | None = None,
) -> CachedPixels:
    """All photos, cropped at the centre and resized: (N, h, w, 3) uint8 RGB, read-only, on disk.

    `size`: (h, w). `crop`: (h, w) taken from the centre first; a value up to 1 is a fraction of
    the photo's side, above 1 it is pixels. Shrinking averages areas, enlarging is linear.
    digests: of the files' bytes, with the range of 16-bit samples where `reading_digest` adds it.
    The file in `folder` is named after the digests, size and crop: the first call decodes, every
    other only opens it. Processes that call at once wait for one of them, and are told progress of
    none meanwhile. disk: files in `folder` that nobody has open make room for this one.
    Raises BadInput for photos that are unreadable or have changed since their digests were taken, a
    crop larger than a photo, a folder that cannot be written to, and NoRoom for too little disk.
    """
    _require_request(paths, digests, size, crop)
    wanted = Wanted(list(paths), list(digests), size, crop)
    return CachedPixels(wanted, Path(folder), progress, disk)


class Decoded(ABC):
    """Photographs of one size, (N, h, w, 3), read as an array is: `pixels[rows]` is a copy of some,
    `np.asarray(pixels)` of all."""

    dtype = np.dtype(np.uint8)

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]: ...

    @abstractmethod
    def _read(self, rows: np.ndarray) -> np.ndarray:
        """Those at `rows` (n,)."""

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        """rows: one, a slice, or an array (n,) of numbers or bools."""
        numbers = np.arange(len(self))[rows]
        found = self._read(np.atleast_1d(numbers))
        return found if numbers.ndim else found[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:] if dtype is None else self[:].astype(dtype)


class CachedPixels(Decoded):
    """From a file of copies.

    Every photo that is read is compared with its checksum. Where one differs, the file is made
    again, its damaged photos decoded anew, and `damage` gets a line; the pixels that come out are
    always those of the photos. Raises BadInput where a photo has changed by then.
    """

    def __init__(
        self,
        wanted: Wanted,
        folder: Path,
        progress: Progress | None = None,
        disk: OwnDisk | None = None,
    ):
        self._wanted, self._folder, self._progress, self._disk = wanted, folder, progress, disk
        self._file = _open_or_make(wanted, folder, progress=progress, disk=disk)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._file.shape

    def _read(self, rows: np.ndarray) -> np.ndarray:
        found, damaged = self._file.read(rows)
        if damaged:
            again = (self._wanted, self._folder, self._file, len(damaged), self._progress)
            try:
                self._file = _open_or_make(*again, self._disk)
            except NoRoom:  # for a whole file beside the one that is damaged
                for at in np.flatnonzero(np.isin(rows, damaged)):
                    found[at] = self._wanted.photo(int(rows[at]))
                return found
            found, damaged = self._file.read(rows)
        if damaged:
            raise BadInput(
                f"{self._folder}: what is written there reads differently at once. Its disk is "
                "failing: set ENSEMBLE_CACHE to a folder on another."
            )
        return found


def verify(wanted: Wanted, folder: Path, progress: Progress | None = None) -> bool:
    """Read all that is kept of these photos; whether it was damaged, and is removed and noted."""
    file = wanted.file_in(folder)
    try:
        opened = CheckedArray(file, wanted.shape, wanted.key)
        damaged = 0
        for begin in range(0, len(opened), _READ_AT_ONCE):
            rows = np.arange(begin, min(begin + _READ_AT_ONCE, len(opened)))
            damaged += len(opened.read(rows)[1])
            if progress:
                progress(begin + len(rows), len(opened))
        if not damaged:
            return False
        why = _of_photos(damaged, len(opened))
    except FileNotFoundError:
        return False
    except Damaged as error:
        if error.earlier:
            return False
        why = str(error)
    with files.in_cache(folder):
        file.unlink(missing_ok=True)
        _note(file, f"{why}; removed, and made again when it is needed")
    return True


def damage(folder: str | os.PathLike) -> list[str]:
    """One line for each file of the cache that was found damaged, the earliest first."""
    try:
        return (Path(folder) / DAMAGE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []


def _require_request(
    paths: Sequence[str | os.PathLike],
    digests: Sequence[str],
    size: tuple[int, int],
    crop: Pair | None,
) -> None:
    problems = crop_value_problems(crop)
    if len(size) != 2 or not all(int(side) == side and side >= 1 for side in size):
        problems.append(f"image_size: {size!r}, but must be [height, width] in whole pixels.")
    if len(paths) != len(digests):
        problems.append(f"pixels: {len(paths)} paths, but {len(digests)} digests.")
    if not len(paths):
        problems.append("pixels: no photos.")
    if problems:
        raise BadInput(problems)


def _open_or_make(
    wanted: Wanted,
    folder: Path,
    known: CheckedArray | None = None,
    damaged: int = 0,
    progress: Progress | None = None,
    disk: OwnDisk | None = None,
) -> CheckedArray:
    """The file of these photos. known: it, opened earlier, of which so many photos are damaged."""
    file = wanted.file_in(folder)
    try:
        if known is None:
            return _opened(file, wanted)
    except (Damaged, OSError):
        pass  # looked at again by one process alone
    with files.in_cache(folder):
        files.make_folder(folder)
        waiting = None if progress is None else partial(progress, 0, len(wanted.paths))
        with files.locked(file.with_suffix(".lock"), waiting=waiting):
            why = None
            try:
                found = _opened(file, wanted)
                if known is None or not known.is_at(file):  # another process made it meanwhile
                    return found
                why = _of_photos(damaged, len(known))
            except FileNotFoundError:
                pass
            except Damaged as error:
                why = None if error.earlier else str(error)
            try:
                _decode_all(file, wanted, known, progress, disk)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                raise _no_room(file, wanted) from None
            if why:
                _note(file, f"{why}; made again")
            try:
                return _opened(file, wanted)
            except FileNotFoundError:  # removed for another at once
                raise _no_room(file, wanted) from None


def _opened(file: Path, wanted: Wanted) -> CheckedArray:
    """The file, kept from being removed while it is open."""
    found = CheckedArray(file, wanted.shape, wanted.key)
    found.hold()
    if not found.is_at(file):  # removed just before
        raise FileNotFoundError(file)
    return found


def _of_photos(damaged: int, total: int) -> str:
    return f"{damaged} of {total} photos in it {'is' if damaged == 1 else 'are'} damaged"


def few(problems: Iterable[str]) -> list[str]:
    """The first ten, in order, and how many more there are."""
    found = sorted(problems)
    return found[:10] + ([f"... and {len(found) - 10} more photos."] if len(found) > 10 else [])


def _note(file: Path, text: str) -> None:
    with files.locked(file.with_name(DAMAGE)) as lines:
        lines.write(f"{file}: {text}\n")


def _no_room(file: Path, wanted: Wanted) -> NoRoom:
    shape, free = wanted.shape, shutil.disk_usage(file.parent).free
    return NoRoom(
        f"{file.parent}: {checked_array.size_of(shape) / 2**30:.1f} GiB are needed for {shape[0]} "
        f"photos of {shape[1]}x{shape[2]}, but {free / 2**30:.1f} GiB are free. "
        "Make room there."
    )


@contextmanager
def _begun(file: Path, wanted: Wanted, disk: OwnDisk | None) -> Iterator[Rows]:
    """What is to be filled, and is `file` then. Its room on the disk is taken."""
    needed, free = checked_array.size_of(wanted.shape), shutil.disk_usage(file.parent).free
    with ExitStack() as stack:
        room = making_room(file.parent, needed, disk) if disk else nullcontext(needed <= free)
        with room as has_room:
            if not has_room:
                raise _no_room(file, wanted)
            work = stack.enter_context(files.replacing(file))
            writing = checked_array.writing(work, wanted.shape, wanted.key)
            out = stack.enter_context(writing)
        yield out


def _decode_all(
    file: Path,
    wanted: Wanted,
    known: CheckedArray | None,
    progress: Progress | None,
    disk: OwnDisk | None,
) -> None:
    """Write the pixels to `file`; those that `known` has whole are copied."""
    shape, crop = wanted.shape, wanted.crop
    problems: list[str] = []
    small: list[tuple[str, int, int]] = []
    with _begun(file, wanted, disk) as out:

        def fill(row: int) -> None:
            if known is not None:
                kept, damaged = known.read(np.array([row]))
                if not damaged:
                    out.write(row, kept[0])
                    return
            with BUDGET.taken(memory_needed(wanted.paths[row])):
                try:
                    out.write(row, wanted.photo(row))
                except TooSmall as error:
                    small.append(error.photo)
                except BadInput as error:
                    problems.extend(error.problems)

        for done, _ in enumerate(files.in_threads(fill, range(shape[0])), start=1):
            if progress:
                progress(done, shape[0])
        if problems or small:
            cropped = [] if crop is None else too_small_problems(sorted(small), crop)
            raise BadInput(few(problems) + cropped)
