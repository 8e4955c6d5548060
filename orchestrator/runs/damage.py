"""What is damaged in a run folder: named, set aside, and then made again by `train-members`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from pyarrow import ArrowException

from ensembles.errors import BadInput
from ensembles.files import places
from ensembles.files.digests import SUMS, read_sums, require_right, write_sums
from ensembles.files.parquet import KINDS
from orchestrator.errors import WrongRequest
from orchestrator.runs.store import Store

MADE_FROM = "made_from.txt"
PARTIAL = "partial"  # folder of the tables that lack folds
_RUN_FILES = ("images.parquet", "test.parquet", "targets.json", "reading.json", "spec.yaml")
_AGAIN = "it is made again"


@dataclass(frozen=True)
class Damage:
    """A file of a run folder that cannot be used. why: what is wrong; then: what becomes of it.

    along: what is set aside with it.
    """

    path: str
    why: str
    then: str
    along: tuple[str, ...] = ()

    def line(self) -> str:
        """What stands before it is mended, in a sentence."""
        return f"{self.path}: {self.why}. With train-members {self.then}."

    def set_aside(self, store: Store) -> str:
        """Move what is there to `damaged/`; what was done, in a sentence."""
        moved = [store.set_aside(p) for p in (self.path, *self.along) if store.exists(p)]
        where = f"moved to {' and '.join(moved)}; " if moved else ""
        return f"{self.path}: {self.why}: {where}{self.then}."


def set_aside(found: Iterable[Damage], store: Store) -> list[str]:
    """Set all aside; a sentence each."""
    return [damage.set_aside(store) for damage in found]


def run_damage(store: Store) -> list[Damage]:
    """What is wrong with the files of a run folder that are not of one unit."""
    found = _listed(store, "", _RUN_FILES)
    for folder in ("tables", PARTIAL):
        for name in store.list(folder):
            found += table_damage(f"{folder}/{name}", store)
    known = {damage.path for damage in found}
    for name in ("timing.json", *_RUN_FILES):
        unlisted = name not in known and name not in _sums(store, "") and store.exists(name)
        if unlisted and (why := _unreadable(name, store)):
            found.append(Damage(name, why, _AGAIN))
    return found


def table_damage(folder: str, store: Store) -> list[Damage]:
    """What is wrong with a member's tables, by their digests."""
    found = _listed(
        store, folder, [f"{kind}.parquet" for kind in KINDS], (f"{folder}/{MADE_FROM}",)
    )
    if found or _sums(store, folder) or not store.exists(f"{folder}/{MADE_FROM}"):
        return found
    for kind in KINDS:  # from before there were digests
        path = f"{folder}/{kind}.parquet"
        if store.exists(path) and (why := _unreadable(path, store)):
            found.append(Damage(path, why, _AGAIN))
    return found


def write_recorded(name: str, content: bytes | str, store: Store) -> None:
    """Write a file of the run, and its digest to the run's `SHA256SUMS`.

    Whenever this ends too early, the digest that stands there is the file's, or none does.
    """
    content = content.encode() if isinstance(content, str) else content
    digests, digest = _sums(store, ""), hashlib.sha256(content).hexdigest()
    if digests.get(name) == digest and store.exists(name) and store.read(name) == content:
        return
    if digests.pop(name, None):
        write_sums(store.uri(), digests)
    store.write(name, content)
    write_sums(store.uri(), {**digests, name: digest})


def read_recorded(name: str, store: Store) -> bytes:
    """A file of the run. Raises FileNotFoundError; BadInput where it has not the digest it had."""
    if store.exists(name):
        require_right(store.uri(name))
    elif name in read_sums(store.uri()):
        raise WrongRequest(
            f"{store.uri(name)}: there is no such file, though {store.uri(SUMS)} names it. "
            "train-members makes it again."
        )
    return store.read(name)


def read_json(path: str, store: Store) -> object:
    """A JSON file of the run. Raises FileNotFoundError, and `WrongRequest` where it is damaged."""
    try:
        return store.read_json(path)
    except (ValueError, RecursionError) as error:
        raise WrongRequest(
            f"{store.uri(path)}: damaged, no JSON ({error}). train-members makes it again."
        ) from None


def _listed(
    store: Store, folder: str, expected: Iterable[str], along: tuple[str, ...] = ()
) -> list[Damage]:
    """Files of a folder that its `SHA256SUMS` names and that are not there, or have another digest.

    along: what goes with the list itself, where that cannot be read or lacks a file of `expected`.
    """
    prefix = f"{folder}/" if folder else ""
    own = prefix + SUMS
    if not store.exists(own):
        return []
    try:
        digests = read_sums(store.source(folder))
    except BadInput as error:
        return [Damage(own, _reason(error), _AGAIN, along)]
    lacking = [n for n in expected if along and n not in digests and store.exists(prefix + n)]
    if lacking:
        return [Damage(own, f"it does not name {', '.join(lacking)}", _AGAIN, along)]
    found = []
    for name, digest in digests.items():
        path = prefix + name
        if not store.exists(path):
            found.append(Damage(path, f"there is no such file, though {own} names it", _AGAIN))
            continue
        try:
            if places.file_digest(store.source(path)) != digest:
                found.append(Damage(path, f"damaged: its sha256 is not the one in {own}", _AGAIN))
        except BadInput as error:
            found.append(Damage(path, _reason(error), _AGAIN))
    return found


def _reason(error: BadInput) -> str:
    """Of a problem `PLACE: REASON. WHAT TO DO`."""
    return error.problems[0].partition(": ")[2].split(". ")[0]


def _sums(store: Store, folder: str) -> dict[str, str]:
    try:
        return read_sums(store.source(folder))
    except BadInput:
        return {}


def _unreadable(path: str, store: Store) -> str:
    """Why a file without a digest is no Parquet or JSON, by its name; empty where it is."""
    try:
        if path.endswith(".parquet"):
            places.open_parquet(store.source(path))
        elif path.endswith(".json"):
            json.loads(store.read(path))
        elif not store.read(path).decode().strip():
            return "it is empty"
    except (ArrowException, OSError, ValueError, RecursionError) as error:
        return f"it cannot be read ({str(error).splitlines()[0]})"
    return ""
