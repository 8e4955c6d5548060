"""Bytes in and out of a local path or a URI (`s3://bucket/key`, `file:///...`) alike."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem
    from pyarrow.parquet import ParquetFile

Place = str | os.PathLike[str]


def join(folder: Place, *names: str) -> str:
    """`folder/name/...`, in the folder's own notation."""
    return "/".join([os.fspath(folder).rstrip("/") or "/", *names])


def read_bytes(place: Place) -> bytes:
    """The whole content. Raises FileNotFoundError."""
    remote = _remote(place)
    if remote is None:
        return Path(place).read_bytes()
    filesystem, path = remote
    with filesystem.open_input_file(path) as stream:
        return stream.readall()


def open_parquet(place: Place) -> ParquetFile:
    """A Parquet file of which only what is asked for is read."""
    import pyarrow.parquet as pq

    remote = _remote(place)
    if remote is None:
        return pq.ParquetFile(place, memory_map=False)
    filesystem, path = remote
    return pq.ParquetFile(filesystem.open_input_file(path))


def file_digest(place: Place) -> str:
    """Of the content, read in pieces."""
    import hashlib

    total, remote = hashlib.sha256(), _remote(place)
    with remote[0].open_input_stream(remote[1]) if remote else Path(place).open("rb") as stream:
        while piece := stream.read(1 << 22):
            total.update(piece)
    return total.hexdigest()


@contextmanager
def writing(place: Place) -> Iterator[IO[bytes]]:
    """A stream whose content appears in one move when the block ends without an error."""
    remote = _remote(place)
    if remote is not None:
        filesystem, path = remote
        with filesystem.open_output_stream(path) as stream:
            yield stream
        return
    target = Path(place)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as stream:
            yield stream
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(place: Place, content: bytes) -> None:
    """Write in one move: a reader sees the old content or the new, never a part.

    Locally a temporary name and a rename; an object store shows an object only when its
    upload has ended.
    """
    remote = _remote(place)
    if remote is not None:
        filesystem, path = remote
        with filesystem.open_output_stream(path) as stream:
            stream.write(content)
        return
    target = Path(place)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(content)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def exists(place: Place) -> bool:
    """Whether a file or a folder is there."""
    remote = _remote(place)
    if remote is None:
        return Path(place).exists()
    from pyarrow.fs import FileType

    filesystem, path = remote
    return filesystem.get_file_info(path).type != FileType.NotFound


def remove(place: Place) -> None:
    """Delete a file; nothing happens where there is none."""
    if not exists(place):
        return
    remote = _remote(place)
    if remote is None:
        Path(place).unlink()
    else:
        filesystem, path = remote
        filesystem.delete_file(path)


def subfolders(folder: Place) -> list[str]:
    """Names of the folders directly inside, sorted. Raises FileNotFoundError."""
    remote = _remote(folder)
    if remote is None:
        return sorted(child.name for child in Path(folder).iterdir() if child.is_dir())
    from pyarrow.fs import FileSelector, FileType

    filesystem, path = remote
    found = filesystem.get_file_info(FileSelector(path))
    return sorted(PurePosixPath(f.path).name for f in found if f.type == FileType.Directory)


def _remote(place: Place) -> tuple[FileSystem, str] | None:
    """The file system and path that a URI names, or None for a path on this machine."""
    if "://" not in os.fspath(place):
        return None
    from pyarrow.fs import FileSystem

    return FileSystem.from_uri(os.fspath(place))
