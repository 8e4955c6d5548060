"""The layout `table`: a list of photos with the columns path, label [, group] [, image_id]."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from members import limits
from members.data.classes import known_labels, read_labels
from members.data.codec import Codec
from members.data.listing import TestData, TrainData, photo_table, repeated_problems, some
from members.data.lists import labels
from members.data.lists.columns import Columns, Label, choose, free_columns, unused_notes
from members.data.lists.lookup import Lookup
from members.data.lists.pictures import write_out
from members.data.lists.read import ListFile, read_list
from members.errors import BadInput


@dataclass(frozen=True)
class ListOptions:
    """How lists are read.

    columns: their names of path, label (several: one of 0 and 1 for each class), group and image_id.
    lookup: what finds the photos, one for all lists. pictures: a folder for photos that are cells of
    a Parquet file. used: columns that something else reads.
    """

    columns: Mapping[str, Label] = field(default_factory=dict)
    lookup: Lookup = field(default_factory=Lookup)
    pictures: Path | None = None
    used: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Rows:
    """Ids, paths as written and as found, and groups; one each for every row."""

    ids: list[str]
    texts: list[str]
    paths: list[Path]
    groups: list[str]


def read_train(
    file: Path, root: str | os.PathLike | None, options: ListOptions | None = None
) -> TrainData:
    """A file with path and label; paths are relative to `root`, or to its folder. Raises BadInput."""
    options = options or ListOptions()
    listed = read_list(file)
    columns, problems = choose(listed, options.columns, labelled=True)
    if problems or columns.label is None:
        raise BadInput(problems)
    rows, problems = _rows(listed, columns, root, options)
    texts, wrong = labels.texts(listed, columns.label)
    problems += wrong + _repeated(listed, columns, rows, texts)
    empty = [listed.where(row) for row, text in enumerate(texts) if not text and not wrong]
    if empty:
        problems.append(
            f"{file}: {len(empty)} rows have no label ({some(empty)}). "
            "Write their labels or take the rows out."
        )
    order = labels.order(listed, columns.label, texts)
    others = {name: listed.frame[name].tolist() for name in free_columns(listed, columns)}
    read = read_labels(file, texts, others, classes=order)
    problems += [] if wrong else read.problems
    if problems:
        raise BadInput(problems)
    codec = Codec({"label": read.names})
    notes = read.notes + unused_notes(listed, columns, options.used)
    notes += _group_notes(listed, columns)
    frame = photo_table(codec, rows.ids, rows.paths, rows.groups, {"label": read.numbers})
    return TrainData(frame, codec, notes)


def read_test(
    file: Path,
    codec: Codec,
    root: str | os.PathLike | None,
    options: ListOptions | None = None,
) -> TestData:
    """A file with path, and label where known: the table of the photos. Raises BadInput."""
    options = options or ListOptions()
    listed = read_list(file)
    columns, problems = choose(listed, options.columns, labelled=False)
    if problems:
        raise BadInput(problems)
    rows, problems = _rows(listed, columns, root, options)
    texts = [""] * len(listed.frame)
    if columns.label is not None:
        texts, wrong = labels.texts(listed, columns.label, needed=False)
        problems += wrong
    read = known_labels(file, texts, codec.classes)
    problems += read.problems + _repeated(listed, columns, rows, texts)
    if problems:
        raise BadInput(problems)
    frame = photo_table(codec, rows.ids, rows.paths, rows.groups, codec.decode(read.numbers))
    return TestData(frame, read.notes)


def _rows(
    listed: ListFile, columns: Columns, root: str | os.PathLike | None, options: ListOptions
) -> tuple[_Rows, list[str]]:
    """The photos of a list with their defaults; and the problems found."""
    file, frame = listed.file, listed.frame
    base = Path(root) if root is not None else file.parent
    problems = []
    if not len(frame):
        problems.append(f"{file}: no rows below the header. Write one row a photo.")
    if columns.path not in listed.pictures:
        texts = frame[columns.path].tolist()
        paths, missing = options.lookup.find(file, texts, base, key=True)
        problems += missing
    elif options.pictures is None:
        raise BadInput(f"{file}: the photos are cells, and there is no folder to write them to.")
    else:
        texts, paths = write_out(file, columns.path, options.pictures)
    ids = frame[columns.image_id].tolist() if columns.image_id else texts
    ids = [given or text for given, text in zip(ids, texts, strict=True)]
    groups = frame[columns.group].tolist() if columns.group else ids
    groups = [
        image_id if group in ("", *labels.NO_VALUE) else group
        for group, image_id in zip(groups, ids, strict=True)
    ]
    for what, names in (("an id", ids), ("a group", groups)) if not problems else ():
        limits.NAME.require(f"{file}: {what}", max(map(len, names), default=0))
    return _Rows(ids, texts, paths, groups), problems


def _group_notes(listed: ListFile, columns: Columns) -> list[str]:
    """At most one note: rows without a group, where others have one."""
    if columns.group is None:
        return []
    groups = listed.frame[columns.group].tolist()
    void = [row for row, group in enumerate(groups) if group in ("", *labels.NO_VALUE)]
    if not void:
        return []
    return [
        f"{listed.file}: {len(void)} of {len(groups)} rows have no {columns.group} "
        f"({some([*map(listed.where, void)])}): each is a group of its own."
    ]


def _repeated(listed: ListFile, columns: Columns, rows: _Rows, texts: list[str]) -> list[str]:
    """Problems of photos that have several rows, and of ids that several photos have."""
    if columns.path in listed.pictures:
        return repeated_problems(listed.file, columns.image_id or columns.path, rows.ids)
    by_path: dict[str, list[int]] = defaultdict(list)
    for row, path in enumerate(rows.paths):
        if rows.texts[row]:
            by_path[_same_file(path)].append(row)
    again = [of_one for of_one in by_path.values() if len(of_one) > 1]
    alike = [of_one for of_one in again if len({texts[row] for row in of_one}) == 1]
    unlike = [of_one for of_one in again if of_one not in alike]
    problems = []
    if alike:
        shown = [
            f"{' = '.join(dict.fromkeys(rows.texts[row] for row in of_one))} in "
            f"{', '.join(map(listed.where, of_one[:3]))}"
            for of_one in alike
        ]
        with_label = " with the same label" if any(texts) else ""
        problems.append(
            f"{listed.file}: {len(alike)} photos occur more than once{with_label}: {some(shown)}. "
            "Leave one row of each."
        )
    if unlike:
        shown = [
            f"{rows.texts[of_one[0]]} is "
            + " and ".join(
                f"{texts[row] or '(nothing)'} in {listed.where(row)}" for row in of_one[:3]
            )
            for of_one in unlike
        ]
        problems.append(
            f"{listed.file}: {len(unlike)} photos occur more than once with different labels: "
            f"{some(shown)}. Leave the row that is right; a photo has one label."
        )
    if columns.image_id:
        first = [of_one[0] for of_one in by_path.values()]
        ids = [rows.ids[row] for row in first]
        problems += repeated_problems(listed.file, columns.image_id, ids)
    return problems


def _same_file(path: Path) -> str:
    """One text for all spellings of a path."""
    return os.path.normpath(path)
