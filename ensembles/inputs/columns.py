"""Which column of a frame is which class, by the columns' names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from ensembles.errors import examples
from ensembles.files.class_columns import class_columns


def class_order(
    name: str, columns: Sequence[Hashable] | None, classes: Sequence[Any], readable: str | None
) -> tuple[np.ndarray | None, list[str]]:
    """(K,) places of the columns in the order of `classes`, None where they stand so; and what is
    wrong. columns: None for an array. As many columns as classes.

    readable: why columns without the classes' names cannot be given to classes by their place, or
    None where they can.
    """
    if columns is None:
        return None, [readable] if readable else []
    names, texts = [plain(c) for c in columns], [plain(c) for c in classes]
    if len(set(names)) < len(names):
        twice = sorted({n for n in names if names.count(n) > 1})
        return None, [f"{name}: columns that stand there twice: {examples(twice)}."]
    order, by_place = _by_name(names, texts), False
    if order is None:
        found, _ = class_columns(names, texts)
        if found and len(found.columns) == len(names):
            order = [names.index(column) for column in found.columns]
            by_place = not all(map(str.endswith, found.columns, texts))
    if order is None and isinstance(columns[0], int) and names == list(map(str, range(len(names)))):
        order, by_place = list(range(len(names))), True  # pandas' own names: none were given
    if order is None:
        return None, [_difference(name, names, texts)]
    if by_place and readable:
        return None, [readable]
    return (None if order == list(range(len(order))) else np.array(order)), []


def text_order_misleads(classes: Sequence[Any], categories: Sequence[Any] | None) -> str | None:
    """Why no array's columns can be given to these classes by place alone, or None.

    Sorted as text, '10' comes before '2': who made the columns may have sorted the numbers. Likewise
    an order of categories that is not the sorted one.
    """
    texts = [plain(c) for c in classes]
    of_text = isinstance(classes[0], str)
    what = ""
    if of_text and all(re.fullmatch(r"\d+", t) for t in texts):
        numbered = sorted(texts, key=int)
        if numbered != texts:
            what = (
                f"the labels are numbers as text, sorted {examples(texts)} or {examples(numbered)}"
            )
    if categories is not None and not what:
        used = [plain(c) for c in categories if plain(c) in set(texts)]
        if used != texts:
            what = (
                f"the categories of y are in the order {examples(used)}, sorted {examples(texts)}"
            )
    return (
        what
        and (
            f"{what}: columns without names may be in either order. Give frames whose columns are the "
            "classes' names, or numbers 0 to K-1 as labels."
        )
    ) or None


def plain(name: Any) -> str:
    """A class or column as text: 1.0 as `1`, composed, without blanks around it."""
    if isinstance(name, float | np.floating) and float(name).is_integer():
        name = int(name)
    return unicodedata.normalize("NFC", str(name).strip())


def _by_name(names: list[str], texts: list[str]) -> list[int] | None:
    at = {n: i for i, n in enumerate(names)}
    if set(at) == set(texts):
        return [at[t] for t in texts]
    # `p10` of a class 10: a number after the same letters everywhere
    found = [re.fullmatch(r"(\D*?)(\d+)", n) for n in names]
    if all(found) and all(re.fullmatch(r"\d+", t) for t in texts):
        numbers = {int(own[2]): i for i, own in enumerate(found) if own}
        if len({own[1] for own in found if own}) == 1 and set(numbers) == set(map(int, texts)):
            return [numbers[int(t)] for t in texts]
    return None


def _difference(name: str, names: list[str], texts: list[str]) -> str:
    missing = [t for t in texts if t not in names]
    extra = [n for n in names if n not in texts]
    return (
        f"{name}: its columns are not the classes: no column {examples(missing)}; no class "
        f"{examples(extra)}. Name the columns as the classes of y, or p0, p1, ... in their order."
    )
