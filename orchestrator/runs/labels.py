"""The labels that a run knows of the photographs to predict: those of the list it was given."""

from __future__ import annotations

from pathlib import Path

from ensembles.errors import reads
from ensembles.files import places
from ensembles.files.digests import require_right
from ensembles.judging.evaluate import Known
from orchestrator.runs.damage import read_recorded
from orchestrator.runs.store import Store


def known_labels(store: Store) -> Known | None:
    """Of `test.parquet`; None where the run has none, or no photograph there has a label.

    Raises BadInput where one of the files is damaged.
    """
    if not (store.exists("test.parquet") and store.exists("targets.json")):
        return None
    from members.data.codec import Codec

    labels = _read(store.uri("test.parquet"))
    if not labels:
        return None
    codec = Codec.from_json(read_recorded("targets.json", store).decode())
    return Known(labels, codec.classes, store.uri("test.parquet"))


@reads("the test.parquet of a run, which train-members makes again")
def _read(place: str) -> dict[str, int]:
    require_right(place)
    table = places.read_parquet(place)
    if not {"image_id", "label"} <= {*table.column_names}:
        return {}
    rows = zip(table["image_id"].to_pylist(), table["label"].to_pylist(), strict=True)
    return {str(i): int(label) for i, label in rows if label is not None and label >= 0}


def run_around(file: str) -> Store | None:
    """The run that a file lies in: `<run>/votes/<vote>/...`, `<run>/tables/<member>/...`."""
    if "://" in file:
        return None
    for folder in list(Path(file).absolute().parents)[:5]:
        if (folder / "spec.yaml").is_file() and (folder / "targets.json").is_file():
            return Store(folder)
    return None
