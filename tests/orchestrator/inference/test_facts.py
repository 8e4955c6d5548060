"""What a bundle says of the photographs that its networks were trained on."""

from __future__ import annotations

import numpy as np

import ensembles
from members.data.codec import Codec
from orchestrator.inference.bundles.data import facts_of
from orchestrator.runs.store import Store
from orchestrator.spec.spec import Spec
from orchestrator.units.record import UnitRecord, write_record


def test_the_hash_is_that_of_the_photographs_of_the_tables_not_of_units_that_were_left(tmp_path):
    store = Store(tmp_path)
    meta = {"classes": ["cat", "dog"], "data_hash": "now", "folds_hash": "folds"}
    said, ids = np.full((2, 2), 0.5, np.float32), np.array(["a", "b"], object)
    table = ensembles.Table(ids, said, np.zeros(2, np.int16), np.zeros(2, np.int16), meta)
    ensembles.write_table(store.uri("tables/net/oof.parquet"), table)
    own = {"metrics": {}, "history": [{}], "data_hash": "before", "folds_hash": "others"}
    record = UnitRecord(fold=0, hash="0" * 16, best_epoch=1, test_hash="-", **own)
    write_record(f"units/net/{record.hash}/fold-0", record, store)
    spec = Spec(
        name="pets",
        data={"layout": "table", "train": "photos.csv"},
        members=[{"name": "net", "recipe": {"model": "test_resnet"}}],
    )
    found = facts_of(spec, store, Codec({"label": ("cat", "dog")}))
    assert (found["data_hash"], found["folds_hash"]) == ("now", "folds")
