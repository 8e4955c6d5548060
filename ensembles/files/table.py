"""The Parquet probability table: write, read, check, and bring many into one order.

One row a photograph, columns `image_id`, `fold` and `label` (int16, where known), `p0`...`pK-1`
(float32) and, in tables that know it, `group` (string: what errs together, a person with several
photographs say). Key-value metadata `ensemble` holds JSON. Tables made elsewhere need the columns
only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ensembles.errors import BadInput, examples
from ensembles.files import places
from ensembles.files.places import Place

KINDS = ("oof", "test")
ROW_SUM_TOLERANCE = 1e-4
# So many rows can be read without the others; tables too large for memory are read so.
ROW_GROUP = 65_536


@dataclass
class Table:
    """Predictions of one member, a row a photograph.

    ids: (N,) str, unique.
    probabilities: (N, K) float32 in [0, 1], rows sum to 1 within 1e-4.
    fold: (N,) int16, the fold in which the row was held out; None in test tables.
    label: (N,) int16, the true class; None where it is not known.
    meta: `classes` (K names), `member`, `targets`, `data_hash`, `folds_hash`; optional `answers`,
        the K strings that a submission shows for the classes. May be empty.
    group: (N,) str, what the row errs together with; None where nobody said.
    """

    ids: np.ndarray
    probabilities: np.ndarray
    fold: np.ndarray | None = None
    label: np.ndarray | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    group: np.ndarray | None = None

    @property
    def n_classes(self) -> int:
        return self.probabilities.shape[1]

    @property
    def classes(self) -> list[str]:
        """Names of the classes in column order; their numbers where nobody named them."""
        return list(self.meta.get("classes") or map(str, range(self.n_classes)))

    @property
    def answers(self) -> list[str]:
        """What a submission shows for each class: `meta["answers"]` or the class's number."""
        return [str(a) for a in self.meta.get("answers") or range(self.n_classes)]

    def take(self, rows: np.ndarray) -> Table:
        """The table with the given rows (indices or mask), in that order."""
        return replace(
            self,
            ids=self.ids[rows],
            probabilities=self.probabilities[rows],
            fold=None if self.fold is None else self.fold[rows],
            label=None if self.label is None else self.label[rows],
            group=None if self.group is None else self.group[rows],
        )


def write(place: Place, table: Table) -> None:
    """Check the table and write it in one move to a path or URI. Raises BadInput.

    Byte-stream-split with zstd, no dictionary on the probabilities: the smallest and fastest of
    the encodings measured for softmax outputs.
    """
    if problems := check(table, str(place)):
        raise BadInput(problems)
    columns: dict[str, pa.Array] = {"image_id": pa.array(table.ids.tolist(), pa.string())}
    if table.fold is not None:
        columns["fold"] = pa.array(table.fold, pa.int16())
    if table.label is not None:
        columns["label"] = pa.array(table.label, pa.int16())
    if table.group is not None:
        columns["group"] = pa.array(table.group.tolist(), pa.string())
    names = [f"p{k}" for k in range(table.n_classes)]
    by_class = np.ascontiguousarray(table.probabilities.T, dtype=np.float32)
    columns |= dict(zip(names, map(pa.array, by_class), strict=True))
    sink = pa.BufferOutputStream()
    pq.write_table(
        pa.table(columns).replace_schema_metadata({"ensemble": json.dumps(table.meta)}),
        sink,
        compression="zstd",
        row_group_size=ROW_GROUP,
        use_dictionary=[name for name in columns if name not in names],
        use_byte_stream_split=names,
    )
    places.write_bytes(place, sink.getvalue())


def read(place: Place) -> Table:
    """Read and check a table from a path or URI.

    Raises BadInput with every problem found: no such file, not Parquet, columns missing, null,
    of a wrong type, or values that `check` refuses.
    """
    name = str(place)
    try:
        found = pq.read_table(pa.BufferReader(places.read_bytes(place)))
    except FileNotFoundError:
        raise BadInput(f"{name}: there is no such file. Give the path of a table.") from None
    except pa.ArrowInvalid as error:
        raise BadInput(f"{name}: not a readable Parquet file ({error}). Write it anew.") from None
    table, problems = _from_arrow(found, name)
    if table is not None:
        problems += check(table, name)
    if problems:
        raise BadInput(problems)
    return table


