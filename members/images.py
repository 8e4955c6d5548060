"""Photographs from disk: are they readable, what are their pixels, and the cache of those.

One way to decode, for checking and training alike: PIL, because it raises where a file is cut
short (OpenCV hands back half a picture). What comes out is RGB, upright by its EXIF tag, grey and
palette expanded, 16-bit grey scaled to 8, anything transparent laid over white, and of several
frames the first. Colour profiles are ignored.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from members import files
from members.errors import BadInput
from members.files import Progress

if TYPE_CHECKING:
    import pandas as pd
    from PIL import Image

VERSION = 1  # raise it whenever the same photo would give other pixels: it names the cache
COLUMNS = {
    "path": "str",
    "size": "int64",
    "mtime_ns": "int64",
    "digest": "str",
    "height": "int32",
    "width": "int32",
    "problem": "str",
}
Pair = tuple[float, float]


def decode(path: str | os.PathLike) -> np.ndarray:
    """The photo's pixels, (H, W, 3) uint8 RGB. Raises BadInput if they cannot all be read."""
    try:
        return _decode(Path(path).read_bytes())
    except Exception as error:
        raise BadInput(f"{path}: {_reason(error)} {FIX}") from error


def scan(
    paths: Sequence[str | os.PathLike], memo: Path | None = None, progress: Progress | None = None
) -> pd.DataFrame:
    """One row a path, in order: path, size, mtime_ns, digest, height, width, problem.

    Every photo is decoded to the end; `problem` is empty where that worked, else a text.
    `digest` is the BLAKE2b-128 of the file's bytes in hex; height and width are those of the
    upright photo. With `memo` (a Parquet file) a path of the same size and time is not read
    again. `progress(done, total)` counts the photos that had to be read.
    """
    import pandas as pd

    names = [str(path) for path in paths]
    known = _recall(memo)
    rows: dict[str, dict] = {}
    fresh = []
    for name in dict.fromkeys(names):
        stamp = _stamp(name)
        found = known.get(name)
        if found and stamp and (found["size"], found["mtime_ns"]) == stamp:
            rows[name] = found
        else:
            fresh.append(name)
    done = 0
    for start in range(0, len(fresh), 2000):  # an interrupted scan loses one part, not the whole
        part = fresh[start : start + 2000]
        for row in files.in_threads(_inspect, part):
            rows[row["path"]] = row
            done += 1
            if progress:
                progress(done, len(fresh))
        if memo is not None:
            known |= {name: rows[name] for name in part}
            _remember(memo, known)
    return pd.DataFrame([rows[name] for name in names], columns=list(COLUMNS)).astype(COLUMNS)


def unreadable(scanned: pd.DataFrame) -> list[str]:
    """The problems of a scan as texts for BadInput: at most one, with three examples."""
    bad = scanned[scanned["problem"] != ""]
    if bad.empty:
        return []
    rows = zip(bad["path"].head(3), bad["problem"].head(3), strict=True)
    examples = "; ".join(f"{path}: {problem.rstrip('.')}" for path, problem in rows)
    rest = f"; and {len(bad) - 3} more" if len(bad) > 3 else ""
    return [f"{len(bad)} of {len(scanned)} photos cannot be read: {examples}{rest}. {FIX}"]


def crop_problems(scanned: pd.DataFrame, crop: Pair | None) -> list[str]:
    """What is wrong with `crop` for photos of these sizes, before anything is decoded."""
    problems = _crop_itself(crop)
    if crop is None or problems:
        return problems
    shapes = zip(scanned["path"], scanned["height"], scanned["width"], strict=True)
    return _too_small([(p, h, w) for p, h, w in shapes if h and not _fits((h, w), crop)], crop)


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
    The file in `folder` is named after the digests, size and crop: the first call decodes, every
    other only opens it. Processes that call at once wait for one of them.
    Raises BadInput for unreadable photos, a crop larger than a photo, or too little disk.
    """
    folder = Path(folder)
    _check_request(paths, digests, size, crop)
    shape = (len(paths), int(size[0]), int(size[1]), 3)
    crop = tuple(float(side) for side in crop) if crop is not None else None
    key = json.dumps([VERSION, shape, crop, list(digests)])
    name = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
    file = folder / f"{shape[1]}x{shape[2]}-{name}.npy"
    folder.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        with files.locked(file.with_suffix(".lock")):
            if not file.exists():
                files.remove_unfinished(folder, file.name)
                _build(file, paths, shape, crop, progress)
    return np.load(file, mmap_mode="r")


# ---------------------------------------------------------------- decoding

FIX = "Replace the photo or take it out of the list."


def _decode(data: bytes) -> np.ndarray:
    import io

    from PIL import Image, ImageOps

    if not data:
        raise ValueError("has zero bytes.")
    with Image.open(io.BytesIO(data)) as photo:
        if photo.format == "PNG":  # load() does not look at the checksums of the pixels
            Image.open(io.BytesIO(data)).verify()
        photo.load()
        return _rgb(ImageOps.exif_transpose(photo))


def _rgb(photo: Image.Image) -> np.ndarray:
    from PIL import Image

    if photo.mode.startswith("I;16"):
        grey = (np.asarray(photo).astype(np.uint32) * 255 + 32767) // 65535
        photo = Image.fromarray(grey.astype(np.uint8))
    elif photo.mode in ("I", "F"):
        raise ValueError("has 32 bits a pixel, whose range is unknown; save it with 8 bits.")
    if photo.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in photo.info:
        photo = photo.convert("RGBA")
        white = Image.new("RGBA", photo.size, (255, 255, 255, 255))
        photo = Image.alpha_composite(white, photo)
    return np.array(photo.convert("RGB"))


def _reason(error: Exception) -> str:
    """PIL's many exceptions in words."""
    text = str(error)
    if isinstance(error, FileNotFoundError):
        return "no such file."
    if "truncated" in text or "Truncated" in text or isinstance(error, EOFError):
        return f"is cut short ({text})."
    if "cannot identify image file" in text:
        return "is not an image."
    if isinstance(error, ValueError) and text.endswith("."):
        return text
    return f"cannot be decoded ({text or type(error).__name__})."


