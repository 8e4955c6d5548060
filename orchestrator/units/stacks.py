"""Tables of members -> the tables of a stack, which is fitted to them and votes beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ensembles.errors import BadInput
from ensembles.files import places
from ensembles.files.digests import is_there, require_right
from ensembles.files.parquet import KINDS, Kind, read_members, write_table
from ensembles.judging.steps import Progress
from ensembles.second_level.cross_fit import stacking_folds
from ensembles.second_level.stack import kind_problems, size_problems, stack_table
from orchestrator.photographs.table import Photographs
from orchestrator.runs.damage import MADE_FROM
from orchestrator.runs.store import Store
from orchestrator.spec.spec import Spec, StackedMember
from orchestrator.units.assemble import finish, is_made
from orchestrator.units.predictions import table_meta

RECORD = "stack.json"
# Of how a stack is fitted: another number makes the tables of all stacks again.
WAY = 1


def stack_problems(spec: Spec, photographs: Photographs | None) -> list[str]:
    """What would hinder the stacks of a spec here, each with its key: a package that is missing, more
    to fit than is fitted, too few groups. photographs: None where they cannot be read.
    """
    found = []
    for own in spec.stacks:
        key = f"members.{own.name}.stack"
        found += [f"{key}.{problem}" for problem in kind_problems(own.stack.kind)]
        if photographs is not None:
            problems = size_problems(len(own.stack.of), len(photographs.codec.classes))
            found += [f"{key}.of: {problem}" for problem in problems]
            found += [f"{key}: {problem}" for problem in _fold_problems(photographs)]
    return found


def _fold_problems(photographs: Photographs) -> list[str]:
    held_out = photographs.train[photographs.train["fold"] >= 0]
    groups = held_out["group"].astype(str).to_numpy(object)
    try:
        stacking_folds(held_out["fold"].to_numpy(), groups)
    except BadInput as error:
        return error.problems
    return []


def assemble_stack(
    stacked: StackedMember,
    photographs: Photographs,
    store: Store,
    progress: Progress | None = None,
    fit: bool = True,
) -> bool:
    """Write `tables/<stack>/` from its members' tables, or remove it where one is missing.

    fit: where it must be fitted, do so; else it is only removed.

    They are made again where a member's table has other bytes, and not otherwise. `stack.json` says
    how they were fitted. True where the stack is complete. Raises BadInput as `stack_table`.
    """
    name, of = stacked.name, stacked.stack.of
    folder = f"tables/{name}"
    if not all(store.exists(f"tables/{member}/{MADE_FROM}") for member in of):
        store.delete(folder)
        return False
    kinds = [kind for kind in KINDS if all(_is_table(member, kind, store) for member in of)]
    if "oof" not in kinds:
        store.delete(folder)
        return False
    stamp = _stamp(stacked, kinds, photographs, store)
    if is_made(folder, stamp, kinds, store) and store.exists(f"{folder}/{RECORD}"):
        return True
    if not fit:
        return False
    frame = photographs.train
    groups = dict(zip(frame["image_id"], frame["group"].astype(str), strict=True))
    place = store.uri("tables")
    made = stack_table(
        read_members(place, "oof", of),
        read_members(place, "test", of) if "test" in kinds else None,
        stacked.stack.kind,
        name=name,
        groups=groups,
        progress=progress,
    )
    for kind, table in (("oof", made.oof), ("test", made.test)):
        if table is not None:
            table.meta |= table_meta(photographs, name, photographs.codec)
            write_table(store.uri(f"{folder}/{kind}.parquet"), table)
    store.write_json(f"{folder}/{RECORD}", made.record)
    finish(folder, stamp, store)
    return True


def _is_table(member: str, kind: Kind, store: Store) -> bool:
    return is_there(store.uri(f"tables/{member}/{kind}.parquet"))


def _stamp(
    stacked: StackedMember, kinds: Sequence[Kind], photographs: Photographs, store: Store
) -> str:
    """What the tables are made from. Its first word is a hash of it all, as of every member."""
    lines = [f"{stacked.stack.kind} of {' '.join(stacked.stack.of)}", f"way {WAY}"]
    lines += [f"data {photographs.data_hash} folds {photographs.folds_hash}"]
    for member in stacked.stack.of:
        for kind in kinds:
            path = store.uri(f"tables/{member}/{kind}.parquet")
            digest = require_right(path) or places.file_digest(path)
            lines.append(f"{digest}  {member}/{kind}.parquet")
    text = "\n".join(lines)
    return f"{hashlib.sha256(text.encode()).hexdigest()[:16]} {text}"
