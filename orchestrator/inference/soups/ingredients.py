"""Which networks of a member may be averaged, and why those of another may not."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.errors import WrongRequest
from orchestrator.inference.parts import Network, Part, Trained
from orchestrator.inference.soups.judges import Judge
from orchestrator.runs.store import Store
from orchestrator.units.record import UnitRecord, read_record
from orchestrator.units.unit import Fold

_UNIT = re.compile(r"(units/[^/]+/[^/]+/fold-\d+(?:-seed-\d+)?)/")


@dataclass(frozen=True)
class Unit:
    """A network and how it was trained."""

    network: Network
    record: UnitRecord

    @property
    def name(self) -> str:
        """As its folder: `fold-0-seed-1`."""
        seed = self.record.seed
        return f"fold-{self.record.fold}" + (f"-seed-{seed}" if seed is not None else "")


def units_of(trained: Trained, store: Store) -> dict[str, list[Unit]]:
    """Member -> its networks with their records. Raises WrongRequest with all that are damaged."""
    found: dict[str, list[Unit]] = {}
    problems: list[str] = []
    for part in trained.members:
        found[part.name] = []
        for network in part.networks:
            folder = _UNIT.search(network.place.replace("\\", "/"))
            assert folder, f"{network.place} is no place of a unit"
            try:
                found[part.name].append(Unit(network, read_record(folder[1], store)))
            except WrongRequest as error:
                problems += error.problems
    if problems:
        raise WrongRequest(problems)
    return found


def has_seeds(units: Mapping[str, Sequence[Unit]]) -> bool:
    """Whether some member that began from given weights has several networks of one fold."""
    return any(
        began_together(own) is None and len({unit.record.fold for unit in own}) < len(own)
        for own in units.values()
    )


def began_together(units: Sequence[Unit]) -> str | None:
    """Why the networks have no common beginning, or None where they have one."""
    recipes = [unit.network.recipe for unit in units]
    if any(recipe.pretrained is False for recipe in recipes):
        return (
            "its networks began from different random weights, and averaging needs a common start"
        )
    if len({(recipe.model, recipe.pretrained) for recipe in recipes}) > 1:
        return "its networks did not begin from the same weights"
    return None


def obstacle(part: Part, units: Sequence[Unit], judge: Judge) -> str | None:
    """Why a member's networks are not averaged, whatever they score; None where they may be."""
    if len(units) < 2:
        return "it is one network already"
    if why := began_together(units):
        return why
    if part.networks[0].recipe.test_normalize is not None:
        return (
            "test_normalize: it is asked with another normalisation than it was trained with, in which "
            "its batch norm cannot be measured on training photos"
        )
    first = units[0].record
    if first.member.get("age_bounds"):
        return "age_bounds: its classes are its own, and the judge's labels are of the run's"
    if judge.folds is not None and first.member.get("init_from"):
        return "init_from: its networks started from one that learnt the photographs which would judge them"
    if judge.learnt and any(_learnt(unit.record) for unit in units):
        return "it learnt photos that the run predicts, of which the judge's are"
    n_folds = len({unit.record.fold for unit in units})
    if judge.folds is not None and len(units) > n_folds * len(_common_seeds(units)):
        return "its folds were not trained with the same seeds"
    if judge.folds is not None and len(units) == n_folds:
        return (
            "it has one seed: over folds, each training photo was seen by some network, so only --judge "
            "could say whether their mean is as good"
        )
    return None


def _learnt(record: UnitRecord) -> bool:
    """Whether the unit was trained on photographs that the run predicts."""
    pseudo = record.pseudo is not None and record.pseudo.taken > 0
    return pseudo or (record.teacher is not None and record.teacher.unlabelled > 0)


def pots_of(units: Sequence[Unit], judge: Judge) -> dict[str, list[Unit]]:
    """Name -> units that are averaged with each other: all, or where each photograph is asked about of one
    fold's networks, those of each fold, the seeds in one order.
    """
    if judge.folds is None:
        return {"soup": list(units)}
    seeds = _common_seeds(units)
    pots: dict[str, list[Unit]] = defaultdict(list)
    for unit in sorted(units, key=lambda unit: unit.record.fold):
        pots[f"fold-{unit.record.fold}-soup"].append(unit)
    return {
        name: sorted(own, key=lambda unit: seeds.index(unit.record.seed))
        for name, own in pots.items()
    }


def _common_seeds(units: Sequence[Unit]) -> list[int | None]:
    """Those that every fold has, in the order of the first."""
    by_fold: dict[Fold, list[int | None]] = defaultdict(list)
    for unit in units:
        by_fold[unit.record.fold].append(unit.record.seed)
    first, *others = by_fold.values()
    return [seed for seed in first if all(seed in own for own in others)]
