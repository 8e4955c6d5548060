"""The Parquet probability table: written, read, and those of many members read from one folder.

One row a photograph, columns `image_id`, `fold` and `label` (int16, where known), `p0`...`pK-1`
(float32) and, in tables that have it, `group` (string: what errs together, a person with several
photographs for example). Key-value metadata `ensemble` holds JSON. What tables made elsewhere may
look like is in `ensembles.files.reading`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, Literal, get_args, overload

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ensembles.arrow import number_column, text_column
from ensembles.errors import BadInput, reads
from ensembles.files import places
from ensembles.files.digests import is_there
from ensembles.files.places import Place
from ensembles.files.reading.members import completed, in_one_order
from ensembles.files.reading.sources import ENDINGS, read_arrow
from ensembles.files.reading.table import Seen, table_of
from ensembles.files.table import OofTable, Table, table_problems

Kind = Literal["oof", "test"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# So many rows can be read without the others; tables too large for memory are read so.
ROW_GROUP = 65_536
_GROUP_BYTES = 2**26  # of probabilities: of many classes, fewer rows


def write_table(place: Place, table: Table) -> None:
    """Check the table and write it in one move to a path or URI. Raises BadInput.

    Byte-stream-split with zstd, no dictionary on the probabilities: the smallest and fastest of
    the encodings measured for softmax outputs.
    """
    if problems := table_problems(table, str(place)):
        raise BadInput(problems)
    sink = pa.BufferOutputStream()
    content = _arrow(table, table.meta)
    with _writer(sink, content.schema) as writer:
        writer.write_table(content, ROW_GROUP)
    places.write_bytes(place, sink.getvalue())


@contextmanager
def writing_table(
    place: Place, meta: Mapping[str, Any], n_classes: int
) -> Iterator[Callable[[Table], None]]:
    """A function that takes the table's rows a few at a time, in order. What appears under `place`, whole,
    when the block ends well is what `write_table` writes; in memory are few of its rows.

    meta: of the whole; that of the parts is left. The function raises BadInput for rows that
    `write_table` refuses; that no id stands in two parts is for the caller to see to.
    """
    at_once = max(1024, min(ROW_GROUP, _GROUP_BYTES // (4 * n_classes)))
    waiting: list[pa.Table] = []
    with ExitStack() as files:
        stream = files.enter_context(places.writing(place))
        writer: pq.ParquetWriter | None = None

        def flush(n_rows: int) -> None:
            nonlocal writer, waiting
            rows = pa.concat_tables(waiting).combine_chunks()
            if writer is None:
                writer = files.enter_context(_writer(stream, rows.schema))
            writer.write_table(rows.slice(0, n_rows), at_once)
            waiting = [rows.slice(n_rows)] if n_rows < len(rows) else []

        def add(part: Table) -> None:
            if problems := table_problems(part, str(place)):
                raise BadInput(problems)
            waiting.append(_arrow(part, meta))
            while sum(map(len, waiting)) >= at_once:
                flush(at_once)

        yield add
        if waiting:
            flush(at_once)


def _arrow(table: Table, meta: Mapping[str, Any]) -> pa.Table:
    columns: dict[str, pa.Array] = {"image_id": text_column(table.ids.tolist())}
    if table.fold is not None:
        columns["fold"] = number_column(table.fold.astype(np.int16))
    if table.label is not None:
        columns["label"] = number_column(table.label.astype(np.int16))
    if table.group is not None:
        columns["group"] = text_column(table.group.tolist())
    by_class = np.ascontiguousarray(table.probabilities.T, dtype=np.float32)
    columns |= {f"p{k}": number_column(own) for k, own in enumerate(by_class)}
    return pa.table(columns).replace_schema_metadata({"ensemble": json.dumps(meta)})


def _writer(sink: Any, schema: pa.Schema) -> pq.ParquetWriter:
    probabilities = [name for name in schema.names if re.fullmatch(r"p\d+", name)]
    return pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        use_dictionary=[name for name in schema.names if name not in probabilities],
        use_byte_stream_split=probabilities,
        write_page_checksum=True,
    )


@reads("the Parquet file of a table")
def read_table(place: Place, seen: Seen | None = None) -> Table:
    """Read and check a table from a path or URI, Parquet or (`.csv`) CSV.

    Columns and labels as `files.reading` recognises them; labels that are not known (-1, null, NaN)
    are None. Raises BadInput with every problem found: no such file, not readable, columns missing,
    null, of a wrong type, or values that `table_problems` refuses. seen: what other tables held, so that
    the same texts are made once.
    """
    seen = seen or Seen()
    return table_of(read_arrow(place, seen.written), str(place), False, seen)[0]


def read_oof_table(place: Place) -> OofTable:
    """As `read_table`, of out-of-fold rows: repeats are averaged, and folds drawn where it has none
    (`files.reading.members.completed`). Raises BadInput also where the label is missing.
    """
    table, _ = table_of(read_arrow(place), str(place), is_oof=True)
    try:
        return completed({"": table})[""]
    except BadInput:
        return OofTable.of(table, str(place))  # which names the file


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

    kind: "oof" (the label is needed, see `completed`) or "test"; `<kind>.csv` where there is no
    Parquet. Without `members`: the subfolders that hold a table of either kind, sorted; those whose
    name begins with `.` or `__` are none. Returns {} where no member has a table of this kind.
    Raises BadInput with all problems of all members.
    """
    if kind not in KINDS:
        raise BadInput(f"kind of table {kind!r}: must be one of {', '.join(KINDS)}.")
    notes: list[str] = []
    if members is None:
        members, notes = members_in(folder)
    present = {name: place for name in members if (place := table_place(folder, name, kind))}
    if not present:
        return {}
    tables: dict[str, Table] = {}
    by_name: dict[str, bool] = {}
    problems: list[str] = []
    seen = Seen()
    for member in members:
        if member not in present:
            problems.append(
                f"member {member}: no {kind}.parquet in {places.join(folder, member)}, though "
                "others have theirs. Add it, or leave this member out."
            )
            continue
        place = present[member]
        try:
            table, by_name[member] = table_of(
                read_arrow(place, seen.written), place, kind == "oof", seen
            )
        except BadInput as error:
            problems += [f"member {member}: {problem}" for problem in error.problems]
            continue
        more = (*notes, *_beside(folder, member, kind, place))
        tables[member] = replace(table, notes=(*more, *table.notes))
        notes = []  # they are of the folder: once is enough
    if problems:
        raise BadInput(problems)
    tables = in_one_order(tables, by_name)
    return completed(tables) if kind == "oof" else tables