# ---------------------------------------------------------------- scanning


def _inspect(path: str) -> dict:
    size, mtime_ns = _stamp(path) or (0, 0)
    row = {"path": path, "size": size, "mtime_ns": mtime_ns, "digest": "", "problem": ""}
    row |= {"height": 0, "width": 0}
    try:
        data = Path(path).read_bytes()
        row["digest"] = hashlib.blake2b(data, digest_size=16).hexdigest()
        row["height"], row["width"] = _decode(data).shape[:2]
    except Exception as error:  # whatever a broken file makes a decoder raise
        row["problem"] = _reason(error)
    return row


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - a Path for each of 100,000 photos is slow
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _recall(memo: Path | None) -> dict[str, dict]:
    import pandas as pd

    if memo is None or not Path(memo).is_file():
        return {}
    try:
        rows = pd.read_parquet(memo)[list(COLUMNS)].to_dict("records")
    except (ValueError, OSError, KeyError):  # a memo is only a memo: scan again
        return {}
    return {row["path"]: row for row in rows}


def _remember(memo: Path, known: dict[str, dict]) -> None:
    import pandas as pd

    table = pd.DataFrame(list(known.values()), columns=list(COLUMNS)).astype(COLUMNS)
    with files.replacing(memo) as work:
        table.to_parquet(work, index=False)


# ---------------------------------------------------------------- pixels


def _check_request(paths, digests, size, crop) -> None:
    problems = _crop_itself(crop)
    if len(size) != 2 or not all(int(side) == side and side >= 1 for side in size):
        problems.append(f"image_size: {size!r}, but must be [height, width] in whole pixels.")
    if len(paths) != len(digests):
        problems.append(f"pixels: {len(paths)} paths, but {len(digests)} digests.")
    if not len(paths):
        problems.append("pixels: no photos.")
    if problems:
        raise BadInput(problems)


def _crop_itself(crop: Pair | None) -> list[str]:
    if crop is None or (len(crop) == 2 and all(side > 0 for side in crop)):
        return []
    return [f"crop: {crop!r}, but must be [height, width], each above 0 (up to 1: a fraction)."]


def _fits(shape: tuple[int, int], crop: Pair) -> bool:
    return all(part <= 1 or part <= side for part, side in zip(crop, shape, strict=True))


def _too_small(photos: list[tuple[str, int, int]], crop: Pair) -> list[str]:
    if not photos:
        return []
    examples = ", ".join(f"{path} is {h}x{w}" for path, h, w in photos[:3])
    return [
        f"crop: {crop[0]:g}x{crop[1]:g} (height x width) is larger than {len(photos)} photos: "
        f"{examples}. Choose a smaller crop, or fractions up to 1."
    ]


def _prepare(photo: np.ndarray, size: tuple[int, int], crop: Pair | None) -> np.ndarray:
    """Centre crop, then resize: (H, W, 3) -> (h, w, 3) uint8."""
    import cv2

    if crop is not None:
        sides = photo.shape[:2]
        taken = [
            max(1, round(part * side)) if part <= 1 else round(part)
            for part, side in zip(crop, sides, strict=True)
        ]
        top, left = ((side - part) // 2 for side, part in zip(sides, taken, strict=True))
        photo = photo[top : top + taken[0], left : left + taken[1]]
    height, width = size
    shrunk = (min(height, photo.shape[0]), min(width, photo.shape[1]))
    if shrunk != photo.shape[:2]:
        photo = cv2.resize(photo, shrunk[::-1], interpolation=cv2.INTER_AREA)
    if shrunk != (height, width):
        photo = cv2.resize(photo, (width, height), interpolation=cv2.INTER_LINEAR)
    return photo


def _build(file: Path, paths, shape, crop, progress: Progress | None) -> None:
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
            try:
                photo = decode(paths[row])
            except BadInput as error:
                problems.extend(error.problems)
                return
            if crop is not None and not _fits(photo.shape[:2], crop):
                small.append((str(paths[row]), *photo.shape[:2]))
                return
            out[row] = _prepare(photo, shape[1:3], crop)

        for done, _ in enumerate(files.in_threads(fill, range(len(paths))), start=1):
            if progress:
                progress(done, len(paths))
        if problems or small:
            more = [f"... and {len(problems) - 10} more photos."] if len(problems) > 10 else []
            raise BadInput(sorted(problems)[:10] + more + _too_small(sorted(small), crop))
        out.flush()
