"""The layout `folders`: root/<label>/<photo>; to predict, a folder of photos or a list of files.

Photos deeper than in a class folder belong to that class, too: root/<label>/<session>/<photo>.
"""

from __future__ import annotations

import os
from pathlib import Path

from members.data.classes import composed, known_labels, read_labels
from members.data.codec import Codec
from members.data.folder_contents import FORMATS, Contents, contents_of
from members.data.listing import (
    TestData,
    TrainData,
    photo_table,
    repeated_problems,
    require_folder,
    some,
)
from members.data.lists.lookup import Lookup
from members.data.lists.text import read_lines
from members.data.splits import split_problem
from members.errors import BadInput, NoPlace
from members.files import kind_of

FEWEST_SESSIONS = 5  # groups for the default number of folds


def read_train(root: Path) -> TrainData:
    """Photos in class folders. Raises BadInput."""
    require_folder(root, "root/<label>/<photo>")
    found = contents_of(root)
    if split := split_problem(found):
        raise BadInput([split, *found.problems()])
    ids = [path for path in found.photos if "/" in path]
    labels = read_labels(root, [path.split("/")[0] for path in ids], floats=False)
    problems = found.problems() + _folder_problems(found)
    if ids:
        problems += [text + _wrapper_hint(found, classes=True) for text in labels.problems]
    if problems:
        raise BadInput(problems) if ids else NoPlace(problems)
    groups, notes = _groups(root, ids)
    codec = Codec({"label": labels.names})
    frame = photo_table(codec, ids, [f"{root}/{i}" for i in ids], groups, {"label": labels.numbers})
    return TrainData(frame, codec, found.notes() + _loose_notes(found) + notes + labels.notes)


def read_folder(root: Path, codec: Codec) -> TestData:
    """Photos to predict, in a folder or in class folders below it. Raises BadInput."""
    found = contents_of(root)
    notes = found.notes()
    ids = found.loose()
    if ids:
        below = [folder for folder in found.folders if found.below(folder)]
        if below:
            count = len(found.photos) - len(ids)
            notes.append(
                f"{root}: {len(ids)} photos lie in the folder itself and are predicted; {count} in "
                f"{some(below)} are left out. To predict those too, list all in a file, one path "
                "a line."
            )
        labels = known_labels(root, [""] * len(ids), codec.classes)
    else:
        ids = found.photos
        labels = known_labels(root, [path.split("/")[0] for path in ids], codec.classes)
        notes += labels.notes
    problems = found.problems()
    problems += [
        f"{text} To predict, photos lie directly in the folder, or in folders named by class."
        f"{_wrapper_hint(found)} To predict those of other folders, list them in a file, one path "
        "a line."
        for text in labels.problems
    ]
    if not ids:
        problems.append(" ".join([f"{root}: no photos. {FORMATS}", *notes]))
    if problems:
        raise BadInput(problems)
    frame = photo_table(codec, ids, [f"{root}/{i}" for i in ids], ids, codec.decode(labels.numbers))
    return TestData(frame, notes)


def read_list(file: Path, codec: Codec, root: str | os.PathLike | None) -> TestData:
    """Photos to predict, from a text with one path a line. Raises BadInput."""
    if kind_of(file) != "file":
        raise NoPlace(f"{file}: no such file or folder. Give a folder of photos or a file list.")
    names = read_lines(file)
    base = Path(root) if root is not None else file.parent
    lookup = Lookup()
    paths, problems = lookup.find(file, names, base)
    problems += repeated_problems(file, "path", names)
    if not names:
        problems.append(f"{file}: the list is empty. Write one path a line.")
    if problems:
        raise BadInput(problems)
    return TestData(photo_table(codec, names, paths, names), lookup.notes)


def _folder_problems(found: Contents) -> list[str]:
    """Class folders without photos, or without a name; no class folders at all."""
    root, problems = found.root, []
    empty = [folder for folder in found.folders if not found.below(folder)]
    if empty:
        text = (
            f"{root}: no photos in {some(empty)}. {FORMATS} Put photos there or remove the folder."
        )
        problems.append(" ".join([text, *found.notes()]))
    blank = [folder for folder in found.folders if not composed(folder)]
    if blank:
        problems.append(f"{root}: a class folder's name is blank ({some(blank)}). Give it a name.")
    if not found.folders:
        loose = f" {len(found.photos)} photos lie in {root} itself." if found.photos else ""
        text = f"{root}: no class folders. Expected {root}/<label>/<photo>.{loose}"
        problems.append(" ".join([text, *found.notes()]))
    return problems


def _loose_notes(found: Contents) -> list[str]:
    loose = found.loose()
    if not loose:
        return []
    return [
        f"{found.root}: {len(loose)} photos lie outside the class folders, left out: {some(loose)}"
    ]


def _groups(root: Path, ids: list[str]) -> tuple[list[str], list[str]]:
    """The group of each photo, and a note where photos lie deeper than in their class folder.

    Photos in class/session/ are taken to err together. A session of the same name in two classes is
    one group, as the same person may stand in both, unless too few groups for folds were left.
    """
    parts = [image_id.split("/") for image_id in ids]
    deeper = [part for part in parts if len(part) > 2]
    if not deeper:
        return ids, []
    names = sorted({part[1] for part in deeper})
    folders = {"/".join(part[:2]) for part in deeper}
    where = f"{root}: {len(deeper)} photos lie in folders below the class folders ({some(names)})"
    if len(names) >= FEWEST_SESSIONS:
        key, how = slice(1, 2), "all photos of one name are one group, whatever their class"
    elif len(folders) >= FEWEST_SESSIONS:
        key, how = slice(0, 2), "the photos of each of them are one group"
    else:
        return ids, [
            f"{where}, which are too few to be groups: each photo is a group of its own. Where "
            "the photos of a folder show the same thing or person, scores come out too good: "
            "write a table with the columns path, label and group."
        ]
    groups = [
        "/".join(part[key]) if len(part) > 2 else image_id
        for image_id, part in zip(ids, parts, strict=True)
    ]
    return groups, [
        f"{where}: {how}, which no fold divides. For other groups write a table with the columns "
        "path, label and group."
    ]


def _wrapper_hint(found: Contents, classes: bool = False) -> str:
    """Where all photos lie in one folder: that one may be meant."""
    tops = {path.split("/")[0] for path in found.photos}
    inner = {path.split("/")[1] for path in found.photos if path.count("/") > 1}
    if len(tops) != 1 or len(inner) == 1 or (classes and not inner):
        return ""
    what = f"folders {some(sorted(inner))}" if inner else "photos"
    return f" Where its {what} are meant, give {found.root / min(tops)}."
