"""What a run knows of the photographs that its members were trained on: figures, no photograph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ensembles.files import places
from members.data.codec import Codec
from orchestrator.runs.store import Store
from orchestrator.spec.spec import Spec
from orchestrator.units.record import find_record

IMAGES = "images.parquet"
_DRAWN = "sample.json"  # beside what `sample` drew
_ABOVE = 6  # folders between a photograph and that file, at most


def facts_of(spec: Spec, store: Store, codec: Codec) -> dict[str, Any]:
    """`photographs`, `groups`, `by_class` (class -> photographs), `folds` in words, `data_hash` and
    `folds_hash` as units record them, and `drawn`: whether they are people drawn by `sample`, None
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
    for member in store.list("units"):
        for own in store.list(f"units/{member}"):
            for fold in store.list(f"units/{member}/{own}"):
                record = find_record(f"units/{member}/{own}/{fold}", store)
                if record and record.data_hash:
                    hashes = {"data_hash": record.data_hash, "folds_hash": record.folds_hash}
                    return found | hashes
    return found


def _is_drawn(path: str) -> bool | None:
    photo = Path(path)
    if "://" in path or not photo.exists():
        return None
    return any((above / _DRAWN).is_file() for above in photo.parents[:_ABOVE])
