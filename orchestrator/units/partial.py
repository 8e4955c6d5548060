"""Finished folds of a member that is not complete -> tables of their rows, for votes that ask for them.

`vote --common-rows` and `--missing-rows` read them: a fold that failed costs its rows only. A member that
by the spec trains some folds only has such tables, too, once these are done: `assemble` writes them.
"""

from __future__ import annotations

from collections import defaultdict

from orchestrator.photographs.table import Photographs
from orchestrator.runs.partial import FinishedFolds, discard
from orchestrator.runs.store import Store
from orchestrator.spec.spec import Member
from orchestrator.units.assemble import rows_of, write_partial
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
    folds = sorted({unit.fold for unit in units if isinstance(unit.fold, int)})
    found = rows_of(member, folds, photographs)
    write_partial(units, found, photographs, store)
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
