"""One file of a folder copied with the background of every photo black, and whether it is made."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

from members import files
from members.errors import BadInput
from members.pixels import background
from members.pixels.decode import decode_alone

FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),  # colour as sharp as the cut edge
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".png": ("PNG", {}),
    ".bmp": ("BMP", {}),
    ".webp": ("WEBP", {"quality": 95}),
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
}


def cut_out(source: Path, target: Path, path: str) -> dict[str, Any] | str:
    """Make one photo of the copy: its line for the journal, or what is wrong with the photo."""
    from PIL import Image

    stamp = _stamp(source / path)
    try:
        photo = decode_alone(source / path)
    except BadInput as error:
        return error.problems[0]
    try:
        cut, kept = background.without_background(photo)
    except BadInput as error:
        return f"{source / path}: {error}"
    kind, how = FORMATS[Path(path).suffix.lower()]
    content = io.BytesIO()
    Image.fromarray(cut).save(content, format=kind, **how)
    files.write_bytes(target / path, content.getvalue())
    levels = cut.reshape(-1, 3) / 255
    return {
        "path": path,
        "version": background.VERSION,
        "stamp": stamp,
        "bytes": len(content.getvalue()),
        "kept": round(kept, 6),
        "mean": levels.mean(axis=0).tolist(),
        "square": (levels * levels).mean(axis=0).tolist(),
    }


def is_done(row: dict[str, Any] | None, source: Path, target: Path, path: str) -> bool:
    """Whether the journal has the photo as it is now, and the file made of it is unchanged."""
    if row is None or row["version"] != background.VERSION or row["stamp"] != _stamp(source / path):
        return False
    made = _stamp(target / path)
    return made is not None and made[0] == row["bytes"]


def _stamp(file: Path) -> list[int] | None:
    """Size in bytes and time of the last change in nanoseconds, as JSON gives them back."""
    try:
        found = file.stat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]


def copy_file(file: Path, to: Path) -> None:
    """Copy a file with its time, unless `to` has its size and time already."""
    if _stamp(file) == _stamp(to):
        return
    with files.replacing(to) as work:
        shutil.copy2(file, work)
