"""Which finished units do not fit any more, and why: what is said before they are trained again."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from members.errors import BadInput
from orchestrator.errors import counted
from orchestrator.photographs.earlier import Earlier, differences, folds_block
from orchestrator.photographs.table import Photographs
from orchestrator.planning.kept import Resolved
from orchestrator.planning.students import changed_teaching
from orchestrator.runs.partial import folder_of
from orchestrator.runs.store import Store
from orchestrator.spec.spec import Member, Spec
from orchestrator.spec.students.blocks import Pseudo, Teacher
from orchestrator.units.record import UnitRecord, find_record, of_all_rows
from orchestrator.units.unit import member_hash, uses_years


@dataclass(frozen=True)
class Again:
    """A member's finished units that do not fit, and what changed since they were trained.

    outside: something changed that does not stand in the spec, so perhaps by accident.
    """

    member: str
    units: int
    reasons: tuple[str, ...]
    outside: bool


def trained_again(
    now: Resolved, names: list[str], spec: Spec, earlier: list[Earlier], store: Store
) -> list[Again]:
    """For each of the members `names` of which nothing that is there fits: what does not, and why.

    A member whose training has begun is left out, since what happens to it was decided before.
    """
    found = []
    for name in names:
        if name in now.left_out or _has_begun(now, name, store):
            continue
        records = _replaced(name, store)
        if records:
            searched = name in now.searching
            member = now.spec.member(name)
            inside, outside = _reasons(member, records[0], now.photographs, spec, earlier, searched)
            reasons = (*outside, *inside) or ("trained by another version",)
            found.append(Again(name, len(records), reasons, bool(outside)))
    return found


def _has_begun(now: Resolved, name: str, store: Store) -> bool:
    """Whether there is a unit or a candidate for what is asked for now."""
    if name in now.searching:
        return bool(now.searching[name].candidates)
    present = store.list(f"units/{name}")
    return any(unit.hash in present for unit in now.units(name, store))


def _replaced(name: str, store: Store) -> list[UnitRecord]:
    """Records of the finished units that the member's tables are of, or of those trained last."""
    by_hash: dict[str, list[UnitRecord]] = defaultdict(list)
    for digest in store.list(f"units/{name}"):
        for unit in store.list(f"units/{name}/{digest}"):
            if of_all_rows(unit):  # no member's table is of it
                continue
            try:
                record = find_record(f"units/{name}/{digest}/{unit}", store)
            except BadInput:  # damaged: nothing that could be used
                continue
            if record:
                by_hash[digest].append(record)
    if not by_hash:
        return []
    stamp = f"{folder_of(name, store)}/made_from.txt"
    shown = store.read(stamp).decode(errors="replace").split(" ")[0] if store.exists(stamp) else ""
    last = max(by_hash, key=lambda digest: max(r.ended or 0.0 for r in by_hash[digest]))
    return by_hash.get(shown) or by_hash[last]


def _reasons(
    member: Member,
    record: UnitRecord,
    now: Photographs,
    spec: Spec,
    earlier: list[Earlier],
    searched: bool,
) -> tuple[list[str], list[str]]:
    """What changed since `record`: in the spec, and outside of it."""
    drawn = set(spec.search.space) if spec.search and member.name in spec.searched() else set()
    inside = _changed_settings(record, member, drawn)
    before = _table_of(record, earlier)
    outside: list[str] = []
    if not inside and not searched and before and _other_weights(member, record, before):
        outside.append(f"other weights in {member.recipe.pretrained}")
    if before:
        copies = [member.photos] if member.photos else []
        found = differences(before.photographs, now, copies, years=uses_years(member))
        outside += found.values()
    elif record.data_hash != now.data_hash:
        outside.append("other training photographs")
    if record.folds_hash != now.folds_hash:
        folds = _changed_folds(before, spec)
        inside += folds
        if not folds and record.data_hash == now.data_hash:
            outside.append("other folds")
    of_teachers, of_test = changed_teaching(member, record, now)
    inside += of_teachers
    outside += of_test
    if searched and not inside and not outside:
        inside.append("another search")
    return inside, outside


def _table_of(record: UnitRecord, earlier: list[Earlier]) -> Earlier | None:
    """The photographs that a unit was trained on; in other folds where those are not known."""
    same = [e for e in earlier if e.photographs.data_hash == record.data_hash]
    return max(same, key=lambda e: e.photographs.folds_hash == record.folds_hash, default=None)


def _other_weights(member: Member, record: UnitRecord, before: Earlier) -> bool:
    """Whether the file that training starts from is another one, all else being as it was."""
    from_file = isinstance(member.recipe.pretrained, str)
    known = before.photographs.folds_hash == record.folds_hash
    return from_file and known and _hash_in(member, before.photographs) not in (None, record.hash)


def _hash_in(member: Member, table: Photographs) -> str | None:
    try:
        return member_hash(member, table)
    except KeyError:  # the copy of the photos that the member sees is new
        return None


def _changed_settings(record: UnitRecord, member: Member, drawn: set[str]) -> list[str]:
    """`lr: 0.001 -> 0.01` for each key of the member that decides its result."""
    try:
        before = _settings(Member.model_validate(record.member))
    except ValidationError:  # of a version with other keys
        return []
    now = _settings(member)
    return [
        f"{key}: {_short(before.get(key))} -> {_short(now.get(key))}"
        for key in now
        if before.get(key) != now.get(key) and key not in drawn
    ]


def _settings(member: Member) -> dict[str, Any]:
    apart = {"name", "seeds", "folds", "recipe", "pseudo", "teacher", "teachers"}
    plain = member.model_dump(mode="json", exclude=apart)
    blocks = (("pseudo", member.pseudo, Pseudo), ("teacher", member.teacher, Teacher))
    learnt = {f"{n}.{key}": getattr(b, key, None) for n, b, of in blocks for key in of.model_fields}
    return {**plain, **learnt, **member.recipe.model_dump(mode="json")}


def _changed_folds(before: Earlier | None, spec: Spec) -> list[str]:
    if before is None:
        return []
    now = folds_block(spec.folds)
    return [
        f"folds.{key}: {_short(before.folds.get(key))} -> {_short(now.get(key))}"
        for key in sorted({*now, *before.folds})
        if now.get(key) != before.folds.get(key)
    ]


def _short(value: Any) -> str:
    value = list(value) if isinstance(value, tuple) else value
    text = "null" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def again_lines(found: list[Again], keepable: dict[str, int]) -> list[str]:
    """A sentence for each set of reasons. keepable: member -> units that --keep-units would use."""
    together: dict[tuple[str, ...], list[Again]] = defaultdict(list)
    for again in found:
        together[again.reasons].append(again)
    lines = []
    for reasons, members in together.items():
        n = sum(again.units for again in members)
        names = ", ".join(again.member for again in members)
        verb = "does" if n == 1 else "do"
        line = (
            f"{', '.join(reasons)}: {counted(n, 'finished unit')} ({names}) {verb} not fit, so they "
            "are trained again"
        )
        line = re.sub("so they are", "so it is", line) if n == 1 else line
        kept = sum(keepable.get(again.member, 0) for again in members)
        if kept:
            line += f"; --keep-units uses {'them' if kept == n else kept} and says so in the record"
        lines.append(line)
    return lines
