"""One file of a folder copied with the background of every photo black, and whether it is made."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

from members import files
from members.errors import BadInput
from members.pixels import background, samples
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

    stamp, ctime_ns = _stamp(source / path), _ctime(source / path)  # before the content is read
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
        "ctime_ns": ctime_ns,
        "bytes": len(content.getvalue()),
        "digest": samples.content_digest(content.getvalue()),
        "kept": round(kept, 6),
        "mean": levels.mean(axis=0).tolist(),
        "square": (levels * levels).mean(axis=0).tolist(),
    }


def is_done(row: dict[str, Any] | None, source: Path, target: Path, path: str) -> bool:
    """Whether the journal has the photo as it is now, and the file made of it is unchanged.

    A line of an earlier version says less: what it does not say is not compared.
    """
    if row is None or row["version"] != background.VERSION or row["stamp"] != _stamp(source / path):
        return False
    if row.get("ctime_ns", found := _ctime(source / path)) != found:
        return False
    made = _stamp(target / path)
    if made is None or made[0] != row["bytes"]:
        return False
    try:
        content = (target / path).read_bytes()
    except OSError:
        return False
    return row.get("digest", digest := samples.content_digest(content)) == digest


def _stamp(file: Path) -> list[int] | None:
    """Size in bytes and time of the last change in nanoseconds, as JSON gives them back."""
    try:
        found = file.stat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns]


def _ctime(file: Path) -> int | None:
    """Time that only the system sets, in nanoseconds."""
    try:
        return file.stat().st_ctime_ns
    except OSError:
        return None


def copy_file(file: Path, to: Path) -> None:
    """Copy a file with its time, unless `to` has its size and time already."""
    if _stamp(file) == _stamp(to):
        return
    with files.replacing(to) as work:
        shutil.copy2(file, work)
