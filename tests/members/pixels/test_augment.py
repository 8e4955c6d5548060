import os
import subprocess
import sys

import numpy as np
import pytest

from members.pixels.augment import augmenter, chain_of, crop_of
from members.recipe.chains import CHAINS, Chain
from members.recipe.recipe import Recipe
from tests.members.drawn import shapes

VARIED = [name for name, chain in CHAINS.items() if chain.transforms]


def test_base_changes_nothing():
    assert augmenter(CHAINS["base"]) is None
    assert CHAINS["base"].noise_std == 0
    assert crop_of(Recipe(model="x", augmentation="base")) is None


def test_custom_is_the_baseline_s_chain():
    chain = chain_of(Recipe(model="x", augmentation="custom"))
    height, width = crop_of(Recipe(model="x", augmentation="custom"))
    assert (height * 512, width * 384) == pytest.approx((320, 256))
    ((name, arguments),) = chain.transforms
    assert name == "ColorJitter"
    assert arguments["brightness"] == arguments["contrast"] == arguments["saturation"] == (0.9, 1.1)
    assert arguments["hue"] == (-0.1, 0.1)
    assert chain.noise_std == 1.0


def test_heads_is_the_three_heads_chain():
    height, width = crop_of(Recipe(model="x", augmentation="heads"))
    assert (height * 512, width * 384) == pytest.approx((448, 336))
    steps = chain_of(Recipe(model="x", augmentation="heads")).transforms
    assert [(name, arguments["p"]) for name, arguments in steps] == [
        ("HorizontalFlip", 0.5),
        ("Affine", 0.3),
        ("HueSaturationValue", 0.3),
        ("RandomBrightnessContrast", 0.3),
        ("CoarseDropout", 0.3),
        ("GaussNoise", 0.3),
        ("CoarseDropout", 0.3),
    ]


def test_a_chain_of_one_s_own_does_what_albumentations_does():
    recipe = Recipe(model="x", augmentation=[{"VerticalFlip": {"p": 1}}, {"Transpose": {"p": 1}}])
    assert crop_of(recipe) is None
    photo = shapes(1, (12, 12)).pixels[0]
    varied = augmenter(chain_of(recipe))(photo, 0)
    assert (varied == photo[::-1].transpose(1, 0, 2)).all()


def test_a_recipe_s_own_crop_comes_first():
    assert crop_of(Recipe(model="x", augmentation="custom", crop=[1, 300])) == (1, 300)


@pytest.mark.parametrize("name", VARIED)
@pytest.mark.parametrize("size", [(8, 8), (33, 20), (96, 72)])
def test_every_chain_keeps_size_and_type(name, size):
    vary = augmenter(CHAINS[name], size)
    for seed, photo in enumerate(shapes(4, size).pixels):
        varied = vary(photo, seed)
        assert varied.shape == photo.shape
        assert varied.dtype == np.uint8


@pytest.mark.parametrize("name", VARIED)
def test_what_a_photo_becomes_depends_on_its_seed_alone(name):
    photos = shapes(12).pixels
    vary = augmenter(CHAINS[name], (32, 32))
    forwards = [vary(photo, seed) for seed, photo in enumerate(photos)]
    np.random.seed(0)  # other generators have no say
    backwards = [vary(photos[seed], seed) for seed in reversed(range(12))][::-1]
    afresh = augmenter(CHAINS[name], (32, 32))(photos[7], 7)
    assert all((a == b).all() for a, b in zip(forwards, backwards, strict=True))
    assert (afresh == forwards[7]).all()
    assert len({vary(photos[0], seed).tobytes() for seed in range(20)}) > 1


def test_flip_swaps_left_and_right_in_half_of_the_photos():
    photo = shapes(1).pixels[0]
    vary = augmenter(CHAINS["flip"])
    flipped = 0
    for seed in range(400):
        varied = vary(photo, seed)
        is_flipped = (varied == photo[:, ::-1]).all()
        assert is_flipped or (varied == photo).all()
        flipped += is_flipped
    assert 160 <= flipped <= 240  # four standard deviations


def test_each_transform_of_a_chain_decides_for_itself():
    photo = shapes(1).pixels[0]
    flips = ("HorizontalFlip", {"p": 0.5}), ("VerticalFlip", {"p": 0.5})
    vary = augmenter(Chain(transforms=flips))
    outcomes = [photo, photo[:, ::-1], photo[::-1], photo[::-1, ::-1]]
    counts = np.zeros(4, int)
    for seed in range(400):
        counts += [np.array_equal(vary(photo, seed), outcome) for outcome in outcomes]
    assert counts.sum() == 400
    assert counts.min() > 60  # 100 of each expected


def test_brightness_alone_scales_the_pixels_within_its_limits():
    photo = np.full((8, 8, 3), 100, np.uint8)
    chain = Chain(
        transforms=(
            (
                "ColorJitter",
                {"brightness": (0.9, 1.1), "contrast": 0, "saturation": 0, "hue": 0, "p": 1},
            ),
        )
    )
    values = np.array([augmenter(chain)(photo, seed)[0, 0, 0] for seed in range(100)])
    assert values.min() >= 89
    assert values.max() <= 110
    assert np.ptp(values) > 15


def test_the_library_does_not_look_for_its_newest_version_on_the_network():
    code = (
        "from members.pixels.augment import CHAINS, augmenter; augmenter(CHAINS['flip']);"
        "import os; print(os.environ['NO_ALBUMENTATIONS_UPDATE'])"
    )
    environment = {k: v for k, v in os.environ.items() if k != "NO_ALBUMENTATIONS_UPDATE"}
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment
    )
    assert result.stdout.strip() == "1", result.stderr
