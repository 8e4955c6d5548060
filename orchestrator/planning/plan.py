"""What a call has to do for a run folder, and what of it is done again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from members.data.folds.assign import absent_classes
from orchestrator.errors import WrongRequest, counted
from orchestrator.photographs.earlier import earlier_photographs
from orchestrator.photographs.prepare import Prepared
from orchestrator.planning.again import Again, again_lines, trained_again
from orchestrator.planning.kept import Resolved, kept_units, resolved, with_kept
from orchestrator.planning.students import Waiting, no_kept_units, require_teachers, waiting
from orchestrator.runs.damage import Damage
from orchestrator.runs.partial import FinishedFolds
from orchestrator.runs.snapshot import Snapshot
from orchestrator.runs.store import Store
from orchestrator.spec.folds.choice import optimism
from orchestrator.spec.spec import Member, Spec
from orchestrator.units import unit as units
from orchestrator.units.assemble import asked_folds
from orchestrator.units.damage import COPIED
from orchestrator.units.record import find_record, record_path
from orchestrator.units.unit import Unit


@dataclass
class Plan:
    """The units of the members `names`, and the searches that are still open.

    again: finished units that do not fit. predicted_again: units that are trained, whose test
    photographs changed (`other_photos`) or whose tables are gone. kept: member -> its units that
    were trained on earlier photographs.
    """

    now: Resolved
    names: list[str]
    units: list[Unit]
    todo: list[Unit]
    predicted_again: list[Unit]
    other_photos: list[Unit]
    again: list[Again] = field(default_factory=list)
    keepable: dict[str, int] = field(default_factory=dict)
    kept: dict[str, list[Unit]] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """What of the finished units is done again and why, a sentence each."""
        lines = again_lines(self.again, self.keepable)
        if self.other_photos:
            lines.append(
                f"other photos to predict: {_named(self.other_photos)} predict them; nothing of "
                "them is trained again"
            )
        if self.kept:
            every = [unit for of_member in self.kept.values() for unit in of_member]
            lines.append(
                f"--keep-units: {_named(every)} are used, trained on photos that are gone since; "
                "the record says so"
            )
        return lines

    def is_surprising(self) -> bool:
        """Whether finished units are trained again for something that does not stand in the spec."""
        return any(again.outside for again in self.again)

    @property
    def to_train(self) -> list[Unit]:
        """Of `todo` those that are trained, not only predict again."""
        return [unit for unit in self.todo if unit not in self.predicted_again]

    def left_of(self, member: Member, store: Store) -> list[Unit]:
        """The units of a member that are not done; a search may have decided its settings since."""
        if any(unit.refit for unit in self.units):
            own = [unit for unit in self.units if unit.member.name == member.name]
        else:
            own = units.chosen(member, self.now.photographs, store)
        return [unit for unit in own if not is_done(unit, self.now, store)]

    def waiting(self) -> list[Waiting]:
        """The members that learn from test photographs, and what they wait for."""
        photographs, todo = self.now.photographs, {unit.path for unit in self.todo}
        return waiting(self.names, self.now.spec.members, self.to_train, todo, photographs)

    def folds(self) -> list[str]:
        """The members that train some folds only, and those whose folds start from one, a sentence each."""
        found = {name: self._asked(name) for name in self.names}
        begun = [self.now.spec.member(name) for name in self.names]
        return [
            *(f"member {own.name}: {optimism(own.init_from)}" for own in begun if own.init_from),
            *(
                f"member {name}: {len(own.folds)} of {counted(own.n_folds, 'fold')} "
                f"({', '.join(map(str, own.folds))}); its OOF table has {own.rows} of {own.n_rows} rows"
                for name, own in found.items()
                if own
            ),
        ]

    def _asked(self, name: str) -> FinishedFolds | None:
        return asked_folds(self.now.spec.member(name), self.now.photographs)

    def damage(self) -> list[Damage]:
        """The records of searches that cannot be used: those begin again."""
        searching = [search for name, search in self.now.searching.items() if name in self.names]
        return [search.damage for search in searching if search.damage]

    def record(self) -> dict[str, Any]:
        """For `check --json`."""
        return {
            "trained_again": [
                {
                    "member": again.member,
                    "units": again.units,
                    "reasons": list(again.reasons),
                    "keepable": self.keepable.get(again.member, 0),
                }
                for again in self.again
            ],
            "predicted_again": [unit.path for unit in self.predicted_again],
            "kept": {name: [unit.path for unit in found] for name, found in self.kept.items()},
            "waiting": [
                {"member": own.member.name, "units": own.units, "for": own.teachers}
                for own in self.waiting()
            ],
        }


def make_plan(
    spec: Spec,
    prepared: Prepared,
    store: Store,
    names: Sequence[str],
    keep_units: bool,
    damaged: Iterable[Damage] = (),
) -> Plan:
    """What the members `names` of `spec` need. damaged: what will be set aside before.

    With `keep_units` the folds of `prepared` become those of the units that are kept. Raises
    `WrongRequest` where none can be, and where a member waits for others that are not among `names`.
    """
    if keep_units and (why := no_kept_units(spec.members, names)):
        raise WrongRequest(why)
    store = Snapshot(store)
    earlier = earlier_photographs(store)
    now = resolved(spec, prepared.photographs, store)
    keepable: dict[str, int] = {}
    kept: dict[str, list[Unit]] = {}
    if keep_units:
        own = now.photographs
        now = with_kept(now, spec, earlier, store)
        kept = {name: of for name, of in kept_units(now, store).items() if name in names}
        if not kept:
            raise WrongRequest(f"--keep-units: no unit of {', '.join(names)} can be kept")
        _note_folds(prepared, own, now)
    again = trained_again(now, list(names), spec, earlier, store)
    if again and not keep_units and not no_kept_units(spec.members, names):
        try:
            kept_then = kept_units(with_kept(now, spec, earlier, store), store)
            keepable = {name: len(found) for name, found in kept_then.items()}
        except WrongRequest:  # says why, to a call with that option
            pass
    of_members = [u for name in now.trained() if name in names for u in now.units(name, store)]
    gone = {p for d in damaged if d.then != COPIED for p in (d.path, *d.along)}
    hurt = {re.sub("/(epochs|views)/", "/", path).rpartition("/")[0] for path in gone}
    todo = [u for u in of_members if u.path in hurt or not is_done(u, now, store)]
    trained = [u for u in todo if record_path(u.path) not in gone and units.is_trained(u, store)]
    other = [unit for unit in trained if not _predicts(unit, now, store)]
    plan = Plan(now, list(names), of_members, todo, trained, other, again, keepable, kept)
    require_teachers(names, plan.to_train, now.photographs, store)
    return plan


def _predicts(unit: Unit, now: Resolved, store: Store) -> bool:
    """Whether a trained unit's predictions are for today's test photographs."""
    record = find_record(unit.path, store)
    return record is not None and record.test_hash == now.photographs.test_hash_of(
        unit.member.photos
    )


def is_done(unit: Unit, now: Resolved, store: Store) -> bool:
    return units.is_done(unit, store, now.photographs.test_hash_of(unit.member.photos))


def _note_folds(prepared: Prepared, own: Any, now: Resolved) -> None:
    """The notes of `prepared` on classes by fold are about the folds that are used."""
    codec, frame = own.codec, now.photographs.train
    wrong = absent_classes(own.train, own.train["fold"].to_numpy(), codec)
    right = absent_classes(frame, frame["fold"].to_numpy(), codec)
    prepared.notes = [note for note in prepared.notes if note not in wrong] + right
    prepared.photographs = now.photographs


def _named(found: list[Unit]) -> str:
    members = ", ".join(dict.fromkeys(unit.member.name for unit in found))
    return f"{counted(len(found), 'finished unit')} ({members})"
