"""The Parquet probability table: written, read, and those of many members read from one folder.

One row a photograph, columns `image_id`, `fold` and `label` (int16, where known), `p0`...`pK-1`
(float32) and, in tables that have it, `group` (string: what errs together, a person with several
photographs for example). Key-value metadata `ensemble` holds JSON. Tables made elsewhere need the
columns only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Literal, get_args, overload

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ensembles.errors import BadInput, reads
from ensembles.files import places
from ensembles.files.places import Place
from ensembles.files.table import OofTable, Table, table_problems

Kind = Literal["oof", "test"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# So many rows can be read without the others; tables too large for memory are read so.
ROW_GROUP = 65_536


def write_table(place: Place, table: Table) -> None:
    """Check the table and write it in one move to a path or URI. Raises BadInput.

    Byte-stream-split with zstd, no dictionary on the probabilities: the smallest and fastest of
    the encodings measured for softmax outputs.
    """
    if problems := table_problems(table, str(place)):
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


@reads("the Parquet file of a table")
def read_table(place: Place) -> Table:
    """Read and check a table from a path or URI.

    Raises BadInput with every problem found: no such file, not Parquet, columns missing, null,
    of a wrong type, or values that `table_problems` refuses.
    """
    name = str(place)
    try:
        found = places.read_parquet(place)
    except FileNotFoundError:
        raise BadInput(f"{name}: there is no such file. Give the path of a table.") from None
    except pa.ArrowInvalid as error:
        raise BadInput(f"{name}: not a readable Parquet file ({error}). Write it anew.") from None
    table, problems = _from_arrow(found, name)
    if table is not None:
        problems += table_problems(table, name)
    if table is None or problems:
        raise BadInput(problems)
    return table


def read_oof_table(place: Place) -> OofTable:
    """As `read_table`; raises BadInput also where fold or label is missing."""
    return OofTable.of(read_table(place), str(place))


@overload
def read_members(
    folder: Place, kind: Literal["oof"], members: Sequence[str] | None = None
) -> dict[str, OofTable]: ...
@overload
def read_members(
    folder: Place, kind: Literal["test"], members: Sequence[str] | None = None
) -> dict[str, Table]: ...
def read_members(
    folder: Place, kind: Kind, members: Sequence[str] | None = None
) -> dict[str, OofTable] | dict[str, Table]:
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
    read = read_oof_table if kind == "oof" else read_table
    tables: dict[str, Table] = {}
    problems: list[str] = []
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


def _from_arrow(found: pa.Table, name: str) -> tuple[Table | None, list[str]]:
    """The table, or None where it has no shape, with the problems of the columns."""
    given = set(found.column_names)
    numbers = sorted(int(c[1:]) for c in given if re.fullmatch(r"p(0|[1-9]\d*)", c))
    problems: list[str] = []
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
    fold, label, group = (columns.get(c) for c in ("fold", "label", "group"))
    return Table(columns["image_id"], probabilities, fold, label, meta, group), []


def _present(folder: Place, member: str, kinds: Iterable[str]) -> list[bool]:
    return [places.exists(places.join(folder, member, f"{kind}.parquet")) for kind in kinds]
