"""Tables too large for memory, read one range of rows after the other.

A range is a row group of the first member's table, so that each range costs one read a member;
larger row groups than LARGEST_RANGE are read in parts, at the price of being decoded once a part.
Tables must hold their rows in one order: to align by id would take all ids at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from ensembles import object_store
from ensembles.errors import BadInput, examples, reads
from ensembles.files import places
from ensembles.files.align import classes_differ
from ensembles.files.digests import recorded_digest, wrong_content
from ensembles.files.parquet import members_in, table_place
from ensembles.files.places import Place
from ensembles.files.reading.sources import A_TABLE
from ensembles.files.reading.unpacked import valid
from ensembles.files.rounding import ROW_SUM_TOLERANCE
from ensembles.large.footers import open_table, rewrite

LARGEST_RANGE = 131_072
# Each takes the memory of a range of one table while it is decoded.
MEMBERS_AT_ONCE = 8


@dataclass(frozen=True)
class Tables:
    """Where the members' tables of one kind are. ranges: (begin, end) of rows, in order. optimistic:
    member -> why its OOF rows are better than they should be, where its metadata says so."""

    paths: dict[str, str]
    ranges: list[tuple[int, int]]
    n_classes: int
    meta: dict[str, Any]
    columns_of: dict[str, list[str]]
    optimistic: dict[str, str]

    @property
    def columns(self) -> list[str]:
        """Those of the first member."""
        return next(iter(self.columns_of.values()))

    @property
    def n_rows(self) -> int:
        return self.ranges[-1][1]

    @property
    def names(self) -> list[str]:
        return list(self.paths)

    @cached_property
    def digests(self) -> dict[str, str]:
        """Member -> sha256 of its file."""
        with ThreadPoolExecutor(min(pa.cpu_count(), MEMBERS_AT_ONCE)) as threads:
            return dict(
                zip(self.paths, threads.map(places.file_digest, self.paths.values()), strict=True)
            )

    def damage(self) -> list[str]:
        """A problem for each file that has another digest than stands beside it."""
        return [
            f"member {name}: {wrong_content(path, beside[1])}"
            for name, path in self.paths.items()
            if (beside := recorded_digest(path)) and beside[0] != self.digests[name]
        ]


@dataclass
class RangeRows:
    """The rows of one range: ids (n,) Arrow strings, probabilities (M, n, K) float32, fold and
    label (n,) int16 or None.
    """

    ids: pa.Array
    probabilities: np.ndarray
    fold: np.ndarray | None
    label: np.ndarray | None


def open_tables(folder: Place, kind: str, members: Sequence[str] | None = None) -> Tables | None:
    """The tables of a kind below a folder, from their footers alone; None where there is none.

    Raises BadInput: other numbers of rows or classes, classes in another order, a member without a
    table, and every layout but the one that `write_table` writes: what else `read_table` takes has
    to be rewritten by it.
    """
    names = list(members) if members is not None else members_in(folder)[0]
    paths = {name: place for name in names if (place := table_place(folder, name, kind))}
    if not paths:
        return None
    problems = [
        f"member {name}: no {kind}.parquet in {places.join(folder, name)}, though others have "
        "theirs. Add it, or leave this member out."
        for name in names
        if name not in paths
    ]
    problems += [
        f"member {name}: {path} is CSV. {rewrite(path)}"
        for name, path in paths.items()
        if path.endswith(".csv")
    ]
    if problems:
        raise BadInput(problems)
    opened = {name: open_table(name, path, kind == "oof") for name, path in paths.items()}
    first_name, first = next(iter(opened.items()))
    for name, own in opened.items():
        if (own.n_rows, own.n_classes) != (first.n_rows, first.n_classes):
            problems.append(
                f"member {name}: {own.n_rows} rows and {own.n_classes} classes, but "
                f"{first_name} has {first.n_rows} and {first.n_classes}."
            )
            continue
        problems += classes_differ(
            f"member {name}", own.meta.get("classes"), first_name, first.meta.get("classes")
        )
    if first.n_rows == 0:
        problems.append(f"member {first_name}: no rows.")
    if problems:
        raise BadInput(problems)
    columns = {name: own.columns for name, own in opened.items()}
    optimistic = {
        n: str(own.meta["optimistic"]) for n, own in opened.items() if "optimistic" in own.meta
    }
    return Tables(paths, _split(first.sizes), first.n_classes, first.meta, columns, optimistic)


def compare_kinds(oof: Tables, test: Tables) -> list[str]:
    """What the test tables' classes have other than the OOF tables'."""
    if oof.n_classes != test.n_classes:
        return [f"OOF tables of {oof.n_classes} classes, but test tables of {test.n_classes}."]
    names = (own.meta.get("classes") for own in (test, oof))
    return classes_differ("test tables", next(names), "the OOF tables", next(names))


def repeated_ids(tables: Tables, kind: str) -> list[str]:
    """A text where the first member's ids are not unique; the others' are the same."""
    import pyarrow.compute as pc  # takes 30 ms

    name, path = next(iter(tables.paths.items()))
    ids = read_columns(tables, name, (0, tables.n_rows), ["image_id"])["image_id"]
    n_ids = pc.count_distinct(ids).as_py()
    if n_ids == tables.n_rows:
        return []
    return [
        f"member {name}: {tables.n_rows} {kind} rows, but {n_ids} ids: some stand there twice. "
        f"{rewrite(path)}"
    ]


def digest(tables: Tables) -> str:
    """Of the bytes of all tables, in order."""
    total = hashlib.sha256()
    for name, own in tables.digests.items():
        total.update(f"{name}\0{own}\0".encode())
    return total.hexdigest()[:32]


def read_range(tables: Tables, begin: int, end: int) -> RangeRows:
    """The rows of one range of all members. Raises BadInput where they do not fit or are no
    probabilities, with the member's name and three example ids.
    """
    probabilities = np.empty((len(tables.paths), end - begin, tables.n_classes), np.float32)
    classes = [f"p{k}" for k in range(tables.n_classes)]

    def read(name: str, to: np.ndarray) -> dict[str, pa.Array]:
        wanted = ("image_id", "fold", "label", "group")
        columns = [c for c in wanted if c in tables.columns_of[name]]
        rows = read_columns(tables, name, (begin, end), columns + classes)
        for k, column in enumerate(classes):
            to[:, k] = rows[column].to_numpy()
        return {c: rows[c].combine_chunks() for c in columns}

    def read_and_check(name: str, to: np.ndarray) -> list[str]:
        own = read(name, to)
        problems = []
        for column in own.keys() & first.keys():
            if len(differ := _differing(own[column], first[column])):
                ids = first["image_id"].take(pa.array(differ[:3])).to_pylist()
                problems.append(
                    f"member {name}: `{column}` differs from {names[0]}'s in {len(differ)} of rows "
                    f"{begin} to {end}: {examples(ids)}. Tables of this size are read in parts: "
                    "write them all in one order."
                )
        return problems + _row_problems(to, name, own["image_id"], path[name])

    names = list(tables.paths)
    first = read(names[0], probabilities[0])
    path = tables.paths
    problems = _row_problems(probabilities[0], names[0], first["image_id"], path[names[0]])
    # decoding and copying let other threads run
    with ThreadPoolExecutor(min(pa.cpu_count(), MEMBERS_AT_ONCE)) as threads:
        for found in threads.map(read_and_check, names[1:], probabilities[1:]):
            problems += found
    if problems:
        raise BadInput(problems)
    fold, label = (
        first[c].to_numpy(zero_copy_only=False).astype(np.int16) if c in first else None
        for c in ("fold", "label")
    )
    if label is not None and not 0 <= label.min() <= label.max() < tables.n_classes:
        raise BadInput(
            f"rows {begin} to {end}: labels outside 0..{tables.n_classes - 1}. Where they are not "
            "known, write no column `label`; else number the classes from 0."
        )
    return RangeRows(first["image_id"], probabilities, fold, label)


def _differing(own: pa.Array, first: pa.Array) -> np.ndarray:
    """Indices of the rows where two columns differ."""
    if own.equals(first):
        return np.empty(0, np.intp)
    values = (column.to_numpy(zero_copy_only=False) for column in (own, first))
    return np.flatnonzero(np.not_equal(*values))


def read_columns(tables: Tables, name: str, rows: tuple[int, int], columns: list[str]) -> pa.Table:
    """The rows of one range of one member's table. Raises BadInput where they cannot be read."""
    try:
        return _read_columns(tables.paths[name], *rows, columns)
    except BadInput as error:
        raise BadInput(f"member {name}: {problem}" for problem in error.problems) from None


