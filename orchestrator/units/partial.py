"""Finished folds of a member that is not complete -> tables of their rows, for votes that ask for them.

`vote --common-rows` and `--missing-rows` read them: a fold that failed costs its rows only.
"""

from __future__ import annotations

from collections import defaultdict

from orchestrator.photographs.table import Photographs
from orchestrator.runs.damage import PARTIAL
from orchestrator.runs.partial import FOLDS, FinishedFolds, discard
from orchestrator.runs.store import Store
from orchestrator.spec.spec import Member
from orchestrator.units.assemble import (
    choose_epochs,
    finish,
    is_made,
    kinds_of,
    milliseconds_per_photo,
    require_whole,
    stamp_of,
    write_tables,
)
from orchestrator.units.selection import chosen_by_all_folds
from orchestrator.units.unit import Fold, Unit, chosen, is_done


def assemble_partial(
    member: Member, photographs: Photographs, store: Store
) -> FinishedFolds | None:
    """Write `partial/<member>/` from the folds all of whose seeds are done; which these are.

    OOF rows are those of these folds, a test row is the mean over their models. None, and nothing is
    left there, where the member is complete or no fold is done, or where all folds together choose its
    epoch or its views: a choice by some of them would be another member's. Raises `WrongRequest` where
    a table of a unit was damaged since this call began.
    """
    units = finished_units(member, photographs, store)
    if not units:
        discard(member.name, store)
        return None
    frame, folder = photographs.train, f"{PARTIAL}/{member.name}"
    folds = sorted({unit.fold for unit in units if isinstance(unit.fold, int)})
    found = FinishedFolds(
        folds=folds,
        n_folds=photographs.n_folds,
        rows=int(frame["fold"].isin(folds).sum()),
        n_rows=int((frame["fold"] >= 0).sum()),
    )
    stamp = f"{stamp_of(units, photographs)}\n{found.line()}"
    if is_made(folder, stamp, kinds_of(photographs), store):
        return found
    for unit in units:
        require_whole(unit, store)
    store.write_json(f"{folder}/epochs.json", choose_epochs(units, store))
    store.write_json(f"{folder}/{FOLDS}", found.model_dump())
    cost = milliseconds_per_photo(units, photographs, store)
    write_tables(folder, units, photographs, store, cost)
    finish(folder, stamp, store)
    return found


def finished_units(member: Member, photographs: Photographs, store: Store) -> list[Unit]:
    """What partial tables are made from; empty where there are none, see `assemble_partial`."""
    if chosen_by_all_folds(member.recipe):
        return []
    test_hash = photographs.test_hash_of(member.photos)
    by_fold: dict[Fold, list[Unit]] = defaultdict(list)
    for unit in chosen(member, photographs, store):
        by_fold[unit.fold].append(unit)
    done = [own for own in by_fold.values() if all(is_done(u, store, test_hash) for u in own)]
    return [] if len(done) == len(by_fold) else [unit for own in done for unit in own]
