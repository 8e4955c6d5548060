"""Members that learn from other members: what a plan says of them, and what it refuses."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from orchestrator.errors import WrongRequest, counted
from orchestrator.photographs.table import Photographs
from orchestrator.runs.store import Store
from orchestrator.spec.spec import Member
from orchestrator.spec.students.checks import is_student
from orchestrator.units.record import PseudoRows, TaughtRows, UnitRecord
from orchestrator.units.unit import Unit, folds_read, is_done, of_member


@dataclass(frozen=True)
class Waiting:
    """`units` of a member that wait for `teachers`: member -> how many of its units are to do first."""

    member: Member
    units: int
    teachers: dict[str, int]
    photos: int

    def line(self) -> str:
        text = f"{self.member.name} {self._learns()}"
        if not self.units:
            return text
        waits = "waits" if self.units == 1 else "wait"
        first = [f"{counted(n, 'unit')} of {name}" for name, n in self.teachers.items() if n]
        if not first:
            return f"{text}: {counted(self.units, 'unit')} to train, its teachers are there"
        own = self.member.teacher
        whose = "each fold's for that fold's"
        if own is not None:
            whose = "each for all folds'" if own.unlabelled else "each for the other folds'"
        return f"{text}: {counted(self.units, 'unit')} {waits} for {' and '.join(first)}, {whose}"

    def _learns(self) -> str:
        pseudo, own = self.member.pseudo, self.member.teacher
        names = " and ".join(teacher.name for teacher in self.member.teachers)
        if pseudo is not None:
            return (
                f"also learns those of the {self.photos} photos to predict that {names} are sure of "
                f"({pseudo.at_least:g} or more)"
            )
        assert own is not None
        more = f", on the {self.photos} photos to predict, too" if own.unlabelled else ""
        return (
            f"learns to answer as the {own.vote} vote of {names} (temperature {own.temperature:g}, its "
            f"labels count {own.hard:g}){more}"
        )


def waiting(
    names: Sequence[str], members: Sequence[Member], to_train: Sequence[Unit],
    todo: Collection[str], photographs: Photographs,
) -> list[Waiting]:  # fmt: skip
    """For each student among the members `names`. to_train: units to train; todo: paths of all units
    that something is to do for."""
    found = []
    for member in members:
        if not is_student(member) or member.name not in names:
            continue
        own = [unit for unit in to_train if unit.member.name == member.name]
        folders = dict.fromkeys(f for unit in own for of in unit.teachers for f in of)
        first = {teacher.name: 0 for teacher in member.teachers}
        for folder in folders:
            first[folder.split("/")[1]] += folder in todo
        photos = 0 if photographs.test is None else len(photographs.test)
        found.append(Waiting(member, len(own), first, photos))
    return found


def require_teachers(
    names: Sequence[str], to_train: Sequence[Unit], photographs: Photographs, store: Store
) -> None:
    """Raise WrongRequest where a unit waits for teachers that this call does not train.

    names: the members that it trains.
    """
    problems = []
    for member in {unit.member.name: unit.member for unit in to_train}.values():
        lacking = {}
        for teacher in member.teachers:
            if teacher.name in names:
                continue
            test_hash = photographs.test_hash_of(teacher.photos)
            folds = {
                fold
                for unit in to_train
                if unit.member.name == member.name
                for fold in folds_read(member, unit.fold, photographs.n_folds)
            }
            own = [unit for unit in of_member(teacher, photographs) if unit.fold in folds]
            missing = [unit for unit in own if not is_done(unit, store, test_hash)]
            if missing:
                lacking[teacher.name] = f"{len(missing)} of {counted(len(own), 'unit')}"
        if lacking:
            which = " and ".join(f"{missing} of {name}" for name, missing in lacking.items())
            learns = (
                "learns test photos that {} label" if member.pseudo else "learns the vote of {}"
            )
            problems.append(
                f"--only: {member.name} {learns.format(' and '.join(lacking))}, and "
                f"{which} are not done. Train them by the same call: --only {' '.join(lacking)} "
                f"{member.name}; or leave --only out"
            )
    if problems:
        raise WrongRequest(problems)


def no_kept_units(members: Sequence[Member], names: Sequence[str]) -> str:
    """Why --keep-units cannot be, empty where it can."""
    begun = [m.name for m in members if m.init_from is not None and m.name in names]
    students = [m.name for m in members if is_student(m) and m.name in names]
    if begun:
        return (
            f"--keep-units: {' and '.join(begun)} {'has' if len(begun) == 1 else 'have'} init_from, and a "
            "kept unit is not the one that others of today's photographs start from. Leave --keep-units out"
        )
    if not students:
        return ""
    return (
        f"--keep-units: {' and '.join(students)} {'is' if len(students) == 1 else 'are'} trained on "
        "what other members' units say of photos, and kept units are not those that its hash "
        "names. Leave --keep-units out, or leave the member out (--only OTHERS ...)"
    )


def changed_teaching(
    member: Member, record: UnitRecord, photographs: Photographs
) -> tuple[list[str], list[str]]:
    """What changed for a student since `record`: in the spec, and outside of it.

    A change of its own settings or of the training photographs is told elsewhere.
    """
    before: PseudoRows | TaughtRows | None = record.teacher if member.teacher else record.pseudo
    if not is_student(member) or before is None:
        return [], []
    inside, outside = [], []
    if before.test_hash and before.test_hash != photographs.test_hash_of(member.photos):
        outside.append("other photos to predict, from which it learns")
    names, then = (" and ".join(of) for of in ([t.name for t in member.teachers], before.teachers))
    if member.teacher and member.teacher.of is None and names != then:
        inside.append(f"its teachers are {names}, not {then}")
    same_data = record.data_hash == photographs.data_hash
    same_data = same_data and record.folds_hash == photographs.folds_hash
    for teacher in member.teachers:
        was = before.teachers.get(teacher.name)
        if was and same_data and was != of_member(teacher, photographs)[0].hash:
            inside.append(f"its teacher {teacher.name} is another")
    return inside, outside
