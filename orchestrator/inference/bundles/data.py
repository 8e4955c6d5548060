"""What a run knows of the photographs that its members were trained on: figures, no photograph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ensembles.files import places
from members.data.codec import Codec
from orchestrator.inference.of_run import meta_of
from orchestrator.runs.store import Store
from orchestrator.spec.spec import Spec

IMAGES = "images.parquet"
_DRAWN = "sample.json"  # beside what `sample` drew
_ABOVE = 6  # folders between a photograph and that file, at most


def facts_of(spec: Spec, store: Store, codec: Codec) -> dict[str, Any]:
    """`photographs`, `groups`, `by_class` (class -> photographs), `folds` in words, `data_hash` and
    `folds_hash` as tables record them, and `drawn`: whether they are people drawn by `sample`, None
    where that cannot be told. Only what the run folder has.
    """
    scheme = spec.folds.scheme
    found: dict[str, Any] = {
        "folds": f"{spec.folds.k} folds, {scheme}" if scheme == "kfold" else scheme
    }
    if store.exists(IMAGES):
        table = places.read_parquet(store.uri(IMAGES), ["path", "group", "label"])
        labels = table["label"].to_numpy()
        counts = np.bincount(labels[labels >= 0], minlength=len(codec.classes))
        found |= {
            "photographs": table.num_rows,
            "groups": len(table["group"].unique()),
            "by_class": dict(zip(codec.classes, counts.tolist(), strict=True)),
            "drawn": _is_drawn(table["path"][0].as_py()) if table.num_rows else None,
        }
    for member in store.list("tables"):  # units of other photographs may stand beside theirs
        known = meta_of(member, store)
        if known.get("data_hash"):
            return found | {name: known.get(name) for name in ("data_hash", "folds_hash")}
    return found


def _is_drawn(path: str) -> bool | None:
    photo = Path(path)
    if "://" in path or not photo.exists():
        return None
    return any((above / _DRAWN).is_file() for above in photo.parents[:_ABOVE])
