"""Answers to blocks of photographs, a file each, beside the file of the answers until that is written.

`<stem>.blocks/<digest>.parquet` is a format of this program alone: other programs read the answers.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from ensembles import object_store
from ensembles.files import places
from members import files
from members.errors import BadInput
from orchestrator.batch_inference.blocks import Block
from orchestrator.errors import WrongRequest
from orchestrator.inference.answers import Answers

FOLDER = ".blocks"
_LOCK, _DIGEST = "lock", b"block"
_VOTE, _ASKED, _TABLE = "vote", "asked", "table "


class Kept:
    """The answers that are kept for one file of answers. stem: its path or address, without ending."""

    def __init__(self, stem: str):
        self.folder = f"{stem}{FOLDER}"

    def place(self, block: Block) -> str:
        return places.join(self.folder, f"{block.digest}.parquet")

    def write(self, block: Block, answers: Answers) -> None:
        """Whole, in one move."""
        there = answers.answered
        columns = {
            "image_id": pa.array(_escaped(answers.ids), pa.string()),
            "problem": pa.array(answers.problems, pa.string()),
            _VOTE: _rows(answers.probabilities, there),
            **{f"{_TABLE}{name}": _rows(own, there) for name, own in answers.tables.items()},
        }
        if answers.asked is not None:
            columns[_ASKED] = pa.array(_spread(answers.asked, there))
        table = pa.table(columns).replace_schema_metadata({_DIGEST: block.digest.encode()})
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
        places.write_bytes(self.place(block), sink.getvalue())

    def read(self, block: Block) -> Answers | None:
        """None where they are not there, or damaged: they are made again."""
        place = self.place(block)
        if not places.exists(place):
            return None
        try:
            source = places.in_arrow(places.read_bytes(place))
            table = pq.read_table(source, page_checksum_verification=True)
        except (pa.ArrowException, OSError):
            return None
        if (table.schema.metadata or {}).get(_DIGEST) != block.digest.encode():
            return None
        problems = table["problem"].to_pylist()
        there = np.array([own is None for own in problems], bool)
        tables = {
            name.removeprefix(_TABLE): _array(table[name])[there]
            for name in table.column_names
            if name.startswith(_TABLE)
        }
        ids = [photo.id for photo in block.photos]
        asked = table[_ASKED].to_numpy()[there] if _ASKED in table.column_names else None
        return Answers(ids, problems, _array(table[_VOTE])[there], tables, asked)

    def remove(self) -> None:
        """Delete them all, and those of other lists and ensembles. What else lies in the folder stays,
        and so does the folder then.
        """
        if "://" not in self.folder:
            folder = Path(self.folder)
            places.remove_unfinished(folder)
            for own in (*filter(_is_block, folder.iterdir()), folder / _LOCK):
                own.unlink(missing_ok=True)
            with suppress(OSError):  # not empty
                folder.rmdir()
        elif places.exists(self.folder):
            filesystem, path = object_store.connected(self.folder)
            for found in filesystem.get_file_info(fs.FileSelector(path)):
                if _is_block(Path(found.path)):
                    filesystem.delete_file(found.path)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Within the block no other command of this machine writes the same answers.

        Raises WrongRequest where one does. An object store has no locks: there, two commands may do the
        same work twice, but never mix it.
        """
        if "://" in self.folder:
            yield
            return
        folder = Path(self.folder)
        busy = (
            f"{self.folder}: another command writes these answers now. Wait for its end, or give "
            "another --out FILE."
        )
        while True:
            files.make_folder(folder)
            try:
                with files.locked(folder / _LOCK, busy) as lock:
                    if not _is_still(lock.fileno(), folder / _LOCK):
                        continue  # its holder has just ended and deleted it
                    yield
                    return
            except BadInput as error:
                raise WrongRequest(error.problems) from None
            except FileNotFoundError:
                if folder.exists():
                    raise


def _is_block(path: Path) -> bool:
    return re.fullmatch(r"[0-9a-f]{64}\.parquet", path.name) is not None


def _is_still(opened: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(opened), path.stat())
    except FileNotFoundError:
        return False


def _escaped(ids: Sequence[str]) -> list[str]:
    """Ids for a reader of the file; names that are no text are shown with escapes."""
    return [own.encode(errors="backslashreplace").decode() for own in ids]


def _rows(values: np.ndarray, there: np.ndarray) -> pa.FixedSizeListArray:
    """(n, k) float32 of the rows that are there; zeros for the others."""
    return pa.FixedSizeListArray.from_arrays(
        pa.array(_spread(values, there).ravel()), values.shape[1]
    )


def _spread(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    spread = np.zeros((len(there), *values.shape[1:]), values.dtype)
    spread[there] = values
    return spread


def _array(column: pa.ChunkedArray) -> np.ndarray:
    rows = column.combine_chunks()
    return rows.flatten().to_numpy().reshape(len(rows), rows.type.list_size)
