"""Groups by the names of files: `person-12_left.jpg` and `person-12_right.jpg` are one group."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from members.data.listing import some
from members.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

NameRule = Literal["first_part", "all_but_last_part"]
# what divides the parts of a name; the group is what stands before it
_ENDS: dict[NameRule, re.Pattern[str]] = {
    "first_part": re.compile(r"([^_\- ]+)[_\- ]+[^_\- ].*"),
    "all_but_last_part": re.compile(r"(.*[^_\- ])[_\- ]+[^_\- ]+"),
}
RULES: tuple[NameRule, ...] = tuple(_ENDS)


def group_of_name(name: str, rule: NameRule) -> str | None:
    """The group that the file name at the end of a path names; None where it has one part only.

    Parts are divided by `_`, `-` and blanks: of `b/cell-7_left.jpg` the first is `cell`, and all but
    the last are `cell-7`.
    """
    found = _ENDS[rule].fullmatch(PurePosixPath(name).stem.strip("_- "))
    return found[1] if found else None


def groups_by_name(frame: pd.DataFrame, rule: NameRule) -> tuple[list[str], list[str]]:
    """The group of each row of the table of members/data/layouts.py, and notes.

    A photo whose name has no such part is a group of its own. Names in several classes that agree
    are one group, as one person may stand in both. Raises BadInput where the photos have groups
    already, or no two of them would share one.
    """
    ids: list[str] = frame["image_id"].tolist()
    if frame["group"].tolist() != ids:
        raise BadInput(
            f"data.groups: {rule}: the photos have groups already, by a column or by folders. Leave "
            "data.groups out, or take that column or those folders away."
        )
    found = [group_of_name(name, rule) for name in frame["path"]]
    counts = Counter(group for group in found if group is not None)
    if max(counts.values(), default=0) < 2:
        raise BadInput(
            f"data.groups: {rule}: no two photos have such a part of their names in common "
            f"({some(ids)}). Leave data.groups out."
        )
    notes = []
    if alone := [name for name, group in zip(ids, found, strict=True) if group is None]:
        notes.append(
            f"{len(alone)} photos have names of one part, so each is a group of its own: {some(alone)}"
        )
    # a group is never called as the photo that is one by itself
    groups = [own if own is not None else name for own, name in zip(found, ids, strict=True)]
    return groups, notes


def examples(groups: Sequence[str], names: Sequence[str], count: int = 2) -> list[str]:
    """Of the first groups of several photos: `cell-7: cell-7_a.jpg, cell-7_b.jpg`."""
    members: dict[str, list[str]] = {}
    for group, name in zip(groups, names, strict=True):
        members.setdefault(group, []).append(PurePosixPath(name).name)
    several = [(group, own) for group, own in members.items() if len(own) > 1]
    return [f"{group}: {some(own)}" for group, own in several[:count]]
