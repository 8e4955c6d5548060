"""The labels of a list as texts: from one column, from a column a class, from numbers with names."""

from __future__ import annotations

from members.data.classes import composed
from members.data.listing import some
from members.data.lists.columns import Label, flag
from members.data.lists.read import ListFile

# what programs write where there is no value
NO_VALUE = frozenset(
    ("nan", "NaN", "NAN", "NA", "<NA>", "N/A", "n/a", "#N/A", "None", "null", "NULL", "NaT")
)


def texts(listed: ListFile, label: Label, *, needed: bool = True) -> tuple[list[str], list[str]]:
    """The label of each row as text, empty where it has none; and the problems found.

    needed: whether each row must have one.
    """
    if isinstance(label, tuple):
        return _one_hot(listed, label, needed)
    found = listed.frame[label].tolist()
    if label in listed.class_names:
        return _named(listed, label, found)
    problems = []
    broken = [listed.where(row) for row, text in enumerate(found) if "\n" in text or "\r" in text]
    if broken:
        problems.append(
            f"{listed.file}: {len(broken)} labels hold a line break ({some(broken)}). "
            "Is a quote opened there and never closed?"
        )
    void = [row for row, text in enumerate(found) if text in NO_VALUE]
    if void and needed:
        where = [f"{found[row]!r} in {listed.where(row)}" for row in void]
        problems.append(
            f"{listed.file}: {len(void)} labels are words for no value: {some(where)}. Write their "
            "labels or take the rows out; if it is a class, give it another name."
        )
    return ["" if text in NO_VALUE else text for text in found], problems


def order(listed: ListFile, label: Label, found: list[str]) -> tuple[str, ...]:
    """The classes in the order of their columns, or in that of the names which the file's metadata
    gives, of those only what is `found`; empty where neither gives any.
    """
    if isinstance(label, tuple):
        return tuple(map(composed, label))
    occurring = {*found}
    return tuple(composed(n) for n in listed.class_names.get(label, ()) if n in occurring)


def _named(listed: ListFile, label: str, found: list[str]) -> tuple[list[str], list[str]]:
    """Numbers of classes, -1 where unknown -> their names."""
    names = {str(number): name for number, name in enumerate(listed.class_names[label])}
    names |= {"": "", "-1": ""}
    wrong = sorted({text for text in found if text not in names})
    if wrong:
        return found, [
            f"{listed.file}: {label!r} holds {some(wrong)}, but the file's metadata names the classes "
            f"0 to {len(names) - 3}."
        ]
    return [names[text] for text in found], []


def _one_hot(listed: ListFile, names: tuple[str, ...], needed: bool) -> tuple[list[str], list[str]]:
    """The one column of `names` that is 1 in each row."""
    cells = [listed.frame[name].tolist() for name in names]
    void = [not any(row) for row in zip(*cells, strict=True)]
    flags = [[flag(cell) for cell in column] for column in cells]
    wrong = [
        f"{cells[at][row] or '(nothing)'} of {name!r} in {listed.where(row)}"
        for at, name in enumerate(names)
        for row, value in enumerate(flags[at])
        if value is None and (needed or not void[row])
    ]
    if wrong:
        return [""] * len(void), [
            f"{listed.file}: {len(wrong)} cells of the label columns are neither 0 nor 1: "
            f"{some(wrong)}. Each row has a 1 in the column of its class and 0 in the others."
        ]
    found, problems, counted = [], [], []
    for row in zip(*flags, strict=True):
        classes = [name for name, value in zip(names, row, strict=True) if value]
        counted.append(len(classes))
        found.append(classes[0] if len(classes) == 1 else "")
    for what, rows in (
        ("no label", [row for row, n in enumerate(counted) if n == 0 and not void[row]]),
        ("several labels", [row for row, n in enumerate(counted) if n > 1]),
    ):
        if rows:
            where = [
                listed.where(row)
                + (": " + " and ".join(n for n, f in zip(names, flags, strict=True) if f[row]))
                * (counted[row] > 1)
                for row in rows
            ]
            problems.append(
                f"{listed.file}: {len(rows)} rows have {what} ({some(where)}). Each row has a 1 in "
                f"exactly one of {', '.join(names)}; take the others out."
            )
    return found, problems
