"""Random erasing: timm's own rectangles on the same random numbers."""

import random

import numpy as np
import pytest
import torch

from members.batches.drawn import drawn_from
from members.batches.erasing import erase
from members.networks.timm_import import timm
from members.recipe.blocks import Erasing

X = torch.randn(8, 3, 24, 20, generator=torch.Generator().manual_seed(0)) + 9


@pytest.mark.parametrize("mode", ["const", "rand", "pixel"])
@pytest.mark.parametrize("count", [1, 3])
def test_each_photo_is_erased_as_timm_erases_it(mode, count):
    ours = erase(X.clone(), Erasing(probability=0.7, mode=mode, count=count), range(8))
    theirs = timm.data.random_erasing.RandomErasing(0.7, mode=mode, max_count=count, device="cpu")
    for number in range(8):
        with drawn_from(number):
            expected = theirs(X[number].clone())
        assert torch.equal(ours[number], expected)
    assert not torch.equal(ours, X)


def test_as_many_photos_are_erased_as_the_probability_says_and_within_its_areas():
    many = torch.ones(400, 1, 30, 30).expand(-1, 3, -1, -1).clone()
    erase(many, Erasing(probability=0.25, mode="const"), range(400))
    areas = (many[:, 0] == 0).float().mean(dim=(1, 2))
    assert 65 <= int((areas > 0).sum()) <= 135  # 100 +- 9
    assert areas[areas > 0].min() > 0.015
    assert areas.max() < 0.36


def test_a_part_of_a_batch_is_erased_as_in_the_whole_and_no_generator_moves():
    erasing = Erasing(probability=0.7)
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = random.random(), np.random.rand(), torch.rand(1).item()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    whole = erase(X.clone().to(memory_format=torch.channels_last), erasing, range(8))
    assert torch.equal(erase(X[3:].clone(), erasing, range(3, 8)), whole[3:])
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == expected
