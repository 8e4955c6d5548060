"""The files that `sets` and `unknown` add to a vote: `sets.csv` and `unknown.csv`."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ensembles.errors import BadInput
from ensembles.files.table import SETS, UNKNOWN
from ensembles.shift import options
from ensembles.shift.conformal import in_set
from ensembles.shift.unknown import is_unknown

HEADERS = {SETS: ("ImageID", "classes", "size"), UNKNOWN: ("ImageID", "ans", "confidence")}


# file -> the field of the record that it is of
FIELDS = {SETS: "sets", UNKNOWN: "unknown"}


def require_written(records: Mapping[str, Any], answers: list[str]) -> None:
    """Raise BadInput where what is shown for the classes has no place in a file.

    records: file -> the record's field, or None. answers: (K,).
    """
    level, below = (0.5 if records[name] is not None else None for name in (SETS, UNKNOWN))
    if problems := options.Options(sets=level, unknown=below).clashes(answers):
        raise BadInput(problems)


def header(name: str) -> bytes:
    return _lines([HEADERS[name]])


def lines(
    name: str,
    record: dict[str, Any],
    ids: Sequence[str] | np.ndarray,
    mixed: np.ndarray,
    answers: Sequence[str],
) -> bytes:
    """The rows of one of the files, CSV without its header.

    record: the field of the file's name. mixed: (n, K) probabilities. answers: (K) what is shown for
    the classes. Of a set the most probable class comes first.
    """
    if name == SETS:
        found = in_set(mixed, record["threshold"])
        order = np.argsort(-mixed, axis=1, kind="stable")
        inside = np.take_along_axis(found, order, axis=1)
        sets = [
            [answers[k] for k in own[own_inside]]
            for own, own_inside in zip(order, inside, strict=True)
        ]
        joined = [options.JOINED_BY.join(own) for own in sets]
        return _lines(zip(ids, joined, map(len, sets), strict=True))
    decided = np.asarray(answers, object)[mixed.argmax(axis=1)]
    decided[is_unknown(mixed, record["below"])] = options.UNKNOWN
    surest = np.asarray(mixed.max(axis=1), np.float32).astype(str)
    return _lines(zip(ids, decided.tolist(), surest.tolist(), strict=True))


def _lines(rows: Any) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
