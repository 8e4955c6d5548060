"""What a unit's networks predict: probability tables, submissions, and a picture of some."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from orchestrator.photographs.table import Photographs, codec_of, labels_of
from orchestrator.runs.store import Store
from orchestrator.spec.folds.choice import optimism
from orchestrator.units.unit import Unit

if TYPE_CHECKING:
    from members.batches.photos import Photos
    from members.data.codec import Codec

_log = logging.getLogger(__name__)
_SHOWN = 24  # photographs on the picture


@dataclass(frozen=True)
class PhotoPart:
    """Photographs to predict. frame: their rows; photos: their pixels and labels, in that order;
    fold: the one that held them out, None for test photographs."""

    frame: pd.DataFrame
    photos: Photos
    fold: int | None


def table_path(unit: Unit, kind: str, epoch: int | None = None) -> str:
    """Where a unit's `oof` or `test` table is: of the weights it kept, or of one of its epochs."""
    return f"{unit.path}/epochs/{epoch}-{kind}.parquet" if epoch else f"{unit.path}/{kind}.parquet"


def views_path(unit: Unit, kind: str, views: Sequence[str]) -> str:
    """Where a unit's `oof` or `test` table of some views is, until some are chosen."""
    return f"{unit.path}/views/{'+'.join(views)}-{kind}.parquet"


def tables_of(unit: Unit, kind: str, epoch: int | None = None) -> dict[str, tuple[str, ...]]:
    """The tables that a unit writes of a kind: path -> the views that each is the mean of."""
    recipe = unit.member.recipe
    if recipe.choose_views:
        return {views_path(unit, kind, views): views for views in recipe.choose_views}
    return {table_path(unit, kind, epoch): recipe.views}


def shown_table(unit: Unit, epoch: int | None) -> str:
    """The OOF table that figures and pictures of a unit are about: of the first views, where some
    will be chosen."""
    return next(iter(tables_of(unit, "oof", epoch)))


def weights_path(unit: Unit, epoch: int | None = None) -> str:
    return f"{unit.path}/epochs/{epoch}.safetensors" if epoch else f"{unit.path}/model.safetensors"


def write_table(
    unit: Unit,
    store: Store,
    photographs: Photographs,
    part: PhotoPart,
    probabilities: np.ndarray,
    path: str,
) -> None:
    """The table of the `probabilities` (N, K) of `part`, at `path` in the run folder."""
    from ensembles.files.parquet import write_table as write_parquet
    from ensembles.files.table import Table

    codec = codec_of(unit.member, photographs.codec)
    labels = labels_of(part.frame, codec)
    meta = table_meta(photographs, unit.member.name, codec)
    if part.fold is not None and unit.source is not None and unit.member.init_from:
        meta["optimistic"] = optimism(unit.member.init_from)
    table = Table(
        ids=part.frame["image_id"].to_numpy(str),
        probabilities=probabilities,
        fold=None if part.fold is None else np.full(len(labels), part.fold, np.int16),
        label=labels if (labels >= 0).all() else None,
        meta=meta,
    )
    write_parquet(store.uri(path), table)


def scores_by_target(unit: Unit, store: Store, epoch: int | None) -> dict[str, Any]:
    """Target -> macro_f1 and accuracy of its marginals, over the rows that were held out."""
    from ensembles.files.parquet import read_oof_table
    from ensembles.files.targets import target_indices
    from ensembles.scores import by_part

    oof = read_oof_table(store.uri(shown_table(unit, epoch)))
    targets = target_indices(oof.meta, len(oof.classes))
    return by_part.by_marginals(oof.label, oof.probabilities, targets)


def write_submissions(unit: Unit, store: Store, epoch: int) -> None:
    """The pair of one epoch, from its test table: `<n>-hard.csv` and `<n>-soft.csv`."""
    from ensembles.files.parquet import read_table
    from ensembles.files.soft_submission import write_soft_submission
    from ensembles.files.submission import write_submission

    table = read_table(store.uri(table_path(unit, "test", epoch)))
    predictions = np.array(table.answers)[table.probabilities.argmax(axis=1)]
    base = f"{unit.path}/epochs/{epoch}"
    write_submission(store.uri(f"{base}-hard.csv"), table.ids, predictions)
    write_soft_submission(store.uri(f"{base}-soft.csv"), table)


def try_picture(unit: Unit, store: Store, part: PhotoPart, epoch: int | None) -> None:
    """`write_picture`; where it fails, a warning: the unit is as good without."""
    try:
        write_picture(unit, store, part, epoch)
    except Exception:
        _log.warning("%s: no predictions.png", unit.title, exc_info=True)


def write_picture(unit: Unit, store: Store, part: PhotoPart, epoch: int | None) -> None:
    """`predictions.png`: some held-out photographs, with their classes, true and predicted."""
    from ensembles.files.parquet import read_oof_table
    from orchestrator.units.pictures import prediction_grid

    table = read_oof_table(store.uri(shown_table(unit, epoch)))
    rows = np.unique(np.linspace(0, len(table.ids) - 1, _SHOWN).astype(int))
    table = table.take(rows)
    picture = prediction_grid(
        part.photos.read(rows), table.label, table.probabilities, table.classes
    )
    store.write(f"{unit.path}/predictions.png", picture)


def table_meta(photographs: Photographs, name: str, codec: Codec) -> dict[str, Any]:
    """Metadata of the probability tables of member or join `name`."""
    classes = list(codec.classes)
    return {
        "member": name,
        "classes": classes,
        "targets": [[name, list(names)] for name, names in codec.targets.items()],
        # class numbers for a competition, names where the labels are the user's own
        "answers": classes
        if list(codec.targets) == ["label"]
        else list(map(str, range(len(classes)))),
        "data_hash": photographs.data_hash,
        "folds_hash": photographs.folds_hash,
    }
