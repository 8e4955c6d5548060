"""The files of answers: a probability table, and a CSV with a row a photograph."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from ensembles.files import places
from ensembles.files.parquet import write_table
from ensembles.files.table import Table
from orchestrator.errors import WrongRequest
from orchestrator.inference.ensemble import Answers, columns_of
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


def write_answers(answers: Answers, trained: Trained, stem: str) -> list[str]:
    """Write `<stem>.parquet`, a probability table of the photographs that could be read, and
    `<stem>.csv`, with a row for every photograph; each member's table below `<stem>-members/`, where
    `answers` has them. Each is moved into place whole. Returns the paths.

    The metadata of the table names the photographs that could not be read: `problems`, id -> why.
    Where none could be read, there is no table.
    """
    written = []
    there = answers.answered
    ids = np.array(answers.ids, object)[there]
    problems = {i: p for i, p in zip(answers.ids, answers.problems, strict=True) if p}
    if len(ids):
        meta = {**_meta(trained), "member": f"vote {trained.vote}", "problems": problems}
        if answers.asked is not None:
            meta["lazy"] = True
        write_table(f"{stem}{PARQUET}", Table(ids, answers.probabilities, meta=meta))
        written.append(f"{stem}{PARQUET}")
    else:
        places.remove(f"{stem}{PARQUET}")
    places.write_bytes(f"{stem}{CSV}", _csv(answers, trained))
    written.append(f"{stem}{CSV}")
    codecs = {part.name: trained.codec_of(part) for part in trained.members}
    for name, probabilities in answers.tables.items() if len(ids) else ():
        codec = codecs.get(name, trained.codec)
        meta = {**_meta(trained, codec), "member": name}
        write_table(_member_path(stem, name), Table(ids, probabilities, meta=meta))
        written.append(_member_path(stem, name))
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


def _csv(answers: Answers, trained: Trained) -> bytes:
    columns = columns_of(answers, trained)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow([_cell(value) for value in row])
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, np.floating) and np.isnan(value)):
        return ""
    return str(value)