def check(table: Table, name: str) -> list[str]:
    """Everything about one table that no vote could use, one text each."""
    p, n, problems = table.probabilities, len(table.ids), []
    if p.ndim != 2 or p.shape[0] != n or p.shape[1] < 1:
        return [f"{name}: probabilities have shape {p.shape}, but must be ({n}, at least 1)."]
    if n == 0:
        return [f"{name}: no rows. A table needs at least one photograph."]
    for column in ("classes", "answers"):
        given = table.meta.get(column)
        if given is not None and (len(given) != p.shape[1] or len(set(given)) != len(given)):
            problems.append(
                f"{name}: metadata `{column}` has {len(given)} names ({len(set(given))} different) "
                f"for {p.shape[1]} columns. Give one name a column, each once."
            )
    if len(set(table.ids.tolist())) < n:
        ids, counts = np.unique(table.ids.astype(str), return_counts=True)
        problems.append(f"{name}: ids that stand there twice: {examples(ids[counts > 1])}.")
    # A NaN makes every comparison false, hence the negations.
    bad = np.empty(0, int)
    if not (p.min() >= 0 and p.max() <= 1):
        bad = np.flatnonzero(~((p >= 0) & (p <= 1)).all(axis=1))
        what = "NaN" if np.isnan(p[bad]).any() else "probabilities outside [0, 1]"
        problems.append(f"{name}: {what} in {len(bad)} rows: {examples(table.ids[bad])}.")
    sums = p.sum(axis=1, dtype=np.float64)
    off = np.setdiff1d(np.flatnonzero(~(abs(sums - 1) <= ROW_SUM_TOLERANCE)), bad)
    if off.size:
        problems.append(
            f"{name}: {len(off)} rows do not sum to 1 within {ROW_SUM_TOLERANCE:g}: "
            f"{examples(table.ids[off])} sum to {', '.join(f'{s:.6g}' for s in sums[off[:3]])}. "
            "Write probabilities (a softmax's output), not logits."
        )
    for column, top in (("fold", np.iinfo(np.int16).max), ("label", p.shape[1] - 1)):
        values = getattr(table, column)
        if values is None:
            continue
        if values.shape != (n,):
            problems.append(f"{name}: `{column}` has shape {values.shape}, but must be ({n},).")
        elif (wrong := np.flatnonzero((values < 0) | (values > top))).size:
            problems.append(
                f"{name}: `{column}` outside 0..{top} in {len(wrong)} rows: "
                f"{examples(table.ids[wrong])} have {', '.join(map(str, values[wrong[:3]]))}."
            )
    return problems


def read_members(
    folder: Place, kind: str, members: Sequence[str] | None = None
) -> dict[str, Table]:
    """Read `folder/<member>/<kind>.parquet` of every member, or of those named, in that order.

    kind: "oof" (fold and label are needed) or "test". Without `members`: the subfolders that hold
    a table of either kind, sorted. Returns {} where no member has a table of this kind. Raises
    BadInput with all problems of all members.
    """
    if kind not in KINDS:
        raise BadInput(f"kind of table {kind!r}: must be one of {', '.join(KINDS)}.")
    if not places.exists(folder):
        raise BadInput(f"{folder}: there is no such folder. Give one with <member>/oof.parquet.")
    if members is None:
        members = [m for m in places.subfolders(folder) if any(_present(folder, m, KINDS))]
        if not members:
            raise BadInput(f"{folder}: no <member>/oof.parquet or <member>/test.parquet in it.")
    present = [any(_present(folder, member, [kind])) for member in members]
    if not any(present):
        return {}
    tables, problems = {}, []
    for member, there in zip(members, present, strict=True):
        if not there:
            problems.append(
                f"member {member}: no {kind}.parquet in {places.join(folder, member)}, though "
                "others have theirs. Add it, or leave this member out."
            )
            continue
        try:
            tables[member] = read(places.join(folder, member, f"{kind}.parquet"))
        except BadInput as error:
            problems += [f"member {member}: {problem}" for problem in error.problems]
    if problems:
        raise BadInput(problems)
    return tables


def align(tables: dict[str, Table], kind: str = "test") -> dict[str, Table]:
    """The same tables with their rows in the first member's order.

    kind: "oof" asks for fold and label in every table. Raises BadInput with, for each member that
    does not fit the first, its name and three example ids: ids missing, extra or twice, other
    classes, folds or labels; and with everything that `check` finds.
    """
    if not tables:
        raise BadInput("no tables to vote on: give at least one member.")
    problems = [text for name, table in tables.items() for text in check(table, f"member {name}")]
    if kind == "oof":
        problems += [
            f"member {name}: its OOF table has no `{column}` column. Write the fold in which each "
            "row was held out, and its true class."
            for name, table in tables.items()
            for column in ("fold", "label")
            if getattr(table, column) is None
        ]
    if problems:
        raise BadInput(problems)
    (first_name, first), *rest = tables.items()
    row_of = {image_id: row for row, image_id in enumerate(first.ids.tolist())}
    aligned = {first_name: first}
    for name, table in rest:
        label = f"member {name}"
        if found := compare_classes(label, table, first_name, first):
            problems += found
            continue
        if np.array_equal(table.ids, first.ids):
            aligned[name] = table
        else:
            target = [row_of.get(image_id, -1) for image_id in table.ids.tolist()]
            if found := _compare_ids(label, table, first_name, first, np.array(target)):
                problems += found
                continue
            aligned[name] = table.take(np.argsort(target))
        problems += _compare_columns(label, aligned[name], first_name, first)
    if problems:
        raise BadInput(problems)
    return aligned


