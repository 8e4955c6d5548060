"""`--folds refit`: an ensemble whose members answer by their networks of all rows, one a seed.

Those networks are found by what their records say they were read from: the units that the members' tables
are of, the same training photographs, the epochs and views that these units choose. The vote stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ensembles.files import places
from members.recipe.recipe import Recipe
from orchestrator.errors import BAD_INPUT, WrongRequest, counted
from orchestrator.inference.of_run import meta_of, to_predict, units_of
from orchestrator.inference.parts import Network, Part, Trained
from orchestrator.inference.refits.compared import compared
from orchestrator.runs.partial import finished_folds
from orchestrator.runs.store import Store
from orchestrator.units.record import UnitRecord, find_record, read_record
from orchestrator.units.refit import WEIGHTS, all_rows_folders, refit_epochs


@dataclass(frozen=True)
class Wanted:
    """What a member's networks of all rows must have been read from. hashes: of the folds' units, one a
    unit; seeds: one network each; views: that predict; data_hash: None where the tables do not say.
    """

    hashes: list[str]
    seeds: list[int | None]
    epochs: int
    views: list[str]
    data_hash: str | None
    test_hash: str

    def fits(self, record: UnitRecord) -> bool:
        """Whether a unit of all rows is the one, of its seed."""
        refit = record.refit
        return (
            refit is not None
            and (refit.of, refit.epochs) == (self.hashes, self.epochs)
            and record.seed in self.seeds
            and self.data_hash in (None, record.data_hash)
            and list(Recipe(**record.member["recipe"]).views) == self.views
        )


def with_refits(trained: Trained, store: Store, command: str) -> tuple[Trained, dict[str, Any]]:
    """The ensemble of a run with the networks of all rows, and what a bundle says of them.

    command: what trains them. Raises WrongRequest, with all that is missing or damaged.
    """
    problems: list[str] = []
    parts, said, folders = [], {}, {}
    alike = True
    for part in trained.members:
        try:
            wanted = wanted_of(part.name, store)
            found = _found(part.name, wanted, store)
            parts.append(_part(part, found, store))
        except BAD_INPUT as error:
            problems += error.problems
            continue
        folders[part.name] = [folder for folder, _ in found]
        alike &= all(record.test_hash == wanted.test_hash for _, record in found)
        said[part.name] = {
            "epochs": wanted.epochs,
            "of_epochs": found[0][1].member["recipe"]["epochs"],
            "networks": len(found),
            "in_place_of": len(part.networks),
        }
    if problems:
        problems[-1] += f" What trains {'it' if len(problems) == 1 else 'them'}: {command}"
        raise WrongRequest(problems)
    refit = replace(trained, members=tuple(parts))
    both: dict[str, Any] = {"none": f"they have predicted other photographs; again: {command}"}
    if alike:
        both = compared(trained, refit, folders, store)
    return refit, {"members": said, "compared": both}


def wanted_of(name: str, store: Store) -> Wanted:
    """Of the units that the member's tables are made from. Raises WrongRequest where it lacks folds."""
    finished = finished_folds(name, store)
    if finished and not finished.complete:
        raise WrongRequest(f"{name}: not all of its folds are trained, and those say for how long.")
    units, views = units_of(name, store)
    records = [read_record(folder, store) for folder, _ in units]
    recipe = Recipe(**records[0].member["recipe"])
    return Wanted(
        hashes=[record.hash for record in records],
        seeds=list(dict.fromkeys(record.seed for record in records)),
        epochs=refit_epochs([record.history for record in records], recipe),
        views=list(recipe.views if views is None else views),
        data_hash=meta_of(name, store).get("data_hash"),
        test_hash=records[0].test_hash,
    )


def _found(name: str, wanted: Wanted, store: Store) -> list[tuple[str, UnitRecord]]:
    """The folder and record of each seed's unit. Raises WrongRequest where one is missing."""
    there = _all_rows(name, store)
    by_seed = {record.seed: (folder, record) for folder, record in there if wanted.fits(record)}
    lacking = [seed for seed in wanted.seeds if seed not in by_seed]
    if not lacking:
        return [by_seed[seed] for seed in wanted.seeds]
    seeds = [str(seed) for seed in lacking if seed is not None]
    of = f" of seed {' and '.join(seeds)}" if seeds else ""
    others = sorted({record.refit.epochs for _, record in there if record.refit})
    which = f"{counted(wanted.epochs, 'epoch')} of the photographs and settings of its tables"
    but = ""
    if others:
        but = (
            f". There {'is' if len(there) == 1 else 'are'} {counted(len(there), 'other')}, of "
            f"{' and '.join(map(str, others))} epochs, other settings or other photographs"
        )
    raise WrongRequest(f"{name}: there is no network of all rows{of}, trained for {which}{but}.")


def _all_rows(name: str, store: Store) -> list[tuple[str, UnitRecord]]:
    """Every complete unit of all rows of a member, the last trained at the end."""
    folders = all_rows_folders(name, store)
    found = [(folder, record) for folder in folders if (record := find_record(folder, store))]
    return sorted(found, key=lambda own: own[1].ended or 0.0)


def _part(part: Part, found: Sequence[tuple[str, UnitRecord]], store: Store) -> Part:
    """The member with these networks. Raises WrongRequest where weights are missing or damaged."""
    networks, problems = [], []
    for folder, record in found:
        path, digest = store.uri(f"{folder}/{WEIGHTS}"), record.digests.get(WEIGHTS)
        recipe = to_predict(Recipe(**record.member["recipe"]), record.normalize, None)
        networks.append(Network(path, digest, recipe))
        if not places.exists(path):
            problems.append(f"{path}: the weights of {part.name} are not there.")
        elif places.file_digest(path) != digest:
            problems.append(f"{path}: damaged: its sha256 is not the one that was recorded.")
    if problems:
        raise WrongRequest(problems)
    cost = part.milliseconds
    cost = cost and round(cost * len(networks) / len(part.networks), 4)
    return replace(part, networks=tuple(networks), milliseconds=cost)
