"""The photographs of a run: as tables in its folder, and decoded for one unit."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from . import answers
from .store import Store
from .units import Photographs, Unit, codec_of, column, in_fold, labels_of

if TYPE_CHECKING:
    from members.photos import Photos


def write_photographs(photographs: Photographs, store: Store) -> None:
    """`images.parquet` and, where there is a test part, `test.parquet`."""
    for name, frame in (("images", photographs.train), ("test", photographs.test)):
        if frame is not None:
            frame.attrs = {}
            content = io.BytesIO()
            frame.to_parquet(content, index=False)
            store.write(f"{name}.parquet", content.getvalue())
    store.write("targets.json", photographs.codec.to_json())


def read_photographs(store: Store) -> Photographs:
    from members.table import Codec

    def frame(name: str) -> pd.DataFrame:
        return pd.read_parquet(io.BytesIO(store.read(f"{name}.parquet")))

    return Photographs(
        train=frame("images"),
        test=frame("test") if store.exists("test.parquet") else None,
        codec=Codec.from_json(store.read("targets.json").decode()),
    )


def photos_of(frame: pd.DataFrame, unit: Unit, config: dict, shared: dict, part: str) -> Photos:
    """Decoded photographs of the size that the unit's recipe wants, with the unit's labels."""
    from members import augment, images
    from members.columns import columns_of
    from members.photos import Photos

    recipe = unit.member.recipe
    codec = codec_of(unit.member, shared["photographs"].codec)
    crop = augment.crop_of(recipe)
    copy = unit.member.photos
    key = (part, recipe.image_size, crop, copy)
    if key not in shared:
        shared[key] = images.pixels(
            frame[column("path", copy)].tolist(),
            frame[column("digest", copy)].tolist(),
            size=tuple(recipe.image_size),
            crop=crop,
            folder=config["cache"],
        )
    labels = labels_of(frame, codec).astype(np.int64)
    columns = columns_of(frame, shared["photographs"].codec) if part == "train" else {}
    return Photos(shared[key], labels, columns=columns)


def asked_of(unit: Unit, config: dict, shared: dict) -> dict[str, answers.Asked]:
    """What the unit's networks are asked about: `oof`, where it holds anything out, and `test`."""
    photographs: Photographs = shared["photographs"]
    parts = {}
    _, rows = in_fold(photographs.train, unit.fold)
    if len(rows):
        photos = photos_of(photographs.train, unit, config, shared, "train").take(rows)
        parts["oof"] = answers.Asked(photographs.train.iloc[rows], photos, unit.fold)
    if photographs.test is not None:
        photos = photos_of(photographs.test, unit, config, shared, "test")
        parts["test"] = answers.Asked(photographs.test, photos, None)
    return parts
