"""Tables from their footers alone: whether they are too large for memory, and the size, classes and
layout of one that is."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ensembles.errors import BadInput, examples
from ensembles.files import places
from ensembles.files.class_columns import class_columns
from ensembles.files.parquet import members_in, table_place
from ensembles.files.places import Place
from ensembles.files.reading.table import metadata

types = pa.types


@dataclass(frozen=True)
class Footer:
    """sizes: the rows of each row group. columns: all, by name."""

    sizes: list[int]
    n_classes: int
    meta: dict[str, Any]
    columns: list[str]

    @property
    def n_rows(self) -> int:
        return sum(self.sizes)


def open_table(name: str, path: str, is_oof: bool) -> Footer:
    """Raises BadInput where it has another layout than `write_table` writes, with a way to get it:
    columns of other names or types are not misread in ranges, but not read either.
    """
    try:
        file = places.open_parquet(path)
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"member {name}: {path} is not a readable Parquet file ({error}).") from None
    schema = file.schema_arrow
    found = metadata(schema, path)
    numbered = [c for c in schema.names if c[:1] == "p" and c[1:].isdigit()]
    of_classes, _ = class_columns(numbered)
    lacking = [
        c for c in ("image_id", *(["fold", "label"] if is_oof else [])) if c not in schema.names
    ]
    lacking += [] if of_classes and of_classes.columns[0] == "p0" else ["p0, p1, ..."]
    wrong = [
        f"`{field.name}` is {field.type}"
        for field in schema
        if field.name in _ALLOWED and not _ALLOWED[field.name](field.type)
    ]
    wrong += [
        f"`{c}` is {schema.field(c).type}"
        for c in numbered
        if not types.is_floating(schema.field(c).type)
    ]
    if lacking or wrong:
        what = [*([f"lacks {', '.join(lacking)}"] if lacking else []), *wrong[:3]]
        raise BadInput(f"member {name}: {path}: {'; '.join(what)}. {rewrite(path)}")
    classes = found.get("classes")
    if classes is not None and len(classes) != len(numbered):
        raise BadInput(
            f"member {name}: metadata `classes` has {len(classes)} names ({examples(classes)}) for "
            f"{len(numbered)} columns."
        )
    groups = range(file.metadata.num_row_groups)
    sizes = [file.metadata.row_group(i).num_rows for i in groups]
    return Footer(sizes, len(numbered), found, schema.names)


def too_large(folder: Place, members: Sequence[str] | None = None, limit: int = 1 << 29) -> bool:
    """Whether the probabilities of either kind take more than `limit` bytes, as far as the footers
    say; a CSV of that size counts as well.
    """
    sizes = [0]
    for kind in ("oof", "test"):
        try:
            names = list(members) if members is not None else members_in(folder)[0]
            found = [place for name in names if (place := table_place(folder, name, kind))]
            sizes.append(sum(map(_size, found)))
        except (BadInput, pa.ArrowException, OSError):
            return False  # the reader of whole tables explains what is wrong
    return max(sizes) > limit


def _size(path: str) -> int:
    """Bytes of all numbers of a table as float32."""
    if path.endswith(".csv"):
        return places.size(path)
    file = places.open_parquet(path)
    kinds = [field.type for field in file.schema_arrow]
    return 4 * file.metadata.num_rows * sum(map(pa.types.is_floating, kinds))


def rewrite(path: str) -> str:
    """How to make a table of this size from one of another layout."""
    target = f"{path.rpartition('.')[0]}.parquet"
    read = "read_oof_table" if path.rpartition("/")[2].startswith("oof.") else "read_table"
    code = (
        f"from ensembles.files import parquet as t; t.write_table({target!r}, t.{read}({path!r}))"
    )
    return (
        "Tables of this size are read in ranges, in one layout only. Rewrite it: python -c "
        f"{shlex.quote(code)}"
    )


def _is_text(kind: pa.DataType) -> bool:
    return types.is_string(kind) or types.is_large_string(kind)


_ALLOWED = {
    "image_id": _is_text,
    "fold": types.is_integer,
    "label": types.is_integer,
    "group": _is_text,
}