@reads(A_TABLE)
def _read_columns(path: str, begin: int, end: int, columns: list[str]) -> pa.Table:
    return object_store.through_refusals(lambda: _rows_of(path, begin, end, columns))


def _rows_of(path: str, begin: int, end: int, columns: list[str]) -> pa.Table:
    file = places.open_parquet(path)
    sizes = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
    ends = np.cumsum(sizes)
    groups = [i for i, last in enumerate(ends) if last > begin and last - sizes[i] < end]
    before = int(ends[groups[0]] - sizes[groups[0]])
    found = file.read_row_groups(groups, columns=columns, use_threads=False)
    return valid(found.slice(begin - before, end - begin))


def _row_problems(probabilities: np.ndarray, name: str, ids: pa.Array, path: str) -> list[str]:
    # one product and one minimum are fast; rows are looked at singly only where these are wrong
    near = (
        abs(probabilities @ np.ones(probabilities.shape[1], np.float32) - 1).max()
        <= ROW_SUM_TOLERANCE / 2
    )
    if near and probabilities.min() >= 0:
        return []
    sums = probabilities.sum(axis=1, dtype=np.float64)
    bad = ~((abs(sums - 1) <= ROW_SUM_TOLERANCE) & (probabilities.min(axis=1) >= 0))
    if not bad.any():
        return []
    shown = ids.take(pa.array(np.flatnonzero(bad)[:3])).to_pylist()
    return [
        f"member {name}: {bad.sum()} rows are no probabilities, or rounded: {examples(shown)}. "
        f"{rewrite(path)}"
    ]


def _split(sizes: list[int]) -> list[tuple[int, int]]:
    """Row groups as ranges, those above LARGEST_RANGE in parts."""
    found, begin = [], 0
    for size in sizes:
        for start in range(0, size, LARGEST_RANGE):
            found.append((begin + start, begin + min(start + LARGEST_RANGE, size)))
        begin += size
    return found
