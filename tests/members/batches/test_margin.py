"""`margin`: photos are cut from copies larger than the network's input."""

import albumentations
import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from members.batches.loader import VARY, Loader, derived_seed, in_batches
from members.batches.photos import Photos
from members.pixels.augment import augmentation_problems, augmenter, chain_of
from members.pixels.crop import crop_and_resize
from members.recipe.chains import CHAINS
from members.recipe.recipe import Recipe
from members.recipe.stages import copy_size, training_copies
from members.training.memory import memory_of
from tests.members.drawn import shapes

CUT = ["RandomCrop", "HorizontalFlip"]


def test_a_copy_is_so_many_times_as_high_and_as_wide():
    recipe = Recipe(model="x", image_size=(64, 48), margin=1.15, augmentation="resized_crop")
    assert copy_size(recipe, (64, 48)) == (74, 55)  # 73.6, 55.2
    assert training_copies(recipe) == [(74, 55)]
    assert training_copies(Recipe(model="x", image_size=64)) == [(64, 64)]
    grown = recipe.model_copy(update={"sizes": ((32, 24), (64, 48)), "margin": 1.5})
    assert training_copies(grown) == [(48, 36), (96, 72)]


def test_a_copy_s_pixels_are_those_that_pil_averages():
    photo = shapes(1, (240, 180)).pixels[0]
    copy = crop_and_resize(photo, (120, 90), None)  # margin 1.5 of 80 x 60
    by_pil = np.asarray(Image.fromarray(photo).reduce(2))
    assert np.abs(copy.astype(int) - by_pil).max() <= 1


def test_a_crop_without_a_size_is_cut_to_the_network_s_from_the_larger_copy():
    photos = shapes(10, (48, 36))
    chain = chain_of(Recipe(model="x", augmentation=["RandomCrop"]))
    loader = Loader(photos, chain, seed=4, size=(32, 24))
    (batch, labels), *_ = loader.batches([np.arange(10)])
    assert batch.shape == (10, 32, 24, 3)
    assert labels.tolist() == photos.labels.tolist()
    corners = set()
    for own, copy in zip(batch.numpy(), photos.pixels, strict=True):
        found = [
            (top, left)
            for top in range(17)
            for left in range(13)
            if np.array_equal(copy[top : top + 32, left : left + 24], own)
        ]
        assert len(found) == 1
        corners.update(found)
    assert len(corners) > 5


def test_a_resized_crop_is_albumentations_own_of_the_copy_and_enlarges_less():
    copies, size = shapes(6, (96, 72)).pixels, (64, 48)
    by_hand = albumentations.Compose(
        [
            albumentations.RandomResizedCrop(
                size, (0.08, 1.0), (3 / 4, 4 / 3), area_for_downscale="image"
            ),
            albumentations.HorizontalFlip(p=0.5),
        ]
    )
    vary = augmenter(CHAINS["resized_crop"], size)
    for seed, copy in enumerate(copies):
        import random

        by_hand.set_random_state(np.random.default_rng(seed), random.Random(seed))
        np.testing.assert_array_equal(vary(copy, seed), by_hand(image=copy)["image"])


def test_a_fine_pattern_survives_a_crop_of_the_copy_and_not_of_what_was_shrunk():
    """Stripes of two pixels at twice the network's size: shrunk to it, they are grey."""
    photo = np.zeros((64, 64, 3), np.uint8)
    photo[:, ::2] = 255
    whole, shrunk = photo, cv2.resize(photo, (32, 32), interpolation=cv2.INTER_AREA)
    cut = augmenter(chain_of(Recipe(model="x", augmentation=[{"RandomCrop": {}}])), (32, 32))
    assert cut(whole, 0).std() > 100
    assert shrunk.std() == 0


@pytest.mark.parametrize("workers", [0, 2])
def test_photos_are_cut_by_their_place_whichever_process_reads_them(workers):
    copies = shapes(9, (48, 48))
    chain = chain_of(Recipe(model="x", augmentation="resized_crop", auto_augment="v0"))
    loader = Loader(copies, chain, seed=3, workers=workers, size=(32, 32))
    got = torch.cat([x for x, _ in loader.batches(in_batches(np.arange(9), 4), 2)])
    alone = Loader(copies, chain, seed=3, size=(32, 32))
    (again, _), *_ = alone.batches([np.arange(9)], 2, [slice(5, 9)])
    assert torch.equal(got[5:], again)
    assert got.shape == (9, 32, 32, 3)
    first = augmenter(CHAINS["resized_crop"], (32, 32))(
        copies.pixels[0], derived_seed(3, VARY, 2, 0)
    )
    assert first.shape == (32, 32, 3)


def test_check_counts_the_copies_that_a_batch_is_cut_from():
    recipe = Recipe(model="test_resnet", image_size=64, batch_size=8, augmentation="resized_crop")
    larger = recipe.model_copy(update={"margin": 2.0})
    plain, with_margin = (memory_of(own, 3, 1, 2) for own in (recipe, larger))
    copies = 8 * 3 * 64 * 64 * 4
    assert with_margin.loading - plain.loading == 2 * copies
    assert with_margin.step - plain.step == pytest.approx(1.2 * copies, abs=2)


# -- what is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"augmentation": "light"}, "nothing in this augmentation cuts photos"),
        ({"augmentation": ["HorizontalFlip"]}, "Write `augmentation: resized_crop`"),
        ({"augmentation": CUT, "margin": 1.0}, "greater than 1"),
        ({"augmentation": CUT, "margin": 1.01, "image_size": (64, 32)}, "adds no pixel to a side"),
    ],
)
def test_a_margin_without_effect_is_refused(settings, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Recipe(**{"model": "x", "margin": 1.5, **settings})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        (CUT, None),
        ("resized_crop", None),
        ([{"RandomResizedCrop": {"scale": [0.5, 1]}}, {"GaussNoise": {}}], None),
        (["RandomCrop", {"Resize": {"height": 50, "width": 50}}], "leave it as [50, 50]"),
        ([{"CenterCrop": {"height": 70, "width": 70}}], "and the network takes [64, 64]"),
        ([{"RandomResizedCrop": {"p": 0.5}}], "would leave the other photos [96, 96]"),
        ([{"RandomCrop": {"height": 99, "width": 64}}], "does not work on a photo of [96, 96]"),
    ],
)
def test_a_chain_that_does_not_end_at_the_network_s_size_is_named(chain, message):
    recipe = Recipe(model="test_resnet", image_size=64, margin=1.5, augmentation=chain)
    problems = augmentation_problems(recipe)
    assert (problems == []) if message is None else (message in problems[0]), problems


def test_without_margin_a_crop_fills_in_the_network_s_size_too():
    recipe = Recipe(model="x", image_size=(64, 48), sizes=[(32, 24), (64, 48)],
                    augmentation=[{"RandomResizedCrop": {"scale": [0.5, 1]}}])  # fmt: skip
    assert augmentation_problems(recipe) == []
    photos = Photos(shapes(3, (32, 24)).pixels)
    (batch, _), *_ = Loader(photos, chain_of(recipe)).batches([np.arange(3)])
    assert batch.shape == (3, 32, 24, 3)
