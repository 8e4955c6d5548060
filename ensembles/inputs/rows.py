"""One order of rows for frames that have an index, and those refused that have another or none.

Where all that have an index have the same, rows stand as they are, arrays beside them. Otherwise
those whose labels agree as sets are brought into one order: that of y's index; without one the order
that more than half of the members share. pandas' own 0, 1, ... counts as labels where the others
are these numbers, too, else as no index.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping

import numpy as np

from ensembles.errors import examples
from ensembles.inputs.frames import Given

Order = np.ndarray | None


def row_orders(
    members: Mapping[str, Given], others: Mapping[str, Given], y: Given | None
) -> tuple[dict[str, Order], list[str]]:
    """For each of members and others (by what messages call it) the rows (N,) in the order of the
    reference, None where they stand as they are; and what is wrong. All have the same length.

    y: None where rows are to be predicted: their reference is the first member with an index.
    """
    every = {**members, **others}
    orders: dict[str, Order] = dict.fromkeys(every)
    if y is not None:
        every = {"y": y, **every}
    indexed = {name: own for name, own in every.items() if own.index is not None}
    if len(indexed) < 2 or _all_same(indexed):
        return orders, []
    named = {name: own for name, own in indexed.items() if not own.numbered}
    positions = set(range(len(next(iter(every.values())))))
    if _all_same(named) and set(next(iter(named.values())).index) != positions:
        return orders, []  # one order of labels, and numbers that are none
    if not all(set(own.index) == positions for own in named.values()):
        indexed = named
    reference, problem = _reference(indexed, members, y)
    if reference is None:
        return orders, [problem]
    problems = []
    row_of: dict[Hashable, int] = {label: row for row, label in enumerate(indexed[reference].index)}
    for name, own in indexed.items():
        if own.same_index(indexed[reference]):
            continue
        if found := _differences(name, own, reference, indexed[reference]):
            problems += found
        else:
            orders[name] = np.argsort([row_of[label] for label in own.index])
    without = [name for name in orders if name not in indexed]
    if without and not problems:
        problems.append(
            f"{', '.join(without)}: no index, but the rows of the others stand in different orders, "
            "so nothing tells which rows these are. Give frames with the same index, or all in one "
            "order."
        )
    return orders, problems


def _all_same(indexed: Mapping[str, Given]) -> bool:
    first = next(iter(indexed.values()))
    return all(own.same_index(first) for own in indexed.values())


def _reference(
    indexed: Mapping[str, Given], members: Mapping[str, Given], y: Given | None
) -> tuple[str | None, str]:
    if "y" in indexed and y is not None:
        return "y", ""
    of = [name for name in indexed if name in members] or list(indexed)
    if y is None:
        return of[0], ""
    shares = [(sum(indexed[n].same_index(indexed[m]) for m in of), n) for n in of]
    most, name = max(shares, key=lambda pair: pair[0])
    if 2 * most > len(of):
        return name, ""
    return None, (
        f"the rows of {examples(of)} stand in different orders, and y has no index that tells which "
        "is its own. Give y as a series with that index."
    )


def _differences(name: str, own: Given, reference: str, first: Given) -> list[str]:
    for whose, one in ((name, own), (reference, first)):
        labels = list(one.index)
        if len(set(labels)) < len(labels):
            twice = [label for label, count in Counter(labels).items() if count > 1]
            return [
                f"{whose}: labels that stand twice in its index: {examples(twice)}. Rows in another "
                f"order than {reference if whose == name else name}'s cannot be told apart so."
            ]
    there, here = set(first.index), set(own.index)
    problems = []
    if missing := [label for label in first.index if label not in here]:
        problems.append(
            f"{name}: {len(missing)} labels of {reference}'s index are missing: {examples(missing)}."
        )
    if extra := [label for label in own.index if label not in there]:
        problems.append(
            f"{name}: {len(extra)} labels of its index are not in {reference}'s: {examples(extra)}. "
            "Give both the same index, or arrays in one order."
        )
    return problems
