"""Photos that are cells of a Parquet file, written out once: each is a file named by its content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from members import files
from members.data.listing import some
from members.errors import BadInput

ENDINGS = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"GIF8": ".gif", b"BM": ".bmp",
           b"II*\0": ".tif", b"MM\0*": ".tif"}  # fmt: skip

_AT_ONCE = 16  # photos in memory; one of megabytes may stand in every row


def write_out(file: Path, column: str, folder: Path) -> tuple[list[str], list[Path]]:
    """Ids and paths of the photos in `column`, cells of bytes or of `{bytes, path}`.

    A photo is `folder`/<xx>/<BLAKE2b-128 of its bytes>.<ending>, written where no file of that name
    holds the same bytes. Ids are the cells' `path` where each has one of its own, else the numbers of
    the rows, from 0. Raises BadInput for rows without a picture.
    """
    names: list[str] = []
    paths: list[Path] = []
    empty: list[str] = []
    for content, name in _cells(file, column, folder):
        if content is None:
            empty.append(f"row {len(paths)}")
        names.append(name)
        paths.append(content or Path())
    if empty:
        raise BadInput(
            f"{file}: {len(empty)} cells of {column!r} hold no picture ({some(empty)}). "
            "Take these rows out."
        )
    own = all(names) and len({*names}) == len(names)
    return names if own else [str(row) for row in range(len(paths))], paths


def _cells(file: Path, column: str, folder: Path) -> Iterator[tuple[Path | None, str]]:
    """The path of each picture, None where there is none, and the name that it has in the cell."""
    import pyarrow.parquet as pq

    def written(cell: bytes | dict | None) -> tuple[Path | None, str]:
        content = cell.get("bytes") if isinstance(cell, dict) else cell
        name = str(cell.get("path") or "").strip() if isinstance(cell, dict) else ""
        return _write(folder, content) if content else None, name

    with pq.ParquetFile(file) as opened:
        for batch in opened.iter_batches(batch_size=_AT_ONCE, columns=[column]):
            yield from files.in_threads(written, batch.column(0).to_pylist())


def _write(folder: Path, content: bytes) -> Path:
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    kind = next((end for start, end in ENDINGS.items() if content.startswith(start)), "")
    kind = ".webp" if content[8:12] == b"WEBP" else kind
    path = folder / digest[:2] / f"{digest}{kind}"
    if not path.is_file() or path.read_bytes() != content:
        files.write_bytes(path, content)
    return path
