"""Photographs -> a table with one row a photograph, and the codec of its labels.

Columns: `image_id` str, unique; `path` str, absolute; `group` str, what must stay in one fold;
`label` int16, the joint class, -1 where unknown; and one int16 column a target. A data set with a
single label has the one target "label", and its column is `label` itself, not a second copy.
Profiles to train on also have `age_years` int16.

Three layouts:

- `profiles` (members/data/profiles.py): train.csv + images/<profile>/; info.csv + images/
- `table` (members/data/table_layout.py): a CSV, JSON lines or Parquet file with the columns path,
  label [, group] [, image_id]
- `folders` (members/data/folder_layout.py): root/<label>/<photo>; to predict, a folder of photos or
  a list of files
"""

from __future__ import annotations

import os
from pathlib import Path

from members.data import folder_layout, profiles, table_layout
from members.data.codec import Codec
from members.data.listing import TestData, TrainData
from members.data.lists.read import READERS
from members.data.table_layout import ListOptions
from members.errors import BadInput, nearest
from members.files import kind_of

LAYOUTS = ("profiles", "table", "folders")


def read_train(
    layout: str,
    train: str | os.PathLike,
    root: str | os.PathLike | None = None,
    options: ListOptions | None = None,
) -> TrainData:
    """Read the labelled photographs. `root`: what a table's paths are relative to; `options`: how
    it is read.

    Checks names and that files exist, never their pixels (members/reading/scan.py does).
    Raises BadInput with every problem found.
    """
    _require_layout(layout)
    if layout == "profiles":
        return profiles.read_train(train)
    if layout == "folders":
        return folder_layout.read_train(Path(train))
    return table_layout.read_train(Path(train), root, options)


def read_test(
    layout: str,
    test: str | os.PathLike,
    codec: Codec,
    root: str | os.PathLike | None = None,
    options: ListOptions | None = None,
) -> TestData:
    """Read the photographs to predict, in the order given; `label` is -1 where no truth is given.

    `folders` takes a folder of photos, a folder of class folders, or a list of files (text with
    one path a line, or a table). Raises BadInput with every problem found.
    """
    _require_layout(layout)
    test = Path(test)
    if layout == "profiles":
        return profiles.read_test(test, codec)
    if layout == "folders" and kind_of(test) == "folder":
        return folder_layout.read_folder(test, codec)
    if layout == "folders" and test.suffix.lower() not in READERS:
        return folder_layout.read_list(test, codec, root)
    return table_layout.read_test(test, codec, root, options)


def _require_layout(layout: str) -> None:
    if layout not in LAYOUTS:
        raise BadInput(
            f"layout: {layout!r}, but allowed are {', '.join(LAYOUTS)}.{nearest(layout, LAYOUTS)}"
        )
