"""The decoded photographs of one size, kept in a file that every process maps into memory."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from members import files
from members.errors import BadInput
from members.files import Progress
from members.pixels.crop import Pair, crop_and_resize, crop_value_problems, fits, too_small_problems
from members.pixels.decode import decode
from members.pixels.memory import BUDGET
from members.pixels.open import memory_needed
from members.pixels.samples import bits_of

# raise it whenever decode.py or crop.py give other pixels of the same photo: it names the cache.
# Where few photos change, decode.py names a range for those (read_bits): their digests say it
VERSION = 1


def pixels(
    paths: Sequence[str | os.PathLike],
    digests: Sequence[str],
    *,
    size: tuple[int, int],
    crop: Pair | None,
    folder: str | os.PathLike,
    progress: Progress | None = None,
) -> np.memmap:
    """All photos, cropped at the centre and resized: (N, h, w, 3) uint8 RGB, read-only, on disk.

    `size`: (h, w). `crop`: (h, w) taken from the centre first; a value up to 1 is a fraction of
    the photo's side, above 1 it is pixels. Shrinking averages areas, enlarging is linear.
    digests: of the files' bytes, with the range of 16-bit samples where `reading_digest` adds it.
    The file in `folder` is named after the digests, size and crop: the first call decodes, every
    other only opens it. Processes that call at once wait for one of them, and are told progress of
    none meanwhile.
    Raises BadInput for unreadable photos, a crop larger than a photo, or too little disk.
    """
    folder = Path(folder)
    _require_request(paths, digests, size, crop)
    shape = (len(paths), int(size[0]), int(size[1]), 3)
    crop = (float(crop[0]), float(crop[1])) if crop is not None else None
    key = json.dumps([VERSION, shape, crop, list(digests)])
    name = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
    file = folder / f"{shape[1]}x{shape[2]}-{name}.npy"
    folder.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        waiting = None if progress is None else partial(progress, 0, len(paths))
        with files.locked(file.with_suffix(".lock"), waiting=waiting):
            if not file.exists():
                files.remove_unfinished(folder, file.name)
                _decode_all(file, paths, digests, shape, crop, progress)
    return np.load(file, mmap_mode="r")


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


def _decode_all(
    file: Path,
    paths: Sequence[str | os.PathLike],
    digests: Sequence[str],
    shape: tuple[int, int, int, int],
    crop: Pair | None,
    progress: Progress | None,
) -> None:
    """Write the array of `pixels` to `file`."""
    needed = int(np.prod(shape)) + 4096
    free = shutil.disk_usage(file.parent).free
    if needed > free:
        raise BadInput(
            f"{file.parent}: {needed / 2**30:.1f} GiB are needed for {shape[0]} photos of "
            f"{shape[1]}x{shape[2]}, but {free / 2**30:.1f} GiB are free. "
            "Make room or choose a smaller image_size."
        )
    problems: list[str] = []
    small: list[tuple[str, int, int]] = []
    with files.replacing(file) as work:
        out = np.lib.format.open_memmap(work, mode="w+", dtype=np.uint8, shape=shape)

        def fill(row: int) -> None:
            with BUDGET.taken(memory_needed(paths[row])):
                try:
                    photo = decode(paths[row], bits_of(digests[row]))
                except BadInput as error:
                    problems.extend(error.problems)
                    return
                if crop is not None and not fits(photo.shape[:2], crop):
                    small.append((str(paths[row]), *photo.shape[:2]))
                    return
                out[row] = crop_and_resize(photo, shape[1:3], crop)

        for done, _ in enumerate(files.in_threads(fill, range(len(paths))), start=1):
            if progress:
                progress(done, len(paths))
        if problems or small:
            more = [f"... and {len(problems) - 10} more photos."] if len(problems) > 10 else []
            cropped = [] if crop is None else too_small_problems(sorted(small), crop)
            raise BadInput(sorted(problems)[:10] + more + cropped)
        out.flush()
