"""What is damaged in the folder of a trained unit, and what that means for the unit."""

from __future__ import annotations

from pyarrow import ArrowException

from ensembles.errors import BadInput
from ensembles.files import places
from orchestrator.runs.damage import Damage
from orchestrator.runs.store import Store
from orchestrator.units.record import (
    UnitRecord,
    find_record,
    of_all_rows,
    record_damage,
    record_path,
)

WEIGHTS = ".safetensors"
_TRAINED = "its unit is trained again"
_PREDICTED = "its unit predicts again, from its weights"
COPIED = "it is copied again from the epoch or the views that were chosen"


def unit_damage(folder: str, store: Store) -> list[Damage]:
    """What is wrong in a unit's folder; nothing where it was never trained to its end.

    Tables are compared with their digests, weights with their sizes: their digests are looked at
    where they are loaded.
    """
    own = record_path(folder)
    if why := record_damage(folder, store):
        return [Damage(own, why, _again(folder))]
    record = find_record(folder, store)
    if record is None:
        return []
    found = missing_or_cut(folder, record, store)
    known = {damage.path for damage in found}
    for name, digest in record.digests.items():
        path = f"{folder}/{name}"
        checked = path not in known and not name.endswith(WEIGHTS)
        if checked and places.file_digest(store.source(path)) != digest:
            why = f"damaged: its sha256 is not the one in {own}"
            found.append(Damage(path, why, _predicted(folder)))
    return found + _damaged_copies(folder, record, store)


def _damaged_copies(folder: str, record: UnitRecord, store: Store) -> list[Damage]:
    """Of the files of the chosen epoch or views, which stand a second time where those of other
    units do."""
    found = []
    for name, ending in (("oof.parquet", "-oof.parquet"), ("test.parquet", "-test.parquet")):
        path = f"{folder}/{name}"
        of_epochs = {d for n, d in record.digests.items() if n.endswith(ending)}
        copied = of_epochs and name not in record.digests and store.exists(path)
        if copied and _digest(path, store) not in of_epochs:
            why = f"damaged: its sha256 is that of none to choose from in {record_path(folder)}"
            found.append(Damage(path, why, COPIED))
    path = f"{folder}/model{WEIGHTS}"
    sizes = {s for n, s in record.sizes.items() if n.startswith("epochs/") and n.endswith(WEIGHTS)}
    for size in store.sizes([path]).values() if sizes else ():
        if f"model{WEIGHTS}" not in record.digests and size not in sizes:
            why = f"{size} bytes, not {max(sizes)} as its epochs' weights"
            found.append(Damage(path, why, COPIED))
    return found


def _digest(path: str, store: Store) -> str | None:
    """None for what is no file."""
    try:
        return places.file_digest(store.source(path))
    except BadInput:
        return None


def missing_or_cut(folder: str, record: UnitRecord, store: Store) -> list[Damage]:
    """Files that the record names and that are not there, or of another size.

    Of a record from before there were digests: tables that are not there, or no Parquet.
    """
    if not record.digests:
        return _unreadable(folder, record, store)
    paths = {name: f"{folder}/{name}" for name in record.digests}
    sizes = store.sizes(list(paths.values()))
    found = []
    for name, path in paths.items():
        own = record_path(folder)
        of_weights = name.endswith(WEIGHTS)
        then = _again(folder) if of_weights else _predicted(folder)
        along = (own,) if of_weights else ()
        if path not in sizes:
            found.append(Damage(path, f"there is no such file, though {own} names it", then, along))
        elif sizes[path] != record.sizes.get(name, sizes[path]):
            why = f"{sizes[path]} bytes, not {record.sizes[name]} as {own} says"
            found.append(Damage(path, why, then, along))
    return found


def damaged_weights(path: str, why: str) -> Damage:
    """Weights that cannot be used, for a unit that was trained to its end."""
    folder = path.partition("/epochs/")[0] if "/epochs/" in path else path.rpartition("/")[0]
    return Damage(path, why, _again(folder), (record_path(folder),))


def _again(folder: str) -> str:
    """What becomes of a unit that cannot be used."""
    return "train-members --refit trains its unit again" if of_all_rows(folder) else _TRAINED


def _predicted(folder: str) -> str:
    return f"{_PREDICTED}, with --refit" if of_all_rows(folder) else _PREDICTED


def _unreadable(folder: str, record: UnitRecord, store: Store) -> list[Damage]:
    """Tables that are no Parquet, of a record from before there were digests."""
    found = []
    for kind, has_rows in (("oof", record.rows.validation), ("test", record.test_hash)):
        path = f"{folder}/{kind}.parquet"
        if store.exists(path):
            try:
                places.open_parquet(store.source(path))
            except (ArrowException, OSError) as error:
                found.append(Damage(path, f"no Parquet ({error})".splitlines()[0], _PREDICTED))
        elif has_rows and record.member.get("recipe", {}).get("select") != "common_epoch":
            found.append(Damage(path, "there is no such file", _PREDICTED))
    return found
