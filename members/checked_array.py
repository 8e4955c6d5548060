"""An array of bytes in a file, with a checksum a row: what is read is what was written, or is named.

The file is a NumPy array (`np.load` reads it), after it the CRC-32 of each row, and after those a
digest that binds them to what the array was made from. Rows are read one by one and not mapped into
memory: where a file is cut short or a disk fails, a mapped page ends the process.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from members.room import hold

_SEAL = 16  # bytes


class Damaged(Exception):
    """The file is not whole. earlier: it is whole, but of a version that wrote no checksums."""

    def __init__(self, why: str, earlier: bool = False):
        super().__init__(why)
        self.earlier = earlier


class CheckedArray:
    """A file that `writing` made, open to read: `shape` uint8.

    made_from: what `writing` was given. Raises Damaged where the file is another or is cut short,
    and OSError.
    """

    def __init__(self, file: Path, shape: Sequence[int], made_from: str):
        layout = _Layout(shape)
        self.shape, self._layout = layout.shape, layout
        self._file = file.open("rb", buffering=0)
        size = os.fstat(self._file.fileno()).st_size
        if size != layout.size:
            raise Damaged(f"has {size} bytes instead of {layout.size}", size == layout.checksums)
        self.checksums = np.empty(len(self), "<u4")
        header, seal = bytearray(len(layout.header)), bytearray(_SEAL)
        os.preadv(self._file.fileno(), [header], 0)
        os.preadv(self._file.fileno(), [self.checksums.data.cast("B"), seal], layout.checksums)
        if header != layout.header or seal != _seal(made_from, self.checksums):
            raise Damaged("its checksums are not those of this array")

    def __len__(self) -> int:
        return self.shape[0]

    def hold(self) -> None:
        """Keep the file from being removed while it is open, see members/room.py."""
        hold(self._file.fileno())

    def is_at(self, file: Path) -> bool:
        """Whether this very file still has that name."""
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), file.stat())
        except FileNotFoundError:
            return False

    def read(self, rows: np.ndarray) -> tuple[np.ndarray, list[int]]:
        """A copy of the rows (n,), and which of them are not as they were written."""
        found = np.empty((len(rows), *self.shape[1:]), np.uint8)
        if not found.size:
            return found, []
        flat = found.reshape(len(rows), -1)
        return found, [
            row for row, into in zip(rows.tolist(), flat, strict=True) if not self._fill(row, into)
        ]

    def _fill(self, row: int, into: np.ndarray) -> bool:
        at = self._layout.row(row)
        try:
            whole = os.preadv(self._file.fileno(), [into.data], at) == len(into)
        except OSError:  # a sector that cannot be read
            return False
        return whole and zlib.crc32(into.data) == self.checksums[row]


class Rows:
    """The rows of a `CheckedArray` that is being written; threads may fill several at once.

    made_from: see `writing`; it may be set as long as rows are filled.
    """

    def __init__(self, opened: int, layout: _Layout, made_from: str):
        self._opened, self._layout, self.made_from = opened, layout, made_from
        self.checksums = np.zeros(layout.shape[0], "<u4")

    def write(self, row: int, values: np.ndarray) -> None:
        """values: uint8, of a row's shape."""
        self.checksums[row] = _write_row(self._opened, self._layout, row, values)


def write_row(file: Path, shape: Sequence[int], row: int, values: np.ndarray) -> int:
    """Fill a row of a file that somebody else is `writing`; its checksum, which that one is to set."""
    opened = os.open(file, os.O_WRONLY)
    try:
        return _write_row(opened, _Layout(shape), row, values)
    finally:
        os.close(opened)


def _write_row(opened: int, layout: _Layout, row: int, values: np.ndarray) -> int:
    if values.shape != layout.shape[1:] or values.dtype != np.uint8:
        raise ValueError(f"a row of {values.dtype} {values.shape} for {layout.shape}")
    content = np.ascontiguousarray(values).reshape(-1)
    _write_all(opened, content.data, layout.row(row))
    return zlib.crc32(content.data)


@contextmanager
def writing(file: Path, shape: Sequence[int], made_from: str) -> Iterator[Rows]:
    """Rows to fill, all of them; `file` is a `CheckedArray` when the block ends without an error.

    The room on the disk is taken before the first row, where the disk can. made_from: any text
    that tells this array from others of its shape.
    """
    layout = _Layout(shape)
    opened = os.open(file, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        try:
            os.posix_fallocate(opened, 0, layout.size)
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
        _write_all(opened, layout.header, 0)
        rows = Rows(opened, layout, made_from)
        yield rows
        end = rows.checksums.tobytes() + _seal(rows.made_from, rows.checksums)
        _write_all(opened, end, layout.checksums)
    finally:
        os.close(opened)


def size_of(shape: Sequence[int]) -> int:
    """Bytes of the file of such an array."""
    return _Layout(shape).size


class _Layout:
    """Where what stands. checksums: where they begin. size: of the file."""

    def __init__(self, shape: Sequence[int]):
        self.shape = tuple(map(int, shape))
        header = io.BytesIO()
        described = {"descr": "|u1", "fortran_order": False, "shape": self.shape}
        np.lib.format.write_array_header_1_0(header, described)
        self.header = header.getvalue()
        self._row = int(np.prod(self.shape[1:], dtype=np.int64))
        self.checksums = self.row(self.shape[0])
        self.size = self.checksums + 4 * self.shape[0] + _SEAL

    def row(self, number: int) -> int:
        return len(self.header) + number * self._row


def _seal(made_from: str, checksums: np.ndarray) -> bytes:
    digest = hashlib.blake2b(made_from.encode(), digest_size=_SEAL)
    digest.update(checksums.tobytes())
    return digest.digest()


def _write_all(opened: int, content: bytes | memoryview, at: int) -> None:
    left = memoryview(content)
    while left:
        done = os.pwrite(opened, left, at)
        left, at = left[done:], at + done
