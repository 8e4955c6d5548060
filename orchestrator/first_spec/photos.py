"""The photographs that a first spec is for: classes, groups, sizes of some, and how long they take."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from members.data.folds.assign import assign_folds
from members.data.layouts import read_test, read_train
from members.data.listing import TestData, TrainData, some
from members.data.lists.lookup import Lookup
from members.data.name_groups import examples, groups_by_name
from members.data.table_layout import ListOptions
from members.errors import BadInput
from members.reading.scan import scan
from orchestrator.errors import counted
from orchestrator.first_spec.groups import NameGroups, guess
from orchestrator.first_spec.layout import Layout
from orchestrator.photographs.cache import cache_folder

LOOKED_AT = 200  # photos whose sizes are read, spread evenly over all
SEED = 42


@dataclass(frozen=True)
class Sizes:
    """Of `looked_at` photos: median, least and most (height, width) by their short sides; seconds to
    read one, with as many at once as there are threads; and how many cannot be read."""

    looked_at: int
    median: tuple[int, int]
    least: tuple[int, int]
    most: tuple[int, int]
    seconds: float
    unreadable: int


@dataclass(frozen=True)
class Seen:
    """What was found. by_name: what names say of groups; used: whether the spec goes by it."""

    layout: Layout
    train: TrainData
    test: TestData | None
    sizes: Sizes
    by_name: NameGroups | None
    used: bool

    @property
    def n_train(self) -> int:
        return len(self.train.frame)

    @property
    def n_test(self) -> int:
        return 0 if self.test is None else len(self.test.frame)

    @property
    def n_classes(self) -> int:
        return len(self.train.codec.classes)

    @property
    def n_groups(self) -> int:
        return int(self.train.frame["group"].nunique())

    def counts(self) -> dict[str, int]:
        """Class -> photos, of all."""
        found = Counter(self.train.frame["label"].tolist())
        return {name: found.get(i, 0) for i, name in enumerate(self.train.codec.classes)}

    def allows(self, folds: dict[str, Any]) -> bool:
        """Whether the photographs can be put into these folds, `folds:` of a spec."""
        try:
            assign_folds(self.train.frame, seed=SEED, **folds)
        except BadInput:
            return False
        return True

    def lines(self) -> list[str]:
        """What was found, a sentence each."""
        counts, sizes = self.counts(), self.sizes
        few, many = min(counts.values()), max(counts.values())
        return [
            *self.layout.why,
            f"{counted(self.n_train, 'photo')} in {self.n_classes:,} classes, {few} to {many} each "
            f"({_listed(counts)})",
            f"{self.n_test} to predict" if self.test is not None else "none to predict",
            f"sizes of {sizes.looked_at} of them, height x width: mostly {_size(sizes.median)}, from "
            f"{_size(sizes.least)} to {_size(sizes.most)}",
            *self._group_lines(),
        ]

    def _group_lines(self) -> list[str]:
        frame = self.train.frame
        if self.n_groups < self.n_train:
            how = " by their file names" if self.used else ""
            shown = examples(frame["group"].tolist(), frame["path"].tolist())
            more = f" ({'; '.join(shown)})" if shown else ""
            lines = [f"{self.n_groups:,} groups{how}, which no fold divides{more}"]
        else:
            lines = ["each photo is a group of its own"]
        if self.by_name and not self.used:
            lines.append(f"perhaps names say more: {self.by_name.line()}")
        return lines


def look(layout: Layout, progress: Callable[[str], None] = lambda text: None) -> Seen:
    """Read names and labels of all photographs, and some of the photographs. Raises BadInput."""
    options = ListOptions(
        columns=layout.columns,
        lookup=Lookup(layout.repair),
        pictures=Path(cache_folder()) / "pictures",
    )
    progress(f"reading names and labels ({layout.kind})")
    train = read_train(layout.kind, layout.train, layout.root, options)
    test = None
    if layout.test is not None:
        test = read_test(layout.kind, layout.test, train.codec, layout.root, options)
    by_name, used = _by_name(layout, train)
    progress("reading some of the photographs")
    return Seen(layout, train, test, _sizes(train.frame["path"].tolist()), by_name, used)


def _by_name(layout: Layout, train: TrainData) -> tuple[NameGroups | None, bool]:
    frame = train.frame
    if layout.kind == "profiles" or frame["group"].tolist() != frame["image_id"].tolist():
        return None, False
    found = guess(frame["path"].tolist(), train.codec.classes)
    if found is not None and found.sure:
        frame["group"], _ = groups_by_name(frame, found.rule)
        return found, True
    return found, False


def _sizes(paths: Sequence[str]) -> Sizes:
    step = max(1, len(paths) // LOOKED_AT)
    some_paths = list(paths[::step][:LOOKED_AT])
    scan(some_paths[:1])  # what is imported for the first photo is no cost of the others
    started = time.perf_counter()
    found = scan(some_paths)
    seconds = (time.perf_counter() - started) / len(some_paths)
    right = found[found["problem"] == ""]
    if right.empty:
        raise BadInput(
            f"none of {len(found)} photos that were looked at can be read: "
            f"{some([f'{p}: {w}' for p, w in zip(found['path'], found['problem'], strict=True)])}"
        )
    sides = right[["height", "width"]].to_numpy()
    order = sides[np.argsort(sides.min(axis=1), kind="stable")]
    middle = np.median(sides, axis=0).astype(int)
    least, most = ((int(own[0]), int(own[1])) for own in (order[0], order[-1]))
    median = (int(middle[0]), int(middle[1]))
    return Sizes(len(found), median, least, most, seconds, len(found) - len(right))


def _listed(counts: dict[str, int]) -> str:
    return some([f"{name} {count}" for name, count in counts.items()], 5)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
