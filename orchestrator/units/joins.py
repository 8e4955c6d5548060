"""Tables of members that predict different targets -> one table that predicts all of them."""

from __future__ import annotations

from ensembles.files.parquet import KINDS, read_table, write_table
from ensembles.files.table import Table
from members.data.codec import joint
from orchestrator.photographs.table import Photographs, codec_of, labels_of
from orchestrator.runs.store import Store
from orchestrator.spec.spec import Join, Spec
from orchestrator.units.assemble import finish, is_made
from orchestrator.units.predictions import table_meta


def assemble_join(join: Join, spec: Spec, photographs: Photographs, store: Store) -> bool:
    """Write `tables/<join>/` from its parts' tables, or remove it where a part is missing.

    True where the join is complete.
    """
    folder = f"tables/{join.name}"
    stamps = [f"tables/{name}/made_from.txt" for name in join.of]
    if not all(map(store.exists, stamps)):
        store.delete(folder)
        return False
    stamp = "\n".join(store.read(path).decode() for path in stamps)
    expected = [
        kind for kind in KINDS
        if all(store.exists(f"tables/{name}/{kind}.parquet") for name in join.of)
    ]  # fmt: skip
    if is_made(folder, stamp, expected, store):
        return True
    codecs = {name: codec_of(spec.member(name), photographs.codec) for name in join.of}
    for kind, frame in (("oof", photographs.train), ("test", photographs.test)):
        paths = {name: f"tables/{name}/{kind}.parquet" for name in join.of}
        made = store.exists(f"{folder}/{kind}.parquet")  # `is_made` leaves no wrong ones
        if made or frame is None or not all(map(store.exists, paths.values())):
            continue
        parts = {name: read_table(store.uri(path)) for name, path in paths.items()}
        first = parts[join.of[0]]
        rows = frame.set_index("image_id").loc[first.ids]
        labels = labels_of(rows, photographs.codec)
        table = Table(
            ids=first.ids,
            probabilities=joint(
                {name: part.probabilities for name, part in parts.items()},
                codecs,
                photographs.codec,
            ),
            fold=first.fold,
            label=labels if (labels >= 0).all() else None,
            meta=table_meta(photographs, join.name, photographs.codec),
        )
        write_table(store.uri(f"{folder}/{kind}.parquet"), table)
    finish(folder, stamp, store)
    return True
