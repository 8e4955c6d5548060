"""How photographs are laid out, and why that is believed: profiles, class folders, or a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from members.data.folder_contents import FORMATS, Contents, contents_of
from members.data.listing import some
from members.data.lists.columns import Label
from members.data.lists.read import OTHER_ENDINGS, READERS, read_list
from members.data.profiles import NAME
from members.data.splits import has_classes, part_of, parts_of
from members.errors import BadInput, NoPlace
from members.files import kind_of
from orchestrator.first_spec.table import choose_columns, find_photos, looks_labelled

Kind = Literal["profiles", "folders", "table"]


@dataclass(frozen=True)
class Asked:
    """What the options say of the photographs; without a value it is guessed.

    columns: image, label, group -> the names of columns that were given, one or several.
    """

    test: Path | None = None
    layout: Kind | None = None
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """The `data:` block, apart from groups by name. why: what was seen, a sentence each."""

    kind: Kind
    train: Path
    test: Path | None = None
    root: Path | None = None
    columns: Mapping[str, Label] = field(default_factory=dict)
    repair: tuple[str, ...] = ()
    why: tuple[str, ...] = ()

    def block(self) -> dict[str, Any]:
        """The keys of `data:` that differ from their defaults."""
        found: dict[str, Any] = {"layout": self.kind, "train": str(self.train)}
        if self.test is not None:
            found["test"] = str(self.test)
        if self.root is not None:
            found["root"] = str(self.root)
        if self.columns:
            found["columns"] = {
                role: list(name) if isinstance(name, tuple) else name
                for role, name in self.columns.items()
            }
        if self.repair:
            found["repair"] = list(self.repair)
        return found


def find_layout(photos: Path, asked: Asked) -> Layout:
    """Look at names and at headers of lists, at no picture. Raises BadInput with what was seen."""
    kind = kind_of(photos)
    if kind not in ("file", "folder"):
        what = "is a pipe, socket or device" if kind == "other" else "no such file or folder"
        raise NoPlace(f"PHOTOS {photos}: {what}. Give a folder of photographs, or a list of them.")
    if kind == "file":
        return _of_list(photos, asked, [f"{photos} is a list of photographs"])
    profiles = _profiles(photos)
    if asked.layout == "profiles" or (profiles and asked.layout is None):
        return _of_profiles(photos, profiles, asked)
    found = contents_of(photos)
    if asked.layout == "folders":
        return _of_folders(found, asked)
    train_lists, test_lists = _lists(photos)
    if asked.layout == "table" or (train_lists and not _holds_classes(found)):
        return _of_list_in(photos, train_lists, test_lists, asked)
    if train_lists:
        raise BadInput(
            f"PHOTOS {photos}: holds class folders ({some(found.folders)}) and a list with labels "
            f"({some([own.name for own in train_lists])}). Say which one counts: --layout folders or "
            "--layout table."
        )
    return _of_folders(found, asked)


# -- profiles ------------------------------------------------------------------------------------


def _profiles(photos: Path) -> Path | None:
    """The folder with train.csv and images/ whose profiles are named as the layout wants them."""
    for folder in (photos, photos / "train"):
        listed, images = folder / "train.csv", folder / "images"
        if not (listed.is_file() and images.is_dir()):
            continue
        try:
            frame = read_list(listed).frame
        except BadInput:
            continue
        if {"id", "path"} <= {*frame.columns} and len(frame):
            named = [NAME.fullmatch(path.rstrip("/")) is not None for path in frame["path"]]
            if sum(named) > len(named) / 2:
                return folder
    return None


def _of_profiles(photos: Path, train: Path | None, asked: Asked) -> Layout:
    _refuse_columns(asked, "profiles")
    if train is None:
        raise BadInput(
            f"--layout profiles: {photos} has no train.csv with the columns id and path, and images/ "
            "with folders <id>_<gender>_<race>_<age>, nor has its folder train/. Leave --layout out "
            "to have the layout guessed."
        )
    why = [f"train.csv lists folders <id>_<gender>_<race>_<age> in {train / 'images'}"]
    test = asked.test
    beside = (train.parent if train != photos else photos.parent) / "eval"
    if test is None and (beside / "info.csv").is_file():
        test = beside
        why.append(f"{beside / 'info.csv'} lists photographs to predict")
    return Layout("profiles", train, test, why=tuple(why))


# -- class folders -------------------------------------------------------------------------------


def _holds_classes(found: Contents) -> bool:
    if parts := parts_of(found):
        return has_classes(parts["train"], found)
    return sum(bool(found.below(folder)) for folder in found.folders) >= 2


def _of_folders(found: Contents, asked: Asked) -> Layout:
    _refuse_columns(asked, "folders")
    root, parts = found.root, parts_of(found)
    if parts and has_classes(parts["train"], found):
        return _of_parts(found, parts, asked)
    holding = [folder for folder in found.folders if found.below(folder)]
    if len(holding) < 2 and asked.layout != "folders":
        raise BadInput([_nothing_fits(found, holding), *found.problems()])
    why = f"{len(holding)} folders with photographs, each taken for a class: {some(holding)}"
    return Layout("folders", root, asked.test, why=(why,))


def _of_parts(found: Contents, parts: Mapping[str, str], asked: Asked) -> Layout:
    """train/, val/, test/ with class folders. What has labels and is not trained on is predicted, so
    that votes are scored on it."""
    train = found.root / parts["train"]
    why = [f"{some([found.root / own for own in parts.values()])} are parts of one data set"]
    test, other = asked.test, next((own for own in ("test", "val") if own in parts), None)
    if test is None and other:
        test = found.root / parts[other]
        why.append(f"{test} is predicted, and scored where it has labels")
    unused = [found.root / parts[own] for own in ("val", "test") if own in parts]
    unused = [own for own in unused if own != test]
    if unused:
        why.append(f"{some(unused)} is not used: folds are made of {train}")
    return Layout("folders", train, test, why=tuple(why))


def _nothing_fits(found: Contents, holding: list[str]) -> str:
    loose, other = len(found.loose()), len(found.photos) - len(found.loose())
    seen = f"{loose} photos in the folder itself, {other} in folders below it"
    if holding:
        seen += f" ({some(holding)})"
    files = sorted(own.name for own in found.root.iterdir() if own.is_file())
    lists = [name for name in files if Path(name).suffix.lower() in (*READERS, *OTHER_ENDINGS)]
    seen += f"; lists: {some(lists) if lists else 'none'}"
    hint = ""
    if len(holding) == 1:
        hint = f" Where the folders in it are the classes, give {found.root / holding[0]}."
    return " ".join(
        [
            f"PHOTOS {found.root}: the layout is none that is known. Seen: {seen}. Allowed: a folder "
            "for each class, two or more (PHOTOS/<class>/<photo>, also inside train/ and test/); a CSV, "
            f"JSON-lines or Parquet list with labels; or the layout profiles.{hint} {FORMATS}",
            *found.notes(),
        ]
    )


# -- lists ---------------------------------------------------------------------------------------


def _lists(photos: Path) -> tuple[list[Path], list[Path]]:
    """Lists in the folder itself: with labels to train on, and of photographs to predict."""
    files = sorted(own for own in photos.iterdir() if own.suffix.lower() in READERS)
    files = [own for own in files if "submission" not in own.stem.lower() and own.is_file()]
    train, test = [], []
    for file in files:
        part = part_of(file.stem)
        if part == "test":
            test.append(file)
        elif looks_labelled(file):
            train.append(file)
    named = [own for own in train if part_of(own.stem) == "train"]
    return (named if len(named) == 1 else train), test


def _of_list_in(photos: Path, train: list[Path], test: list[Path], asked: Asked) -> Layout:
    if len(train) != 1:
        seen = some([own.name for own in train]) if train else "none"
        raise BadInput(
            f"PHOTOS {photos}: lists with labels in it: {seen}. Give the one to train on in place of "
            f"the folder, e.g. {train[0] if train else photos / 'photos.csv'}."
        )
    why = [f"{train[0]} lists photographs with labels"]
    if asked.test is None and len(test) == 1:
        asked = Asked(test[0], asked.layout, asked.columns)
        why.append(f"{test[0]} lists photographs to predict")
    return _of_list(train[0], asked, why)


def _of_list(file: Path, asked: Asked, why: Sequence[str]) -> Layout:
    if asked.layout not in (None, "table"):
        raise BadInput(
            f"--layout {asked.layout}: {file} is a file. Give a folder, or leave it out."
        )
    listed = read_list(file)
    columns, of_columns = choose_columns(listed, asked.columns)
    root, repair, of_photos = find_photos(listed, columns)
    return Layout("table", file, asked.test, root, columns, repair, (*why, *of_columns, *of_photos))


def _refuse_columns(asked: Asked, layout: str) -> None:
    if asked.columns:
        flags = " and ".join(f"--{role}" for role in asked.columns)
        raise BadInput(
            f"{flags}: names a column of a list, and the layout is {layout}. Leave it out, or give the "
            "list in place of PHOTOS."
        )
