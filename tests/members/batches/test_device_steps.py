"""What a chain does on a GPU, on batches of a CPU: as albumentations does it where photographs are read."""

from __future__ import annotations

from unittest import mock

import cv2
import numpy as np
import pytest
import torch

from members.batches.device_steps import STEPS, last_steps, steps_on, vary_batch
from members.batches.loader import Loader, in_batches
from members.batches.photos import Photos
from members.pixels.augment import augmenter, drawing_augmenter
from members.recipe.chains import CHAINS, Chain
from members.training import feed
from tests.members.trained import TRAIN, recipe, same_weights, states

_NONE = {"brightness": (1, 1), "contrast": (1, 1), "saturation": (1, 1), "hue": (0, 0), "p": 1}
_NO_SHIFT = {"hue_shift_limit": 0, "sat_shift_limit": 0, "val_shift_limit": 0, "p": 1}
# of each step, arguments that say all that it can do
GIVEN = [
    ("HorizontalFlip", {}),
    ("VerticalFlip", {"p": 0.3}),
    ("RandomBrightnessContrast", {"brightness_limit": 0.4, "contrast_limit": 0.6}),
    ("RandomBrightnessContrast", {"ensure_safe_range": True, "p": 1}),
    ("ColorJitter", {"p": 0.6}),
    ("ColorJitter", CHAINS["custom"].transforms[0][1]),
    ("ColorJitter", {**_NONE, "brightness": (0, 2)}),
    ("ColorJitter", {**_NONE, "contrast": (0, 2)}),
    ("ColorJitter", {**_NONE, "contrast": (0, 0)}),
    ("ColorJitter", {**_NONE, "saturation": (0, 3)}),
    ("ColorJitter", {**_NONE, "saturation": (0, 0)}),
    ("ColorJitter", {**_NONE, "hue": (-0.5, 0.5)}),
    ("ColorJitter", _NONE),
    ("HueSaturationValue", {"p": 1}),
    ("HueSaturationValue", {**_NO_SHIFT, "hue_shift_limit": 180}),
    ("HueSaturationValue", {**_NO_SHIFT, "sat_shift_limit": 90}),
    ("HueSaturationValue", {**_NO_SHIFT, "val_shift_limit": 90}),
    ("HueSaturationValue", {**_NO_SHIFT, "hue_shift_limit": 0.2, "val_shift_limit": 0.2}),
    ("ToGray", {}),
    ("InvertImg", {}),
    ("Solarize", {"threshold_range": (0.1, 0.9), "p": 0.9}),
]


