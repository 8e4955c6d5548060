"""Units that are trained on all rows, one a member and seed, for `export --folds refit`.

How long each trains is read from the folds' units, and so are the views that were chosen. Nothing is held
out: no epoch is chosen, nothing stops early, and there is no OOF table. Votes and `tables/` know nothing of
these units.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from members.recipe.recipe import Recipe
from orchestrator.photographs.table import Photographs
from orchestrator.runs.partial import folder_of
from orchestrator.runs.store import Store
from orchestrator.spec.spec import Member
from orchestrator.units.record import of_all_rows, read_record
from orchestrator.units.selection import History, common_epoch
from orchestrator.units.unit import ALL, Refit, Unit, chosen, folds_read, member_hash, unit_folder

WEIGHTS = "model.safetensors"  # of a unit that keeps no epochs by themselves


def refit_problem(member: Member, photographs: Photographs) -> str:
    """Why a member cannot be trained on all rows, and what to do; empty where it can."""
    if not (photographs.train["fold"] >= 0).any():
        return (
            "its network is trained on all rows already, since the folds hold nothing out. Leave --refit out "
            "and export it with --folds all"
        )
    if member.init_from is not None:
        return (
            f"init_from: the networks of its folds start from that of {member.init_from}, so that their "
            "epochs say nothing of one that starts anew. Leave init_from out of the spec, or --refit"
        )
    if member.recipe.schedule == "plateau":
        return (
            "schedule: plateau lowers the rate by the score of held-out photos, and with all rows to train "
            "on none are held out. Write schedule: cosine, step or constant"
        )
    return ""


def refit_epochs(histories: Sequence[History], recipe: Recipe) -> int:
    """After how many epochs the training on all rows stops, from those of the folds' units.

    With `select: last` what the folds ran: the recipe's epochs, or with patience the median of their
    numbers, the lower of two. Else the common epoch, the best of the mean curve.
    """
    if recipe.select == "last":
        return statistics.median_low(map(len, histories))
    return common_epoch(histories, recipe.metric)


def refit_recipe(recipe: Recipe, views: Sequence[str] | None) -> Recipe:
    """The recipe without what needs held-out rows. views: those that were chosen, None: the recipe's own.

    `epochs` stays, since the learning rate and the sizes of an epoch are those that it had in the folds.
    """
    changes: dict[str, Any] = {
        "select": "last",
        "patience": None,
        "validation_views": False,
        "submissions_above": None,
        "choose_views": (),
    }
    if views is not None:
        changes["views"] = tuple(views)
    return recipe.model_copy(update=changes)


def refit_hash(
    member: Member, photographs: Photographs, epochs: int, views: Sequence[str] | None
) -> str:
    """16 hex digits of what decides the result: all that decides the folds' units, and what was read
    from those."""
    content = {
        "refit": member_hash(member, photographs),
        "epochs": epochs,
        "views": None if views is None else list(views),
    }
    text = json.dumps(content, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def refit_units(member: Member, photographs: Photographs, store: Store) -> list[Unit]:
    """The units of a member on all rows, one a seed.

    Its folds are complete and its tables made. Of `pseudo`, the teachers are their own networks of all
    rows; of `teacher`, the OOF tables of all folds, with nothing left out for a fold of the student's.
    """
    folds = chosen(member, photographs, store)
    histories = [read_record(unit.path, store).history for unit in folds]
    epochs = refit_epochs(histories, member.recipe)
    views = chosen_views_of(member, store)
    digest = refit_hash(member, photographs, epochs, views)
    own = member.model_copy(update={"recipe": refit_recipe(member.recipe, views)})
    refit = Refit(epochs, tuple(unit.hash for unit in folds))
    teachers = tuple(_teaching_units(member, teacher, photographs) for teacher in member.teachers)
    return [Unit(own, digest, ALL, seed, teachers, refit) for seed in member.seeds or (None,)]


def all_rows_folders(name: str, store: Store) -> list[str]:
    """The folders of a member's units of all rows, of whatever settings."""
    return [
        f"units/{name}/{digest}/{unit}"
        for digest in store.list(f"units/{name}")
        for unit in store.list(f"units/{name}/{digest}")
        if of_all_rows(unit)
    ]


def chosen_views_of(member: Member, store: Store) -> list[str] | None:
    """Where the recipe chooses views, those that the member's tables are made by."""
    if not member.recipe.choose_views:
        return None
    of_tables: Mapping[str, Any] = store.read_json(f"{folder_of(member.name, store)}/epochs.json")
    return list(of_tables["views"])


def _teaching_units(member: Member, teacher: Member, photographs: Photographs) -> tuple[str, ...]:
    """The folders of a teacher's units that a student of all rows learns from."""
    seeds = teacher.seeds or (None,)
    if member.pseudo is not None:
        # a teacher has `select: last` and no patience: the spec's checks refuse others
        digest = refit_hash(teacher, photographs, teacher.recipe.epochs, None)
        return tuple(unit_folder(teacher.name, digest, ALL, seed) for seed in seeds)
    digest = member_hash(teacher, photographs)
    read = folds_read(member, ALL, photographs.n_folds)
    return tuple(unit_folder(teacher.name, digest, f, seed) for f in read for seed in seeds)
