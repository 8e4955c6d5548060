"""Whether the smallest batch can be trained with is known before, by torch's own word afterwards."""

from __future__ import annotations

import numpy as np
import pytest

from members.batches.photos import Photos
from members.recipe.recipe import Recipe
from members.training.check import batch_problem
from members.training.fit import fit

SIZES = {"test_resnet": (32, 64), "test_vit": (32, 32), "test_efficientnet": (32, 64)}


def recipe(model: str, side: int, batch_size: int, **changes) -> Recipe:
    return Recipe(
        model=model, image_size=(side, side), batch_size=batch_size, epochs=1, **changes
    )  # fmt: skip


def trains(given: Recipe, n: int) -> bool:
    photos = Photos(np.zeros((n, *given.image_size, 3), np.uint8), np.arange(n) % 2)
    try:
        list(fit(given, photos, None, 2, seed=0))
    except ValueError as error:
        return "more than 1 value per channel" not in str(error)
    return True


@pytest.mark.parametrize("model", SIZES)
@pytest.mark.parametrize(("n", "batch_size"), [(3, 1), (3, 2), (1, 2)])
def test_the_check_and_the_training_agree(model, n, batch_size):
    for side in SIZES[model]:
        given = recipe(model, side, batch_size)
        assert (batch_problem(given, 2, [n]) is None) == trains(given, n)


def test_of_several_parts_and_processes_the_smallest_counts():
    small = recipe("test_resnet", 32, 2)
    assert batch_problem(small, 2, [8, 9, 40]) is None
    assert batch_problem(small, 2, [8, 1]) is not None
    assert batch_problem(small, 2, [8, 9], ranks=2) is None  # batch norm keeps two together
    vit = recipe("test_vit", 32, 2)
    assert batch_problem(vit, 2, [8, 9], ranks=2) is None


def test_what_can_be_trained_is_named():
    text = batch_problem(recipe("test_resnet", 32, 1), 2, [12])
    assert "batch_size: 2 or more" in text
    assert "image_size: [64, 64]" in text
    assert "of 12" in text
    assert batch_problem(recipe("test_resnet", 32, 2), 2, [12]) is None
    assert batch_problem(recipe("test_resnet", 64, 1), 2, [12]) is None


def test_frozen_batch_norm_takes_one_photo():
    assert batch_problem(recipe("test_resnet", 32, 1, freeze="backbone"), 2, [12]) is None


def test_of_a_batch_of_which_half_is_learnt_that_half_counts():
    half = {"kind": "mixup", "mode": "half"}
    for batch_size, n in ((2, 8), (4, 9), (4, 8)):
        given = recipe("test_resnet", 32, batch_size, mixing=half)
        assert (batch_problem(given, 2, [n]) is None) == trains(given, n)
    assert "batch_size: 4 or more" in batch_problem(
        recipe("test_resnet", 32, 2, mixing=half), 2, [8]
    )