def compare_classes(name: str, table: Table, first_name: str, first: Table) -> list[str]:
    if table.n_classes != first.n_classes:
        return [
            f"{name}: {table.n_classes} classes, but {first_name} has {first.n_classes}. A vote "
            "needs the same classes everywhere: join members of single targets first, or leave "
            "them out."
        ]
    names, expected = table.meta.get("classes"), first.meta.get("classes")
    if names and expected and list(names) != list(expected):
        k = next(k for k, pair in enumerate(zip(names, expected, strict=True)) if len({*pair}) > 1)
        return [
            f"{name}: class {k} is {names[k]!r}, but in {first_name} it is {expected[k]!r}. Write "
            "the columns of every member in the same order of classes."
        ]
    return []


def _compare_ids(
    name: str, table: Table, first_name: str, first: Table, target: np.ndarray
) -> list[str]:
    missing = np.setdiff1d(np.arange(len(first.ids)), target)
    extra = np.flatnonzero(target < 0)
    problems = []
    if missing.size:
        problems.append(
            f"{name}: {len(missing)} ids of {first_name} are missing: "
            f"{examples(first.ids[missing])}."
        )
    if extra.size:
        problems.append(
            f"{name}: {len(extra)} ids are not in {first_name}: {examples(table.ids[extra])}."
        )
    return problems


def _compare_columns(name: str, table: Table, first_name: str, first: Table) -> list[str]:
    problems = []
    for column in ("fold", "label"):
        values, expected = getattr(table, column), getattr(first, column)
        if values is None or expected is None:
            continue
        if (rows := np.flatnonzero(values != expected)).size:
            shown = ", ".join(f"{values[r]} against {expected[r]}" for r in rows[:3])
            problems.append(
                f"{name}: `{column}` differs from {first_name}'s in {len(rows)} rows: "
                f"{examples(first.ids[rows])} ({shown}). All members of a vote share folds and "
                "labels: train them on the same split."
            )
    return problems


def _from_arrow(found: pa.Table, name: str) -> tuple[Table | None, list[str]]:
    """The table, or None where its shape cannot be told, with the problems of the columns."""
    given = set(found.column_names)
    numbers = sorted(int(c[1:]) for c in given if re.fullmatch(r"p(0|[1-9]\d*)", c))
    problems = []
    if "image_id" not in given:
        problems.append(f"{name}: no column `image_id`; there are {', '.join(sorted(given))}.")
    if numbers != list(range(max(len(numbers), 1))):
        got = ", ".join(f"p{k}" for k in numbers[:5]) or "none"
        problems.append(
            f"{name}: probability columns must be p0, p1, ... without a gap; got {got}."
        )
    if problems:
        return None, problems
    wanted = [("image_id", pa.string())]
    wanted += [(c, pa.int16()) for c in ("fold", "label") if c in given]
    wanted += [("group", pa.string())] if "group" in given else []
    wanted += [(f"p{k}", pa.float32()) for k in numbers]
    columns = {}
    for column, dtype in wanted:
        try:
            values = found[column].combine_chunks().cast(dtype)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            problems.append(f"{name}: `{column}` is {found[column].type}, but must be {dtype}.")
            continue
        if values.null_count:
            problems.append(f"{name}: `{column}` has {values.null_count} null values; allow none.")
            continue
        columns[column] = values.to_numpy(zero_copy_only=False)
    try:
        meta = json.loads((found.schema.metadata or {}).get(b"ensemble", b"{}"))
    except ValueError:
        problems.append(f"{name}: metadata `ensemble` is not JSON. Write JSON, or leave it out.")
    if problems:
        return None, problems
    probabilities = np.stack([columns[f"p{k}"] for k in numbers], axis=1)
    known = (columns.get(c) for c in ("fold", "label"))
    return Table(columns["image_id"], probabilities, *known, meta, columns.get("group")), []


def _present(folder: Place, member: str, kinds: Iterable[str]) -> list[bool]:
    return [places.exists(places.join(folder, member, f"{kind}.parquet")) for kind in kinds]