def members_in(folder: Place) -> tuple[list[str], list[str]]:
    """The subfolders that hold a table, sorted, and a note on those that are no members.

    Raises BadInput where there are none.
    """
    if not places.exists(folder):
        raise BadInput(f"{folder}: there is no such folder. Give one with <member>/oof.parquet.")
    try:
        every = places.subfolders(folder)
    except NotADirectoryError:
        raise BadInput(f"{folder}: a file. Give the folder with <member>/oof.parquet.") from None
    hidden = [name for name in every if name.startswith((".", "__"))]
    named = [name for name in every if name not in hidden]
    members = [name for name in named if any(table_place(folder, name, kind) for kind in KINDS)]
    if not members:
        hint = ""
        if places.exists(places.join(folder, "tables")):
            hint = f" Give {places.join(folder, 'tables')}, or the run with --run."
        elif any(table_place(folder, ".", kind) for kind in KINDS):
            hint = " Its own tables are one member's: give the folder above it."
        raise BadInput(f"{folder}: no <member>/oof.parquet or <member>/test.parquet in it.{hint}")
    notes = []
    if hidden:
        notes.append(f"folders whose name begins with . or __ are no members: {', '.join(hidden)}.")
    if empty := [name for name in named if name not in members]:
        notes.append(f"folders without oof or test table are no members: {', '.join(empty)}.")
    return members, notes


def table_place(folder: Place, member: str, kind: str) -> str | None:
    """The member's table of a kind, the Parquet first; None where there is none.

    Raises BadInput where there is none, but the member's `SHA256SUMS` names it.
    """
    paths = [places.join(folder, member, f"{kind}.{ending}") for ending in ENDINGS]
    return next((path for path in paths if is_there(path)), None)


def file_digests(folder: Place, members: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """`<member>/<kind>.parquet`, or `.csv` where that was read -> sha256 of the file. members: kind
    -> names.
    """
    places_of = [table_place(folder, name, kind) for kind, own in members.items() for name in own]
    return {
        "/".join(place.split("/")[-2:]): places.file_digest(place) for place in places_of if place
    }


def _beside(folder: Place, member: str, kind: str, place: str) -> list[str]:
    """A note where the same table is there in another format."""
    others = [f"{kind}.{e}" for e in ENDINGS if places.join(folder, member, f"{kind}.{e}") != place]
    return [
        f"{place.rpartition('/')[2]} was read, {other} beside it was not."
        for other in others
        if places.exists(places.join(folder, member, other))
    ]
