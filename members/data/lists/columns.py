"""Which columns of a list are meant: those that are named, and what would fit where none is there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from members.data.listing import PHOTO_ENDINGS
from members.data.lists.read import ListFile

Label = str | tuple[str, ...]  # a column of classes, or one of 0 and 1 for each class
# other people's names, the likeliest first
PATHS = (
    "path", "filepath", "file_path", "image_path", "img_path", "filename", "file_name", "file",
    "image", "img", "image_name", "image_id", "imageid", "img_name", "id_code", "photo", "picture",
    "name", "id",
)  # fmt: skip
LABELS = (
    "label", "labels", "class", "class_name", "classname", "category", "target", "diagnosis",
    "breed", "species", "class_id", "label_id", "category_id", "dx", "ans", "y",
)  # fmt: skip
GROUPS = (
    "group", "group_id", "patient", "patient_id", "patientid", "subject", "subject_id", "person",
    "person_id", "lesion_id", "individual_id", "participant_id", "study_id", "site_id",
)  # fmt: skip
FOLDS = ("fold", "folds", "kfold", "fold_id", "cv_fold")
PARTS = ("split", "subset", "partition", "set")


@dataclass(frozen=True)
class Columns:
    """The columns of a list; `label` is None where the labels are not known."""

    path: str
    label: Label | None
    group: str | None
    image_id: str | None

    @property
    def names(self) -> set[str]:
        label = (self.label,) if isinstance(self.label, str) else self.label or ()
        return {name for name in (self.path, *label, self.group, self.image_id) if name}


def choose(
    listed: ListFile, given: Mapping[str, Label], *, labelled: bool
) -> tuple[Columns, list[str]]:
    """The columns by `given` (path, label, group, image_id -> names), else those so called.

    labelled: whether there must be labels; else all their columns may be missing, and a group's.
    The problems name what is not there, and the `columns:` that would fit.
    """
    path, label = given.get("path", "path"), given.get("label", "label")
    labels = label if isinstance(label, tuple) else (label,)
    needed = [] if path in listed.pictures else [path]
    needed += labels if labelled or {*labels} & {*listed.columns} else ()
    needed += [given[role] for role in ("image_id", "group")[: 1 + labelled] if role in given]
    fitting = suggestion(listed, labelled)
    hint = f" It looks as if this fits: {shown(fitting)}" if fitting else ""
    problems = listed.lacking([str(name) for name in needed], hint)
    there = {*listed.text_columns}
    columns = Columns(
        path=str(path),
        label=label if {*labels} <= there else None,
        group=_present(given.get("group", "group"), there),
        image_id=_present(given.get("image_id", "image_id"), there),
    )
    return columns, problems


def _present(name: Label, there: set[str]) -> str | None:
    return str(name) if name in there else None


def suggestion(listed: ListFile, labelled: bool) -> dict[str, Label]:
    """The `columns:` that would fit the names and the cells of a list; empty where none does."""
    path = _path(listed)
    label = _label(listed, path) if path else None
    if path is None or (label is None and labelled):
        return {}
    found: dict[str, Label] = {"path": path}
    if label:
        found["label"] = label
    return {role: name for role, name in found.items() if name != role}


def _path(listed: ListFile) -> str | None:
    if listed.pictures:
        return listed.pictures[0]
    by_content = [name for name in listed.text_columns if are_photos(listed, name)]
    if by_content:
        return min(by_content, key=lambda name: _rank(name, PATHS))
    by_name = [name for name in listed.text_columns if name.lower() in PATHS]
    return min(by_name, key=lambda name: _rank(name, PATHS), default=None)


def are_photos(listed: ListFile, name: str) -> bool:
    """Whether most cells of a column end as names of photos do."""
    cells = listed.frame[name].head(1000).tolist()
    return sum(cell.lower().endswith(PHOTO_ENDINGS) for cell in cells) > len(cells) / 2


def _label(listed: ListFile, path: str) -> Label | None:
    others = [name for name in listed.text_columns if name != path]
    named = [name for name in others if name.lower() in LABELS]
    if named:
        return min(named, key=lambda name: _rank(name, LABELS))
    if flags := one_hot(listed, others):
        return flags
    fitting = looking_like_labels(listed, others)
    return fitting[0] if len(fitting) == 1 else None


def one_hot(listed: ListFile, names: list[str]) -> tuple[str, ...]:
    """Columns of 0 and 1 of which almost every row has one 1."""
    flags = {name: [flag(cell) for cell in listed.frame[name]] for name in names}
    found = [name for name, cells in flags.items() if cells and None not in cells]
    if len(found) < 2:
        return ()
    sums = [sum(map(bool, row)) for row in zip(*(flags[name] for name in found), strict=True)]
    return tuple(found) if sums.count(1) >= 0.9 * len(sums) else ()


def flag(cell: str) -> bool | None:
    """A cell of 0 or 1; None where it is neither."""
    if cell.lower() in ("true", "false"):
        return cell.lower() == "true"
    try:
        return {0.0: False, 1.0: True}.get(float(cell))
    except ValueError:
        return None


def free_columns(listed: ListFile, columns: Columns) -> list[str]:
    """Columns without a part in anything, which may hold labels: no groups, folds, or the like."""
    usual = (*GROUPS, *FOLDS, *PARTS)
    return [n for n in listed.text_columns if n not in columns.names and n.lower() not in usual]


def looking_like_labels(listed: ListFile, names: list[str]) -> list[str]:
    """Those whose values repeat as classes do: at least two, each in two rows or more on average."""
    found = {name: listed.frame[name].nunique() for name in names}
    usual = (*GROUPS, *FOLDS, *PARTS)
    return [
        name
        for name, count in found.items()
        if 2 <= count <= len(listed.frame) / 2 and name.lower() not in usual
    ]


def _rank(name: str, names: tuple[str, ...]) -> int:
    return names.index(name.lower()) if name.lower() in names else len(names)


def shown(columns: Mapping[str, Label]) -> str:
    """`data: {columns: {path: file, label: [a, b]}}`, as it is written in a spec."""
    parts = []
    for role, name in columns.items():
        several = isinstance(name, tuple)
        parts.append(
            f"{role}: [{', '.join(map(_yaml, name))}]" if several else f"{role}: {_yaml(str(name))}"
        )
    return f"data: {{columns: {{{', '.join(parts)}}}}}"


def _yaml(name: str) -> str:
    words = name.lower() in ("y", "n", "yes", "no", "on", "off", "true", "false", "null")
    plain = name.replace("_", "").replace("-", "").isalnum() and name[0].isalpha()
    return name if plain and not words else json.dumps(name, ensure_ascii=False)


def unused_notes(listed: ListFile, columns: Columns, used: tuple[str, ...]) -> list[str]:
    """A note for each column that looks as if it mattered, and has no part in anything.

    used: columns that something else reads.
    """
    free = [name for name in listed.text_columns if name not in columns.names and name not in used]
    notes = []
    for name in free:
        repeats = listed.frame[name].nunique() < len(listed.frame)
        if name.lower() in FOLDS and not used:
            notes.append(
                f"{listed.file}: the column {name!r} is not used; for folds of your own: "
                f"folds: {{scheme: own, column: {_yaml(name)}}}"
            )
        if name.lower() in PARTS and listed.frame[name].nunique() > 1:
            values = ", ".join(sorted({*listed.frame[name]})[:4])
            notes.append(
                f"{listed.file}: the column {name!r} ({values}) is not used: every row is taken. "
                "Make a list of its own for each part."
            )
        if name.lower() in GROUPS and columns.group is None and repeats:
            notes.append(
                f"{listed.file}: the column {name!r} is not used, so photos of one "
                f"{name} may stand in several folds; to keep them together: "
                f"{shown({'group': name})}"
            )
    return notes
