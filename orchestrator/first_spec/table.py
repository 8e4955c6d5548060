"""Which columns of a list are meant, and where its photographs lie. What is not clear is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from members.data.listing import PHOTO_ENDINGS, some
from members.data.lists.columns import (
    FOLDS,
    GROUPS,
    LABELS,
    PARTS,
    PATHS,
    Label,
    are_photos,
    looking_like_labels,
    one_hot,
)
from members.data.lists.lookup import REPAIRS, Lookup
from members.data.lists.read import ListFile, read_list
from members.errors import BadInput, nearest

_LOOKED_FOR = 200  # photos of a list, evenly spread: where those lie, the others do


def looks_labelled(file: Path) -> bool:
    """Whether a file lists photographs and something that may be their labels."""
    try:
        listed = read_list(file)
    except BadInput:
        return False
    images = _images(listed)
    return bool(images) and bool(_labels(listed, images))


def choose_columns(
    listed: ListFile, asked: Mapping[str, Sequence[str]]
) -> tuple[dict[str, Label], list[str]]:
    """`columns:` of a spec (names that are the default are left out), and why, a sentence each.

    asked: image, label, group -> columns that were named. Raises BadInput with every mistake, among
    them each role for which several columns fit.
    """
    problems = _unknown(listed, asked)
    if problems:
        raise BadInput(problems)
    why: list[str] = []
    image = _one(listed, "image", asked, _images(listed), why, problems)
    label = _label(listed, asked, image, why, problems)
    group = _group(listed, asked, [image, label], why, problems)
    if problems:
        raise BadInput(problems)
    found: dict[str, Label | None] = {"path": image, "label": label, "group": group}
    return {role: name for role, name in found.items() if name and name != role}, why


def find_photos(
    listed: ListFile, columns: Mapping[str, Label]
) -> tuple[Path | None, tuple[str, ...], list[str]]:
    """`root:` and `repair:` that find the photographs of a list, and why; the default where none does."""
    path = str(columns.get("path", "path"))
    if path in listed.pictures:
        return None, (), [f"the photographs are in the column {path!r} itself"]
    texts = listed.frame[path].tolist()
    texts = texts[:: max(1, len(texts) // _LOOKED_FOR)]
    own = listed.file.parent
    used, places = _found_by(listed.file, texts, own)
    if used is None or not used:
        return None, (), []
    if "folder" in used:
        roots = {_above(place, text) for place, text in zip(places, texts, strict=True)}
        if len(roots) == 1 and (root := roots.pop()) is not None:
            inside, _ = _found_by(listed.file, texts, root)
            if inside is not None:
                why = f"its paths are relative to {root}"
                return root, inside, [why, *_repaired(inside)]
    return None, used, _repaired(used)


def _found_by(
    file: Path, texts: Sequence[str], root: Path
) -> tuple[tuple[str, ...] | None, list[Path]]:
    """The repairs that it takes to find all of them below a folder; None: some are not there."""
    lookup = Lookup(REPAIRS)
    places, problems = lookup.find(file, texts, root)
    return (None if problems else tuple(own for own in REPAIRS if own in lookup.used)), places


def _above(place: Path, text: str) -> Path | None:
    """The folder from which `text` leads to `place`, its ending apart."""
    parts = Path(text).parts
    if len(parts) >= len(place.parts) or place.with_suffix("").parts[-len(parts) :] != (
        *parts[:-1],
        Path(text).stem if Path(text).suffix.lower() in PHOTO_ENDINGS else parts[-1],
    ):
        return None
    return Path(*place.parts[: -len(parts)])


def _repaired(repair: tuple[str, ...]) -> list[str]:
    return [f"its photographs are found {' and '.join(REPAIRS[own] for own in repair)}"] * bool(
        repair
    )


# -- one role after the other ----------------------------------------------------------------------


def _unknown(listed: ListFile, asked: Mapping[str, Sequence[str]]) -> list[str]:
    problems = [
        f"--{role} {name}: {listed.file} has no such column.{nearest(name, listed.columns)} Its columns "
        f"are {', '.join(listed.columns)}."
        for role, names in asked.items()
        for name in names
        if name not in listed.columns
    ]
    several = [role for role in ("image", "group") if len(asked.get(role, ())) > 1]
    problems += [f"--{role}: got {' '.join(asked[role])}. Give one column." for role in several]
    if not len(listed.frame):
        problems.append(f"{listed.file}: no rows below the header. Write one row a photo.")
    return problems


def _images(listed: ListFile) -> list[str]:
    """Columns that may be the photographs: pictures, or texts that lead to files."""
    if listed.pictures:
        return [*listed.pictures]
    names = [name for name in listed.text_columns if are_photos(listed, name)]
    names = names or [name for name in listed.text_columns if name.lower() in PATHS]
    if len(names) < 2:
        return names
    leading = [name for name in names if _leads_to_files(listed, name)]
    return leading or names


def _leads_to_files(listed: ListFile, name: str) -> bool:
    texts = listed.frame[name].tolist()
    texts = texts[:: max(1, len(texts) // 20)]
    return _found_by(listed.file, texts, listed.file.parent)[0] is not None


def _labels(listed: ListFile, taken: Sequence[str | None]) -> list[Label]:
    others = [name for name in listed.text_columns if name not in taken]
    named: list[Label] = [name for name in others if name.lower() in LABELS]
    if named:
        return named
    columns = one_hot(listed, [n for n in others if n.lower() not in (*GROUPS, *FOLDS, *PARTS)])
    return [columns] if columns else [*looking_like_labels(listed, others)]


def _one(
    listed: ListFile,
    role: str,
    asked: Mapping[str, Sequence[str]],
    fitting: Sequence[str],
    why: list[str],
    problems: list[str],
) -> str | None:
    if asked.get(role):
        return asked[role][0]
    if len(fitting) == 1:
        why.append(f"the column {fitting[0]!r} is taken for the {role}")
        return fitting[0]
    seen = f"several columns may be the {role}: {', '.join(fitting)}" if fitting else (
        f"no column looks like the {role}; the columns are {', '.join(listed.columns)}"
    )  # fmt: skip
    problems.append(f"{listed.file}: {seen}. Name it: --{role} COLUMN.")
    return None


def _label(
    listed: ListFile,
    asked: Mapping[str, Sequence[str]],
    image: str | None,
    why: list[str],
    problems: list[str],
) -> Label | None:
    if given := asked.get("label"):
        return tuple(given) if len(given) > 1 else given[0]
    fitting = _labels(listed, [image, *asked.get("group", ())])
    if len(fitting) > 1 and _same(listed, [str(own) for own in fitting]):
        fitting = [min(fitting, key=lambda own: _plainest(listed, str(own)))]
    if len(fitting) == 1 and isinstance(fitting[0], tuple):
        why.append(f"the columns {some(fitting[0])} of 0 and 1 are taken for the classes")
        return fitting[0]
    return _one(listed, "label", asked, [str(own) for own in fitting], why, problems)


def _same(listed: ListFile, names: list[str]) -> bool:
    """Whether the columns say the same in other words, as a class and its number do."""
    counts = {listed.frame[name].nunique() for name in names}
    return len(counts) == 1 and len(listed.frame[names].drop_duplicates()) == counts.pop()


def _plainest(listed: ListFile, name: str) -> tuple[bool, int]:
    """Words before numbers, then as the names of labels go."""
    numbers = all(cell.lstrip("-").replace(".", "", 1).isdecimal() for cell in listed.frame[name])
    return numbers, LABELS.index(name.lower()) if name.lower() in LABELS else len(LABELS)


def _group(
    listed: ListFile,
    asked: Mapping[str, Sequence[str]],
    taken: Sequence[Label | None],
    why: list[str],
    problems: list[str],
) -> str | None:
    """The column that keeps photos together; of several the one whose groups hold the others' whole."""
    if asked.get("group"):
        return asked["group"][0]
    used = {name for own in taken for name in ([own] if isinstance(own, str) else own or ())}
    fitting = [
        name
        for name in listed.text_columns
        if name.lower() in GROUPS
        and name not in used
        and 1 < listed.frame[name].nunique() < len(listed.frame)
    ]
    coarsest = [
        name
        for name in fitting
        if all((listed.frame.groupby(other)[name].nunique() <= 1).all() for other in fitting)
    ]
    if not fitting:
        return None
    return _one(listed, "group", asked, coarsest[:1] or fitting, why, problems)
