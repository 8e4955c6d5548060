"""Bytes in and out of a local path or a URI (`s3://bucket/key`, `file:///...`) alike."""

from __future__ import annotations

import errno
import json
import mmap
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, TypeVar

from ensembles import object_store, unfinished
from ensembles.errors import BadInput, names_its_place
from ensembles.unfinished import remove_unfinished as remove_unfinished

if TYPE_CHECKING:
    from pyarrow import NativeFile, Table
    from pyarrow.fs import FileSystem
    from pyarrow.parquet import ParquetFile

Place = str | os.PathLike[str]
T = TypeVar("T")


def join(folder: Place, *names: str) -> str:
    """`folder/name/...`, in the folder's own notation."""
    return "/".join([os.fspath(folder).rstrip("/") or "/", *names])


def read_bytes(place: Place, most: int | None = None) -> bytes:
    """The whole content, or its first `most` bytes. Raises OSError; BadInput for what has no end."""

    def first(stream: IO[bytes]) -> bytes:
        if most is None:
            return stream.read()
        pieces, left = [], most
        while left and (piece := stream.read(min(left, 1 << 22))):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    return _read_from(place, first)


def _read_from(place: Place, read: Callable[[IO[bytes]], T]) -> T:
    """What `read` makes of the file, opened."""
    remote = _remote(place)
    if remote is None:
        require_end(Path(place))
        with Path(place).open("rb") as stream:
            return read(stream)

    def read_remote() -> T:
        with remote[0].open_input_stream(remote[1]) as stream:
            return read(stream)

    return object_store.through_refusals(read_remote)


def open_parquet(place: Place) -> ParquetFile:
    """A Parquet file of which only what is asked for is read. Raises OSError and ArrowException."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.ParquetFile(parquet_source(place)[0], page_checksum_verification=True)
        found.schema_arrow.names  # noqa: B018  # Arrow hands them on as they are
    except UnicodeDecodeError as error:
        raise pa.ArrowInvalid(f"the name of a column is no UTF-8: {error}") from None
    return found


def parquet_source(place: Place) -> tuple[str | NativeFile, int]:
    """What `pyarrow.parquet` reads the file at `place` from, and its bytes."""
    remote = _remote(place)
    if remote is None:
        given = Path(place)
        if given.exists() and not given.is_file() and not given.is_dir():  # `<(...)`: no seeking
            content = read_bytes(place)
            return in_arrow(content), len(content)
        return os.fspath(place), given.stat().st_size
    filesystem, path = remote
    opened = filesystem.open_input_file(path)
    return opened, opened.size()


def read_parquet(place: Place, columns: Sequence[str] | None = None) -> Table:
    """A whole Parquet file, or some of its columns. Raises OSError and ArrowException.

    Never from bytes of Python's: Arrow's threads may let go of them when the interpreter is gone
    already, which ends the process with code 134.
    """
    return object_store.through_refusals(
        lambda: open_parquet(place).read(columns and list(columns))
    )


def file_digest(place: Place) -> str:
    """Of the content, read in pieces. Raises OSError; BadInput for what has no end."""
    import hashlib

    def digest(stream: IO[bytes]) -> str:
        total = hashlib.sha256()
        while piece := stream.read(1 << 22):
            total.update(piece)
        return total.hexdigest()

    return _read_from(place, digest)


@names_its_place
@contextmanager
def writing(place: Place, filesystem: FileSystem | None = None) -> Iterator[IO[bytes]]:
    """A stream whose content appears under `place`, whole, when the block ends without an error.

    A reader sees the old content or the new, whenever a process or the machine dies. On this
    machine: a file beside `place`, synced to the disk, moved, and the folder synced. An object
    store gets one upload at the end. Where `place` is a pipe or a terminal, it gets the bytes.
    filesystem: the object store on which `place` is a path; without, `place` names its own.
    """
    filesystem, place = _target(place, filesystem)
    if filesystem is not None:
        # not into the upload itself: one that an error cuts short would be stored all the same
        with tempfile.TemporaryFile() as stream:
            yield stream
            stream.flush()
            _upload(filesystem, place, _mapped(stream) if stream.seek(0, os.SEEK_END) else b"")
        return
    if _takes_bytes(Path(place)):
        with open(place, "wb", opener=_without_waiting) as stream:
            yield stream
        return
    target = Path(os.path.realpath(place))  # a link stays one
    make_folder(target.parent)
    with unfinished.aside(target) as aside:
        with aside.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(target)
        sync(target.parent)


def write_bytes(
    place: Place, content: bytes | memoryview, filesystem: FileSystem | None = None
) -> None:
    """Replace the whole content, as `writing` does."""
    filesystem, place = _target(place, filesystem)
    if filesystem is not None:
        _upload(filesystem, place, content)
        return
    with writing(place) as stream:
        stream.write(content)


def write_json(place: Place, value: Any) -> None:
    """`value` as indented JSON in UTF-8, written as `writing` does."""
    write_bytes(place, json_bytes(value))


def json_bytes(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode(
        errors="backslashreplace"  # of a file name that is no text, JSON's own escape
    )


@names_its_place
@contextmanager
def writing_folder(folder: Path) -> Iterator[Path]:
    """An empty folder of this machine to fill, which is `folder` when the block ends well.

    Where another process was faster, its folder stays.
    """
    make_folder(folder.parent)
    with unfinished.aside(folder, folder=True) as aside:
        yield aside
        for path in [*aside.rglob("*"), aside]:
            sync(path)
        try:
            aside.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
        sync(folder.parent)


def make_folder(folder: Path) -> None:
    """Make a folder of this machine and those above it; it outlives a power cut."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync(folder.parent)


