"""Labels that were reviewed, of tables and class folders: a CSV by image id, applied before folds are made.

    image_id,label,was
    cats/0001.jpg,dog,cat
    dogs/0007.jpg,cat,

`image_id` is that of the photo in the run's tables: what the list says, or the path below the
folder. `was` may be left out, or empty: where it is given, a photo whose label is another by now
refuses the file, which was written about other labels. (Layout profiles: corrections.py.)
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from members.data.codec import Codec
from members.data.lists.read import read_file
from members.errors import BadInput, nearest

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("image_id", "label", "was")


def correct_labels(
    frame: pd.DataFrame, codec: Codec, file: str | os.PathLike
) -> tuple[pd.DataFrame, list[str]]:
    """The table of members/data/layouts.py with corrected labels, and a note on what changed.

    codec: of one target. The frame that was given stays as it is. Raises BadInput with every row that
    names an unknown photo or label, contradicts another one, or was written about another label.
    """
    file = Path(file)
    rows = read_file(file, required=COLUMNS[:2])
    if unknown := [name for name in rows.columns if name not in COLUMNS]:
        raise BadInput(
            f"{file}: the column {unknown[0]!r} is unknown.{nearest(unknown[0], COLUMNS)} "
            f"Allowed: {', '.join(COLUMNS)}."
        )
    (target,) = codec.targets
    names = list(codec.targets[target])
    numbers = {name: number for number, name in enumerate(names)}
    place = {image_id: row for row, image_id in enumerate(frame["image_id"])}
    values = frame[target].to_numpy().copy()
    first: dict[str, tuple[int, str]] = {}
    problems = []
    for line, row in enumerate(rows.to_dict("records"), start=2):
        image_id, label, was = (row.get(name, "").strip() for name in COLUMNS)
        why = ""
        before = first.setdefault(image_id, (line, label))
        if image_id not in place:
            why = f"no photo to train on has the id {image_id!r}.{nearest(image_id, place)}"
        elif label not in numbers:
            why = (
                f"unknown label {label!r}.{nearest(label, names)} Allowed: {', '.join(names)}."
                if label
                else "no label. Write the right one, or take the row out."
            )
        elif before[1] != label:
            why = f"another label than in line {before[0]} for the same photo. Keep one of them."
        elif was and was != names[now := int(frame[target].iloc[place[image_id]])]:
            why = (
                f"{image_id!r} is {names[now]!r}, not {was!r} as the row says: it was written about "
                "other labels. Take the row out, or correct it."
            )
        if why:
            problems.append(f"{file}, line {line}: {why}")
        else:
            values[place[image_id]] = numbers[label]
    if problems:
        raise BadInput(problems)
    frame = frame.copy()
    changed = int((values != frame[target].to_numpy()).sum())
    frame[target] = values
    frame["label"] = codec.encode({target: values})
    return frame, [f"{file}: {changed} photos have other labels than the data say."]
