"""The photographs that finished units were trained on, where those of now are others.

`images.parquet` is of the last call. Before it is replaced by a table of other photographs or other
folds, it is kept with its spec in `earlier/<data hash>-<folds hash>/`: what changed can then be
named, and the finished units can still be used.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import yaml
from pyarrow import ArrowException

from ensembles.files import places
from members.data.codec import Codec
from orchestrator.errors import counted
from orchestrator.photographs.table import Photographs, column, labels_of
from orchestrator.runs.store import Store
from orchestrator.spec.spec import Folds

_FILES = ("images.parquet", "targets.json", "spec.yaml")


@dataclass(frozen=True)
class Earlier:
    """Training photographs of an earlier call. folds: the block of its spec that made the folds."""

    photographs: Photographs
    folds: dict[str, Any]


def earlier_photographs(store: Store) -> list[Earlier]:
    """Each table of training photographs that the run has, that of the last call first.

    What cannot be read is left out: it is only compared with.
    """
    folders = ["", *(f"earlier/{name}/" for name in store.list("earlier"))]
    found = [_read(folder, store) for folder in folders]
    return [one for one in found if one is not None]


def _read(folder: str, store: Store) -> Earlier | None:
    try:
        frame = pd.read_parquet(places.in_arrow(store.read(f"{folder}images.parquet")))
        codec = Codec.from_json(store.read(f"{folder}targets.json").decode())
        spec = yaml.safe_load(store.read(f"{folder}spec.yaml"))
        photographs = Photographs(frame, None, codec)
        identity(photographs)  # KeyError where a column is missing
        return Earlier(photographs, folds_block(Folds.model_validate(spec["folds"])))
    except (OSError, ArrowException, ValueError, KeyError, TypeError, yaml.YAMLError):
        return None


def folds_block(folds: Folds) -> dict[str, Any]:
    """The block of a spec, every default in it."""
    return folds.model_dump(mode="json")


def keep_earlier(now: Photographs, store: Store) -> None:
    """Put the table of the last call aside where it is not of the photographs and folds of `now`."""
    last = _read("", store)
    if last is None or identity(last.photographs) == identity(now) or not store.list("units"):
        return
    folder = f"earlier/{identity(last.photographs)}"
    for name in _FILES:
        store.write(f"{folder}/{name}", store.read(name))


def identity(photographs: Photographs) -> str:
    """Of the training photographs, their labels and their folds."""
    return f"{photographs.data_hash}-{photographs.folds_hash}"


def differences(
    before: Photographs, now: Photographs, copies: Iterable[str] = (), years: bool = False
) -> dict[str, str]:
    """What differs between two tables of training photographs, folds apart: kind -> in words.

    The kind `fewer` is of those that are gone. copies: whose pictures are compared, too; years: so
    are the ages in years.
    """
    old, new = (table.train.set_index("image_id") for table in (before, now))
    both = new.index.intersection(old.index)
    found = {
        "fewer": (len(old) - len(both), "fewer"),
        "more": (len(new) - len(both), "more"),
        "content": (_changed(old, new, both, "digest"), "with other content"),
        "label": (_relabelled(before, now, both), "with another label"),
        "group": (_changed(old, new, both, "group"), "in another group"),
    }
    for copy in copies:
        number = _changed(old, new, both, column("digest", copy))
        found[copy] = (number, f"with other content in the copy {copy}")
    if years:
        found["years"] = (_changed(old, new, both, "age_years"), "with another age in years")
    texts = {kind: f"{counted(n, 'photo')} {text}" for kind, (n, text) in found.items() if n}
    if before.codec.to_json() != now.codec.to_json():
        texts["classes"] = "other classes"
    return texts


def _changed(old: pd.DataFrame, new: pd.DataFrame, both: pd.Index, name: str) -> int:
    """How many of `both` have another value in a column; all, where one table lacks it."""
    if name not in old or name not in new:
        return len(both) if (name in old) != (name in new) else 0
    return int((old.loc[both, name].astype(str) != new.loc[both, name].astype(str)).sum())


def _relabelled(before: Photographs, now: Photographs, both: pd.Index) -> int:
    """By the names of classes: their numbers are others where there are other classes."""
    old, new = (_class_names(table).loc[both] for table in (before, now))
    return int((old != new).sum())


def _class_names(table: Photographs) -> pd.Series:
    classes = np.array([*table.codec.classes, "unknown"], dtype=object)
    names = classes[labels_of(table.train, table.codec)]
    return pd.Series(names, index=table.train["image_id"])
