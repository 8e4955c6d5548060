"""A folder of train, val and test is no folder of classes: recognised, with the spec for it."""

from __future__ import annotations

import re

from members.data.folder_contents import Contents
from members.data.listing import some

_PART_OF = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "eval", "evaluation"), "test"),
}
_BESIDE = {"set", "data", "dataset", "split", "image", "images", "img", "imgs", "photo", "photos",
           "picture", "pictures", "seg"}  # fmt: skip


def part_of(folder: str) -> str | None:
    """train, val or test where that is what the folder's name means: `Training_Set`, `valid`."""
    words = [
        word for word in re.split(r"[\W\d_]+", folder.casefold()) if word not in (_BESIDE | {""})
    ]
    return _PART_OF.get(words[0]) if len(words) == 1 else None


def parts_of(found: Contents) -> dict[str, str]:
    """train, val, test -> the folder of its class folders, of those that the folder holds instead of
    classes; empty where it holds no such parts.

    They are there where photos lie in a folder of training and in another part, and either in no
    folder besides, or the parts hold folders of the same names.
    """
    holding = [folder for folder in found.folders if found.below(folder)]
    parts = {part: f for f in reversed(holding) if (part := part_of(f))}
    if "train" not in parts or len(parts) < 2:
        return {}
    roots = {part: _class_root(folder, found) for part, folder in parts.items()}
    inner = {part: _folders_in(root, found) for part, root in roots.items()}
    others = [folder for folder in holding if not part_of(folder)]
    shared = inner["train"] & set().union(*(inner[part] for part in parts if part != "train"))
    return {} if others and len(shared) < 2 else roots


def split_problem(found: Contents) -> str | None:
    """The parts that the folder holds instead of classes, and the `data:` block for them."""
    roots = parts_of(found)
    if not roots:
        return None
    listed = some([found.root / roots[part] for part in ("train", "val", "test") if part in roots])
    if not has_classes(roots["train"], found):
        return (
            f"{found.root}: {listed} look like parts of one data set, but hold no class folders. "
            "Where a file has their labels, use the layout `table` (columns path and label). Where "
            "these folders are the classes, rename them, e.g. class_train."
        )
    return f"{found.root}: {listed} are parts of one data set, not classes. " + _block(found, roots)


def has_classes(folder: str, found: Contents) -> bool:
    """Whether at least two folders with photos lie in it."""
    return len(_folders_in(folder, found)) >= 2


def _block(found: Contents, roots: dict[str, str]) -> str:
    test = f"\n    test: {found.root / roots['test']}" if "test" in roots else ""
    text = (
        f"Write\n  data:\n    layout: folders\n    train: {found.root / roots['train']}{test}\n"
        "Folds are then made of the photos to train on."
    )
    if "val" in roots:
        text += (
            f" Those in {found.root / roots['val']} are not used: to train on them too, copy them "
            "into the class folders of train. To hold out exactly them, write a table photos.csv "
            "with the columns path, label and fold (0 for these, -1 for those of train) and\n"
            f"  data: {{layout: table, train: photos.csv, root: {found.root}}}\n"
            "  folds: {scheme: own}"
        )
    return text + "\nWhere these folders are the classes, rename them, e.g. class_train."


def _class_root(folder: str, found: Contents) -> str:
    """The folder itself, or where it only holds one other folder, that one's: train/train/<label>."""
    while len(below := _folders_in(folder, found)) == 1 and not _loose_in(folder, found):
        folder = f"{folder}/{min(below)}"
    return folder


def _folders_in(folder: str, found: Contents) -> set[str]:
    return {path.split("/")[0] for path in found.below(folder) if "/" in path}


def _loose_in(folder: str, found: Contents) -> bool:
    return any("/" not in path for path in found.below(folder))
