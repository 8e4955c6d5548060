"""The tables of photographs in a run's folder."""

from __future__ import annotations

import io

import pandas as pd

from ensembles.files import places
from orchestrator.photographs.reading import write_reading
from orchestrator.photographs.table import Photographs
from orchestrator.runs.damage import read_recorded, write_recorded
from orchestrator.runs.store import Store


def write_photographs(photographs: Photographs, store: Store) -> None:
    """`images.parquet`, `test.parquet` where there is a test part, `targets.json`, `reading.json`."""
    for name, frame in (("images", photographs.train), ("test", photographs.test)):
        if frame is not None:
            frame.attrs = {}
            content = io.BytesIO()
            frame.to_parquet(content, index=False, write_page_checksum=True)
            write_recorded(f"{name}.parquet", content.getvalue(), store)
    write_recorded("targets.json", photographs.codec.to_json(), store)
    write_reading(photographs.reading, store)


def read_photographs(store: Store) -> Photographs:
    """What `write_photographs` wrote. Raises BadInput where a file is damaged."""
    from members.data.codec import Codec

    def frame(name: str) -> pd.DataFrame:
        return pd.read_parquet(places.in_arrow(read_recorded(f"{name}.parquet", store)))

    return Photographs(
        train=frame("images"),
        test=frame("test") if store.exists("test.parquet") else None,
        codec=Codec.from_json(read_recorded("targets.json", store).decode()),
    )
