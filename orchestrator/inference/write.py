"""The files of answers: a probability table, and a CSV with a row a photograph."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from ensembles.files import places
from ensembles.files.parquet import writing_table
from ensembles.files.table import Table
from orchestrator.errors import WrongRequest
from orchestrator.inference.answers import Answers, columns_of
from orchestrator.inference.parts import Trained

PARQUET, CSV = ".parquet", ".csv"


def stem_of(out: str) -> str:
    """What `--out` says, without the ending. Raises WrongRequest for another ending."""
    for ending in (PARQUET, CSV):
        if out.lower().endswith(ending) and not out.endswith(f"/{ending}") and out != ending:
            return out[: -len(ending)]
    raise WrongRequest(
        f"--out {out}: the answers are written as Parquet and as CSV. Give a file that ends in "
        f"{PARQUET} or {CSV}; the other is written beside it."
    )


def require_free(stem: str, members: Sequence[str]) -> None:
    """Raise WrongRequest where a file of these answers is there already."""
    there = [path for path in paths_of(stem, members) if places.exists(path)]
    if there:
        raise WrongRequest(
            f"{', '.join(there[:3])}: there already. Give another --out FILE, or --overwrite."
        )


def paths_of(stem: str, members: Sequence[str]) -> list[str]:
    own = [f"{stem}{ending}" for ending in (PARQUET, CSV)]
    return own + [_member_path(stem, name) for name in members]


def _member_path(stem: str, name: str) -> str:
    return f"{stem}-members/{name}/test{PARQUET}"


def write_answers(
    parts: Iterable[Answers],
    trained: Trained,
    stem: str,
    problems: Mapping[str, str],
    any_answered: bool,
    tables: bool = False,
    lazy: bool = False,
) -> list[str]:
    """Write `<stem>.parquet`, a probability table of the photographs that could be read, and
    `<stem>.csv`, with a row for every photograph; with `tables` each member's below `<stem>-members/`.
    Each is moved into place whole. Returns the paths. parts: the answers, some at a time.

    problems: id -> why, of all photographs that could not be read: it is in the table's metadata.
    any_answered: whether any could be read; where none could, there is no table. lazy: whether the
    metadata says that the vote was.
    """
    written = []
    with ExitStack() as files:
        rows: Callable[[Table], None] = lambda _: None  # noqa: E731
        if any_answered:
            path = f"{stem}{PARQUET}"
            meta = {**_meta(trained), "member": f"vote {trained.vote}", "problems": dict(problems)}
            if lazy:
                meta["lazy"] = True
            rows = files.enter_context(writing_table(path, meta, len(trained.classes)))
            written.append(path)
        else:
            places.remove(f"{stem}{PARQUET}")
        text = files.enter_context(places.writing(f"{stem}{CSV}"))
        written.append(f"{stem}{CSV}")
        of_members: dict[str, Callable[[Table], None]] = {}
        if tables and any_answered:
            codecs = {part.name: trained.codec_of(part) for part in trained.members}
            for name in (*codecs, *trained.joins, *trained.stacks):
                path, codec = _member_path(stem, name), codecs.get(name, trained.codec)
                meta = {**_meta(trained, codec), "member": name}
                member = writing_table(path, meta, len(codec.classes))
                of_members[name] = files.enter_context(member)
                written.append(path)
        for number, part in enumerate(parts):
            text.write(_csv(part, trained, header=not number))
            ids = np.array(part.ids, object)[part.answered]
            if len(ids):
                rows(Table(ids, part.probabilities))
                for name, add in of_members.items():
                    add(Table(ids, part.tables[name]))
    return written


def _meta(trained: Trained, codec: Any = None) -> dict[str, Any]:
    codec = codec or trained.codec
    classes = list(codec.classes)
    named = list(codec.targets) == ["label"]
    return {
        "classes": classes,
        "targets": [[name, list(own)] for name, own in codec.targets.items()],
        "answers": classes if named else list(map(str, range(len(classes)))),
    }


def _csv(answers: Answers, trained: Trained, header: bool) -> bytes:
    columns = columns_of(answers, trained)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow([_cell(value) for value in row])
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, np.floating) and np.isnan(value)):
        return ""
    return str(value)
