"""Spec -> units (member x fold x seed), their content hash, what is done, what is left.

A unit's folder is named by a hash of everything that decides its result: a changed member gets a
new folder, an unchanged one is never trained twice, and adding a member trains that one only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from orchestrator.photographs.table import Photographs
from orchestrator.runs.store import Store
from orchestrator.spec.folds.choice import folds_of, source_fold
from orchestrator.spec.spec import Member
from orchestrator.units.damage import missing_or_cut
from orchestrator.units.record import find_record

ALL: Literal["all"] = "all"  # in place of a fold: nothing is held out
Fold = int | Literal["all"]


@dataclass(frozen=True)
class Refit:
    """Of a unit that is trained on all rows, when its member's folds are (`refit.py`).

    epochs: after how many it stops; the recipe's own schedule is cut there. of: the hashes of the folds'
    units that this was read from, one a unit.
    """

    epochs: int
    of: tuple[str, ...]


@dataclass(frozen=True)
class Unit:
    """One member on one fold with one seed: what is trained, and where its files go.

    teachers: for each member that it learns from, the folders of that member's units whose tables it
    reads, one a fold and seed: of `pseudo` those of the same fold, of `teacher` those of the other folds,
    and of its own, the last, where it learns test photographs, too. refit: of fold ALL, else None.
    """

    member: Member
    hash: str
    fold: Fold
    seed: int | None
    teachers: tuple[tuple[str, ...], ...] = ()
    refit: Refit | None = None
    source: str | None = None

    @property
    def path(self) -> str:
        return unit_folder(self.member.name, self.hash, self.fold, self.seed)

    @property
    def title(self) -> str:
        seed = "" if self.seed is None else f" seed {self.seed}"
        part = "all rows" if self.fold == ALL else f"fold {self.fold}"
        return f"{self.member.name} {part}{seed}"

    def to_config(self) -> dict[str, Any]:
        """Plain values that `from_config` turns back into the unit."""
        return {
            "member": self.member.model_dump(mode="json"),
            "hash": self.hash,
            "fold": self.fold,
            "seed": self.seed,
            "teachers": [list(folders) for folders in self.teachers],
            "refit": None if self.refit is None else [self.refit.epochs, list(self.refit.of)],
            "source": self.source,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Unit:
        member, teachers = Member(**config["member"]), tuple(map(tuple, config["teachers"]))
        refit = None
        if config.get("refit"):
            epochs, of = config["refit"]
            refit = Refit(epochs, tuple(of))
        own = (member, config["hash"], config["fold"], config["seed"])
        return cls(*own, teachers, refit, config.get("source"))


def unit_folder(name: str, digest: str, fold: Fold, seed: int | None) -> str:
    """Where a unit's files stand in the run folder."""
    return f"units/{name}/{digest}/fold-{fold}" + ("" if seed is None else f"-seed-{seed}")