def move(file: Place, target: Place) -> None:
    """Move a file or folder of this machine to where nothing is; it is there after a power cut."""
    make_folder(Path(target).parent)
    Path(file).rename(target)
    sync(Path(target).parent)
    sync(Path(file).parent)


def sync(path: Path) -> None:
    """Return when the content of a file, or the names in a folder, are on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    except OSError as error:  # some network disks take no folder
        if not path.is_dir() or error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(opened)


def _target(place: Place, filesystem: FileSystem | None) -> tuple[FileSystem | None, str]:
    """The object store and the path on it, or None and the path on this machine."""
    remote = (filesystem, os.fspath(place)) if filesystem else _remote(place)
    if remote is None:
        return None, os.fspath(place)
    return (None if remote[0].type_name == "local" else remote[0]), remote[1]


def _upload(filesystem: FileSystem, path: str, content: bytes | memoryview | mmap.mmap) -> None:
    # in one call: an interrupt between two would end the upload early and store what is there
    with filesystem.open_output_stream(path) as stream:
        stream.write(content)
    stored = filesystem.get_file_info(path).size
    if stored != len(content):
        raise OSError(f"{path}: {len(content)} bytes were written, and {stored} are there")


def in_arrow(content: bytes) -> NativeFile:
    """A file in memory of Arrow's own, see `read_parquet`."""
    import pyarrow as pa

    owned = pa.allocate_buffer(len(content))
    with pa.FixedSizeBufferWriter(owned) as writer:
        writer.write(content)
    return pa.BufferReader(owned)


def require_end(path: Path) -> None:
    """Raise BadInput for what reading would never end of."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # opening it says why
    # a shell's <(command) is a pipe without a name, and has its writer
    if stat.S_ISFIFO(mode) and Path(os.path.realpath(path)).exists():
        raise BadInput(f"{path}: a named pipe, whose writer may never come. Give a file.")
    if stat.S_ISSOCK(mode) or stat.S_ISBLK(mode):
        raise BadInput(f"{path}: a socket or a disk. Give a file.")
    terminal_or_empty = re.match(r"/dev/(pts/|tty|console|null$)", os.path.realpath(path))
    if stat.S_ISCHR(mode) and not terminal_or_empty:
        raise BadInput(f"{path}: a device, which has no end. Give a file.")


def _mapped(stream: IO[bytes]) -> mmap.mmap:
    return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def _without_waiting(path: str, flags: int) -> int:
    """Opens a pipe that somebody reads; OSError (ENXIO) where nobody does, instead of waiting."""
    opened = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(opened, True)
    return opened


def _takes_bytes(path: Path) -> bool:
    """A pipe or a terminal, or `/dev/stdout`, which may be a file that others write to as well."""
    return (path.exists() and not path.is_file()) or (
        path.is_symlink() and path.parent == Path("/dev")
    )


def exists(place: Place) -> bool:
    """Whether a file or a folder is there."""
    remote = _remote(place)
    if remote is None:
        return Path(place).exists()
    from pyarrow.fs import FileType

    filesystem, path = remote
    return filesystem.get_file_info(path).type != FileType.NotFound


def size(place: Place) -> int:
    """Bytes of a file."""
    remote = _remote(place)
    if remote is None:
        return Path(place).stat().st_size
    filesystem, path = remote
    return int(filesystem.get_file_info(path).size)


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
    return object_store.connected(os.fspath(place))
