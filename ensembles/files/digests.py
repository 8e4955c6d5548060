"""Digests: of tables, so that two votes over the same ones show the same; of files, to find damage.

A file's digest stands beside it: in `SHA256SUMS`, as `sha256sum -c` reads it, or of the files of a
vote in its `vote.json`. Where neither names it, a file is read as it is. JSON of our own holds the
digest of its other values under `sha256`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ensembles.errors import BadInput, reads
from ensembles.files import places
from ensembles.files.places import Place
from ensembles.files.table import (
    CONFIDENCE,
    HELD_OUT,
    PROBABILITIES,
    RECORD,
    SETS,
    SUBMISSION,
    UNKNOWN,
    Table,
)

SUMS = "SHA256SUMS"
# files whose digests stand in RECORD
OF_A_VOTE = (SUBMISSION, CONFIDENCE, SETS, UNKNOWN, PROBABILITIES, HELD_OUT)
_SEAL = "sha256"
AGAIN = (
    "`train-members` makes the files of a run again; of one made elsewhere, get it anew, or delete the "
    "file of digests where this was changed on purpose."
)
_LINE = re.compile(r"([0-9a-f]{64}) [ *]([^\x00-\x1f]+)")


def table_digest(table: Table) -> str:
    """sha256 of the ids and the values, where no file holds the table."""
    total = hashlib.sha256(json.dumps(table.meta, sort_keys=True, default=str).encode())
    for ids in (table.ids, table.group):
        total.update(b"" if ids is None else "\0".join(map(str, ids)).encode())
        total.update(b"\0\0")
    for values in (table.probabilities, table.fold, table.label):
        if values is not None:
            total.update(f"{values.dtype}{values.shape}".encode())
            total.update(np.ascontiguousarray(values).data)
    return total.hexdigest()


# -- a folder's files ------------------------------------------------------------------------------


def write_sums(folder: Place, digests: Mapping[str, str]) -> None:
    """`SHA256SUMS` of file name -> sha256, in coreutils' format."""
    lines = [f"{digest}  {name}\n" for name, digest in sorted(digests.items())]
    places.write_bytes(places.join(folder, SUMS), "".join(lines).encode())


def read_sums(folder: Place) -> dict[str, str]:
    """File name -> sha256 by the folder's `SHA256SUMS`; {} where there is none. Raises BadInput."""
    place = places.join(folder, SUMS)
    return _read_sums(place) if places.exists(place) else {}


@reads("one as `sha256sum` writes it, or delete it")
def _read_sums(place: str) -> dict[str, str]:
    found = {}
    for number, line in enumerate(places.read_bytes(place).decode().splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise BadInput(
                f"{place}: line {number} is no digest and file name as `sha256sum` writes them. "
                f"{AGAIN}"
            )
        found[match[2].removeprefix("./")] = match[1]
    return found


def require_right(place: Place) -> str | None:
    """The digest of a file, where one stands beside it. Raises BadInput where the file has another."""
    found = recorded_digest(place)
    if found is None:
        return None
    expected, where = found
    try:
        digest = places.file_digest(place)
    except BadInput as error:  # a pipe or a device
        raise BadInput(f"{problem} {AGAIN}" for problem in error.problems) from None
    if digest != expected:
        raise BadInput(wrong_content(place, where))
    return digest


def is_there(place: Place) -> bool:
    """Whether a file is there. Raises BadInput where it is not, but the list beside it names it."""
    if places.exists(place):
        return True
    folder, _, name = str(place).rpartition("/")
    if name in read_sums(folder or "."):
        raise BadInput(missing_file(place, places.join(folder or ".", SUMS)))
    return False


def recorded_digest(place: Place) -> tuple[str, str] | None:
    """The digest of a file that stands beside it, and in which file; None where there is none."""
    folder, _, name = str(place).rpartition("/")
    folder = folder or ("/" if str(place).startswith("/") else ".")
    digest, where = read_sums(folder).get(name), places.join(folder, SUMS)
    if digest is None and name in OF_A_VOTE:
        where = places.join(folder, RECORD)
        if places.exists(where):
            digest = recorded_files(places.read_bytes(where), where).get(name)
    return None if digest is None else (digest, where)


def wrong_content(place: Place, where: str) -> str:
    """The problem of a file that has another digest than stands in `where`."""
    if where.endswith(RECORD):
        return (
            f"{place}: not the file that the vote wrote: its sha256 is another than in {where}. Cast "
            "the vote again; or where this file is not of that vote, delete the vote.json."
        )
    return f"{place}: damaged, or another file: its sha256 is not the one in {where}. {AGAIN}"


def missing_file(place: Place, where: str) -> str:
    """The problem of a file that `where` names and that is not there."""
    return f"{place}: there is no such file, though {where} names it. {AGAIN}"


def recorded_files(content: bytes, name: str) -> dict[str, str]:
    """File name -> sha256 of the files of a vote, from its `vote.json`. Raises BadInput."""
    try:
        found = unsealed(json.loads(content))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{name}: damaged ({error}). Cast the vote again.") from None
    files = found.get("files", {}) if isinstance(found, dict) else None
    if not isinstance(files, dict):
        raise BadInput(f"{name}: no record of a vote. Cast the vote again.")
    return files


# -- values in JSON --------------------------------------------------------------------------------


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """The values with the digest of them all under `sha256`, in place of one that was there."""
    own = {key: part for key, part in value.items() if key != _SEAL}
    return {**own, _SEAL: _values_digest(own)}


def unsealed(value: Any) -> Any:
    """The values as `sealed` got them; what carries no digest as it is. Raises ValueError where it
    is another's.
    """
    if not isinstance(value, dict) or _SEAL not in value:
        return value
    own = {key: part for key, part in value.items() if key != _SEAL}
    if value[_SEAL] != _values_digest(own):
        raise ValueError("its values are not those that `sha256` in it is the digest of")
    return own


def _values_digest(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