def member_hash(member: Member, photographs: Photographs) -> str:
    """16 hex digits of what decides a member's result, its name and its fold and seed apart."""
    content: dict[str, Any] = {
        # defaults left out: a key that a later version adds does not retrain everything
        "recipe": member.recipe.model_dump(mode="json", exclude_defaults=True),
        "targets": member.targets,
        "data": photographs.data_hash,
        "folds": photographs.folds_hash,
        "weights": _weights_digest(member.recipe.pretrained),
    }
    if member.init_from is not None:
        content["init_from"] = member.init_from  # whose unit has this hash, too
    if member.age_bounds is not None:
        content["age_bounds"] = member.age_bounds
    if member.photos is not None:
        content["photos"] = photographs.seen_hash(member.photos)
    if uses_years(member):
        content["years"] = photographs.years_hash
    if member.pseudo is not None:
        content["pseudo"] = {
            "at_least": member.pseudo.at_least,
            "test": photographs.test_hash_of(member.photos),
            "teachers": [
                [member_hash(own, photographs), own.seeds, photographs.test_hash_of(own.photos)]
                for own in member.teachers
            ],
        }
    if member.teacher is not None:
        content["teacher"] = _teaching(member, photographs)
    text = json.dumps(content, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _teaching(member: Member, photographs: Photographs) -> dict[str, Any]:
    """What decides what a student is taught, by `teacher`."""
    own = member.teacher
    assert own is not None
    of_test = photographs.test_hash_of(member.photos) if own.unlabelled else None
    teachers: list[list[Any]] = []
    for teacher in member.teachers:
        pictures = [photographs.test_hash_of(teacher.photos)] if own.unlabelled else []
        teachers.append([member_hash(teacher, photographs), teacher.seeds, *pictures])
    return {
        "vote": own.vote,
        "temperature": own.temperature,
        "hard": own.hard,
        "test": of_test,
        "teachers": teachers,
    }


def uses_years(member: Member) -> bool:
    sampling, mixing = member.recipe.sampling, member.recipe.mixing
    columns = [] if sampling == "shuffle" else [sampling.balance]
    columns += [] if mixing is None or mixing.partners == "random" else mixing.partners
    return member.age_bounds is not None or "age_group" in columns


def _weights_digest(pretrained: bool | str) -> str | None:
    """Of the file that training starts from: another file under the same name is another start."""
    if not isinstance(pretrained, str) or pretrained.startswith("package:"):
        return None
    try:
        if not Path(pretrained).is_file():  # a pipe would be waited for
            return None
        with Path(pretrained).open("rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()[:16]
    except OSError:
        return None  # `check` reports that it is missing


def of_member(member: Member, photographs: Photographs) -> list[Unit]:
    """Every unit of one member, fold by fold: of all folds, or of those that it names."""
    digest = member_hash(member, photographs)
    start = source_fold(member.init_from)
    hashes = [(own, member_hash(own, photographs)) for own in member.teachers]
    units = []
    for fold in folds_of(member.folds, photographs.n_folds):
        read = folds_read(member, fold, photographs.n_folds)
        teachers = tuple(
            tuple(unit_folder(own.name, of, f, seed) for f in read for seed in own.seeds or (None,))
            for own, of in hashes
        )
        for seed in member.seeds or (None,):
            source = None
            if start is not None and fold != start:
                source = unit_folder(member.name, digest, start, seed)
            units.append(Unit(member, digest, fold, seed, teachers, source=source))
    return units


def folds_read(member: Member, fold: Fold, n_folds: int) -> list[Fold]:
    """The folds of its teachers' units whose tables a member's unit of `fold` learns from."""
    if member.teacher is None:
        return [fold]
    others: list[Fold] = [other for other in range(n_folds) if other != fold]
    return [*others, fold] if member.teacher.unlabelled and fold != ALL else others


def chosen(member: Member, photographs: Photographs, store: Store) -> list[Unit]:
    """As `of_member`; where a unit is not trained, that of an earlier table which is (kept units)."""
    own = of_member(member, photographs)
    earlier = [of_member(member, before) for before in photographs.earlier]
    kept = {(unit.fold, unit.seed): unit for units in reversed(earlier) for unit in units
            if is_trained(unit, store)}  # fmt: skip
    return [
        kept.get((unit.fold, unit.seed), unit) if kept and not is_trained(unit, store) else unit
        for unit in own
    ]


def is_trained(unit: Unit, store: Store) -> bool:
    """Complete, for whatever test photographs. Raises as `is_done`."""
    return find_record(unit.path, store) is not None


def is_done(unit: Unit, store: Store, test_hash: str) -> bool:
    """Complete, its predictions for today's test photographs included, and none of its files gone
    or cut short.
    """
    record = find_record(unit.path, store)
    return (
        record is not None
        and record.test_hash == test_hash
        and not missing_or_cut(unit.path, record, store)
    )


def left(units: Iterable[Unit], store: Store, test_hash: str) -> list[Unit]:
    """Those of `units` that are not done."""
    return [unit for unit in units if not is_done(unit, store, test_hash)]
