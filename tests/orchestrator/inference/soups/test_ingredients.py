"""Which members' networks may be averaged, and what is said of the others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from members.recipe.recipe import Recipe
from orchestrator.inference.parts import Network, Part, Seen
from orchestrator.inference.soups.choice import Rows
from orchestrator.inference.soups.ingredients import Unit, has_seeds, obstacle, pots_of
from orchestrator.inference.soups.judges import Judge
from orchestrator.units.record import UnitRecord

NONE = np.zeros(0, int)
OVER_FOLDS = Judge("a list", (), (), Rows(NONE, NONE, NONE), learnt=True)
OVER_SEEDS = Judge("held out", (), (), Rows(NONE, NONE, NONE), folds=NONE)
BEGUN = {"model": "resnet34", "pretrained": "start.pth"}
TEACHER = {"vote": "weighted", "temperature": 2, "hard": 0.3}


def units(
    folds: int = 3,
    seeds: tuple[int | None, ...] = (None,),
    recipe: dict[str, Any] = BEGUN,
    **more: Any,
) -> list[Unit]:
    given = {"hash": "0" * 16, "best_epoch": 1, "metrics": {}, "history": [{}], "test_hash": ""}
    return [
        Unit(
            Network(f"units/net/0/fold-{fold}/model.safetensors", None, Recipe(**recipe)),
            UnitRecord(fold=fold, seed=seed, **given, **more),
        )
        for fold in range(folds)
        for seed in seeds
    ]


def why(found: list[Unit], judge: Judge = OVER_FOLDS) -> str | None:
    part = Part("net", Seen((32, 32)), tuple(unit.network for unit in found))
    return obstacle(part, found, judge)


@pytest.mark.parametrize(
    ("found", "judge", "reason"),
    [
        (units(), OVER_FOLDS, None),
        (units(seeds=(1, 2)), OVER_SEEDS, None),
        (units(folds=1), OVER_FOLDS, "one network already"),
        (units(recipe={"model": "resnet34"}), OVER_FOLDS, "different random weights"),
        (units(folds=1) + units(recipe={**BEGUN, "pretrained": "other.pth"}), OVER_FOLDS,
         "did not begin from the same weights"),
        (units(recipe={**BEGUN, "test_normalize": "imagenet"}), OVER_FOLDS, "test_normalize"),
        (units(member={"age_bounds": [20, 50]}), OVER_FOLDS, "age_bounds"),
        (units(pseudo={"at_least": 0.9, "taken": 3}), OVER_FOLDS, "learnt photos that the run predicts"),
        (units(pseudo={"at_least": 0.9, "taken": 0}), OVER_FOLDS, None),
        (units(teacher={**TEACHER, "unlabelled": 9}), OVER_FOLDS, "learnt photos that the run predicts"),
        (units(teacher=TEACHER), OVER_FOLDS, None),
        (units(), OVER_SEEDS, "it has one seed"),
        (units(seeds=(1, 2)) + units(folds=1, seeds=(3,)), OVER_SEEDS, "not trained with the same seeds"),
    ],
)  # fmt: skip
def test_what_stands_against_a_mean_is_said(found, judge, reason):
    text = why(found, judge)
    assert (text is None) == (reason is None)
    assert (reason or "") in (text or "")


def test_seeds_of_a_fold_are_averaged_in_one_order():
    mixed = units(seeds=(1, 2))[::-1]
    pots = pots_of(mixed, OVER_SEEDS)
    assert {name: [u.name for u in own] for name, own in pots.items()} == {
        f"fold-{f}-soup": [f"fold-{f}-seed-2", f"fold-{f}-seed-1"] for f in range(3)
    }
    assert [len(own) for own in pots_of(mixed, OVER_FOLDS).values()] == [6]


def test_only_seeds_of_a_common_start_can_be_judged_without_more():
    assert has_seeds({"a": units(), "b": units(seeds=(1, 2))})
    assert not has_seeds({"a": units(), "b": units(seeds=(1, 2), recipe={"model": "resnet34"})})
