"""Which columns of a file are class probabilities, and of which class each is.

Columns are numbered (`p0`, `p1`..`pK`, `c0`, `prob_0`, `class_0`, `0`, `probs[0]`) or named by their
classes (`cat`, `prob_cat`). Used for tables and for soft submissions.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

EXPECTED = (
    "p0, p1, ... without a gap, or c0, .., prob_0, .., class_0, .., 0, 1, .., or the names of the "
    "classes"
)
# What stands before a class's number or name, its separator left out, nearest to certain first.
_PREFIXES = (
    "p", "prob", "probs", "proba", "probability", "probabilities", "predict_proba", "c", "class",
    "cls", "pred", "y_pred", "y_prob", "y_proba", "softmax", "",
)  # fmt: skip
# Numbered beside them, probabilities are of the best few classes of each photograph (timm --topk).
_RANKED = ("index", "label", "class_name", "class_index")
# Columns that go with probabilities and are none themselves, in small letters.
OTHERS = frozenset({
    "id", "image_id", "imageid", "image", "img", "image_name", "filename", "file_name", "file", "path",
    "fold", "split", "group", "label", "labels", "target", "targets", "y", "y_true", "true", "truth",
    "class", "class_name", "prediction", "predictions", "pred", "y_pred", "ans", "answer", "confidence",
    "score", "max_prob", "index", "level_0", "row", "seed", "repeat", "weight", "loss", "entropy",
})  # fmt: skip


@dataclass(frozen=True)
class ClassColumns:
    """columns: in the order of the classes. classes: their names; None where columns are only
    numbered. first: the number of the first where they are.
    """

    columns: list[str]
    classes: list[str] | None = None
    first: int = 0


def class_columns(
    names: Iterable[str],
    classes: Sequence[str] | None = None,
    others: Collection[str] = (),
) -> tuple[ClassColumns | None, list[str]]:
    """The columns of class probabilities, or None with what is wrong.

    names: the header, or its numeric columns where types are known. classes: the classes' names,
    where they are known already; the columns are then theirs, in their order, or numbered. others:
    further columns of `names` that are none, beside OTHERS and unnamed ones. Numbered columns are
    ordered by their numbers, those named by classes as `names` has them.
    """
    names = list(names)
    if classes is not None and (found := _of_classes(names, classes)):
        return ClassColumns(found, list(classes)), []
    left = [n for n in names if n not in others and not _is_unnamed(n)]
    numbered = _numbered(left)
    whole = {prefix: own for prefix, own in numbered.items() if _is_whole(prefix, own)}
    if ranked := [own for prefix, own in numbered.items() if prefix in _RANKED and len(own) > 1]:
        return None, [
            f"{ranked[0][0][1]}, ... are the best few classes of each photograph, and the columns "
            f"beside them their probabilities. Write one column a class: {EXPECTED}."
        ]
    if "p" in whole:
        whole = {"p": whole["p"]}
    if len(whole) > 1:
        both = " and ".join(f"{own[0][1]}, ..." for own in whole.values())
        return None, [f"{both} could be class probabilities. Name those that are p0, p1, ..."]
    broken = [own for prefix, own in numbered.items() if prefix and len(own) > 1]
    if whole:
        ((prefix, own),) = whole.items()
        columns = [name for _, name in own]
        if classes is not None and len(classes) != len(columns):
            return None, [
                f"{len(columns)} columns {columns[0]}, ..., but there are {len(classes)} names of "
                "classes. Write one column a class."
            ]
        if classes is None and not prefix:
            classes = columns
        return ClassColumns(columns, None if classes is None else list(classes), own[0][0]), []
    if classes is not None or broken:
        return None, [_none_found([name for _, name in broken[0]] if broken else names)]
    named = [n for n in left if n.lower() not in OTHERS]
    if len(named) < 2:
        return None, [_none_found(names)]
    numbers = _numbers_in(named)
    if numbers:  # classes called 3, 5 and 7, or grade1, grade2 and grade10
        named = [name for _, name in sorted(zip(numbers, named, strict=True))]
    first = 1 if sorted(numbers) == list(range(1, len(named) + 1)) else 0
    return ClassColumns(named, _without_prefix(named), first), []


def _of_classes(names: list[str], classes: Sequence[str]) -> list[str] | None:
    """The columns that are called as the classes are, with one prefix for all or none."""
    by_name = {_plain(n): n for n in names}
    for prefix in ("", *(f"{p}{s}" for p in _PREFIXES if p for s in "_-. ")):
        if all(_plain(f"{prefix}{c}") in by_name for c in classes):
            return [by_name[_plain(f"{prefix}{c}")] for c in classes]
    return None


def _numbered(names: list[str]) -> dict[str, list[tuple[int, str]]]:
    """Known prefix -> (number, column) of its columns, by number."""
    families: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        # `prob0`, `prob_0`, `prob-0`, `prob.0`, `prob 0`, `prob[0]`
        found = re.fullmatch(r"([A-Za-z_]*?)[_\-. \[(]?(\d{1,6})[\])]?", name.strip())
        if found and found[1].lower() in (*_PREFIXES, *_RANKED):
            families.setdefault(found[1].lower(), []).append((int(found[2]), name))
    return {prefix: sorted(own) for prefix, own in families.items()}


def _numbers_in(names: list[str]) -> list[int]:
    """The one number in each, where they differ in nothing else; [] where they do."""
    found = [re.fullmatch(r"(\D*)(\d+)(\D*)", name) for name in names]
    matches = [own for own in found if own]
    around = {(own[1], own[3]) for own in matches}
    numbers = [int(own[2]) for own in matches]
    alike = len(around) == 1 and len(matches) == len(names) == len(set(numbers))
    return numbers if alike else []


def _is_whole(prefix: str, own: list[tuple[int, str]]) -> bool:
    """Numbers from 0 or 1 without a gap, each once; one column alone only as the contract's p0."""
    numbers = [number for number, _ in own]
    if len(numbers) == 1:
        return (prefix, own[0][1]) == ("p", "p0")
    return (
        prefix not in _RANKED
        and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        and numbers[0] in (0, 1)
    )


def _none_found(got: list[str]) -> str:
    listed = ", ".join(got[:12]) + (", ..." if got[12:] else "") or "none"
    return f"no columns of class probabilities among {listed}. Expected {EXPECTED}."


def _is_unnamed(name: str) -> bool:
    """The column of an index: `Unnamed: 0` of pandas, or without a name."""
    return re.fullmatch(r"\s*|Unnamed: \d+|__index_level_\d+__", name) is not None


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip())


def _without_prefix(names: list[str]) -> list[str]:
    """`cat`, `dog` of `prob_cat`, `prob_dog`."""
    for prefix in (f"{p}{s}" for p in _PREFIXES if p for s in "_-. "):
        if all(n.lower().startswith(prefix) and len(n) > len(prefix) for n in names):
            return [n[len(prefix) :].strip() for n in names]
    return [n.strip() for n in names]