def photographs(n: int, size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """(n, h, w, 3) uint8: soft colours, every level at random, grey and black parts."""
    rng = np.random.default_rng(seed)
    found = np.empty((n, *size, 3), np.uint8)
    for i, photo in enumerate(found):
        coarse = rng.integers(0, 256, (5, 4, 3)).astype(np.uint8)
        photo[:] = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
        if i % 3 == 0:
            photo[:] = rng.integers(0, 256, photo.shape)
        if i % 5 == 0:
            photo[: size[0] // 2] = photo[: size[0] // 2, :, :1]
            photo[-3:] = 0
    return found


def far(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.abs(one.astype(int) - other).max())


def on_batches(transforms, photos: np.ndarray, first_seed: int) -> np.ndarray:
    names = [name for name, _ in transforms]
    draw = drawing_augmenter(
        Chain(transforms=transforms), None, [STEPS[name].numbers for name in names]
    )
    drawn = [draw(photo, first_seed + i) for i, photo in enumerate(photos)]
    assert all((left == photo).all() for (left, _), photo in zip(drawn, photos, strict=True))
    numbers = torch.from_numpy(np.stack([own for _, own in drawn]))
    batch = torch.from_numpy(photos.copy())
    return vary_batch(batch, names, numbers).numpy()


@pytest.mark.parametrize(("name", "arguments"), GIVEN, ids=lambda value: str(value)[:60])
@pytest.mark.parametrize("size", [(24, 40), (17, 33), (9, 7)])
def test_a_step_is_albumentations_within_one_level(name, arguments, size):
    photos = photographs(120, size)
    vary = augmenter(Chain(transforms=((name, arguments),)))
    expected = np.stack([vary(photo, 1000 + i) for i, photo in enumerate(photos)])
    got = on_batches(((name, arguments),), photos, 1000)
    assert far(got, expected) <= 1
    changed = (expected != photos).any((1, 2, 3)).mean()
    assert changed > 0.2 or arguments == _NONE


def test_every_step_is_among_those_compared():
    assert {name for name, _ in GIVEN} == {*STEPS}


def test_several_steps_draw_and_do_the_same_together():
    transforms = (
        ("HorizontalFlip", {}), ("ColorJitter", {}), ("VerticalFlip", {}), ("ToGray", {"p": 0.2}),
        ("HueSaturationValue", {}), ("RandomBrightnessContrast", {}), ("Solarize", {"p": 0.2}),
    )  # fmt: skip
    photos = photographs(200, (24, 40))
    vary = augmenter(Chain(transforms=transforms))
    expected = np.stack([vary(photo, i) for i, photo in enumerate(photos)])
    got = on_batches(transforms, photos, 0)
    # what differs by a level after one step may differ by more after the next
    assert (np.abs(got.astype(int) - expected) > 1).mean() < 1e-3


@pytest.mark.parametrize("name", STEPS)
def test_what_is_drawn_does_not_depend_on_what_a_photo_shows(name):
    chain = Chain(transforms=((name, {"p": 0.5}),))
    draw = drawing_augmenter(chain, None, [STEPS[name].numbers])
    photos = photographs(2, (12, 10))
    for seed in range(30):
        one, other = (draw(photo, seed)[1] for photo in photos)
        assert len(one) == STEPS[name].width
        assert (one == other).all()


@pytest.mark.parametrize(
    ("chain", "names"),
    [
        (CHAINS["base"], ()),
        (CHAINS["flip"], ("HorizontalFlip",)),
        (CHAINS["resized_crop"], ("HorizontalFlip",)),
        (CHAINS["light"], ("RandomBrightnessContrast",)),
        (CHAINS["custom"], ("ColorJitter",)),
        (CHAINS["affine"], ()),
        (CHAINS["heads"], ()),  # its last cuts holes
        (CHAINS["3-augment"], ()),  # timm's policy comes after the flip
        (Chain(transforms=(("ToGray", {}), ("GaussNoise", {}), ("VerticalFlip", {}), ("ToGray", {}))),
         ("VerticalFlip", "ToGray")),
        (Chain(transforms=(("RandomBrightnessContrast", {"brightness_by_max": False}),)), ()),
        (Chain(transforms=(("ToGray", {"method": "pca"}), ("InvertImg", {}))), ("InvertImg",)),
    ],
)  # fmt: skip
def test_the_steps_behind_the_last_that_stays_move(chain, names):
    assert last_steps(chain) == steps_on("cuda:0", chain) == names
    assert steps_on("cpu", chain) == ()


@pytest.mark.parametrize("name", ["flip", "light", "custom", "resized_crop"])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_s_batches_are_the_same_either_way(name, workers):
    chain = CHAINS[name]
    photos = Photos(photographs(14, (30, 26)), np.arange(14))
    size = (20, 18) if name == "resized_crop" else (30, 26)
    pieces = in_batches(np.random.default_rng(0).permutation(14), 4)
    where_read = Loader(photos, chain, seed=3, size=size)
    later = Loader(photos, chain, seed=3, size=size, workers=workers, later=last_steps(chain))
    for epoch in (0, 1):
        both = [list(loader.batches(pieces, epoch)) for loader in (where_read, later)]
        for (pixels, labels), (same, of_same) in zip(*both, strict=True):
            assert far(pixels.numpy(), same.numpy()) <= 1
            assert torch.equal(labels, of_same)


@pytest.mark.parametrize("settings", [
    {"augmentation": "flip"},
    {"augmentation": "light", "mixing": {"kind": "cutmix"}},
    {"augmentation": "custom", "erasing": {"probability": 0.5}},
])  # fmt: skip
def test_a_training_with_its_steps_on_the_device_ends_where_one_without_does(settings):
    settings = recipe("test_vit", optimizer="sgd", lr=0.01, epochs=2, **settings)
    _, as_read = states(settings)
    asked = []

    def of_a_gpu(device, chain):
        asked.append(device)
        return last_steps(chain)

    with mock.patch.object(feed, "steps_on", of_a_gpu):
        _, on_device = states(settings)
    assert asked == ["cpu"]
    for name, weight in as_read[-1]["model"].items():
        assert torch.allclose(on_device[-1]["model"][name], weight, atol=1e-4), name
    plain = recipe("test_vit", optimizer="sgd", lr=0.01, epochs=2, augmentation="base")
    assert not same_weights(states(plain, TRAIN)[1][-1]["model"], on_device[-1]["model"])
