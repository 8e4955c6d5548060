"""timm's policies: the same pixels as timm's own transforms on the same random numbers."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from members.batches.drawn import drawn_from
from members.batches.loader import Loader, in_batches
from members.batches.policies import policy_of
from members.networks.timm_import import timm
from members.pixels.augment import chain_of
from members.recipe.chains import CHAINS, Chain
from members.recipe.policies import read_policy
from members.recipe.recipe import Recipe
from tests.members.drawn import shapes

SIZE, MEAN = (40, 32), (0.485, 0.456, 0.406)
PHOTOS = shapes(6, SIZE).pixels
# moved by up to .45 of the shorter side, and filled with the mean's levels
GIVEN = {"translate_const": 14, "img_mean": (124, 116, 104)}
POLICIES = [
    "rand-m9-mstd0.5-inc1", "rand-m15-n4-mmax20-p0.8", "rand-m7-mstd101", "rand-tweights-n3",
    "rand-m5-t3aw", "original", "originalr-mstd0.5", "v0", "v0r", "3a", "augmix", "augmix-m5-w4-d2-b1",
]  # fmt: skip


def of_timm(text):
    """As timm's documentation of these functions says how to call them."""
    own = timm.data.auto_augment
    if text.startswith("rand"):
        return own.rand_augment_transform(text, dict(GIVEN))
    if text.startswith("augmix"):
        return own.augment_and_mix_transform(text, {**GIVEN, "translate_pct": 0.3})
    return own.auto_augment_transform(text, dict(GIVEN))


def of_earlier_pillow(image, bits):
    """`ImageOps.posterize` as it was before Pillow refused 0 bits and fewer: those are black."""
    mask = ~(2 ** (8 - bits) - 1)
    return image.point([i & mask for i in range(256)] * 3)


@pytest.mark.parametrize("text", POLICIES)
def test_a_policy_is_timm_s_own(text, monkeypatch):
    monkeypatch.setattr(timm.data.auto_augment.ImageOps, "posterize", of_earlier_pillow)
    vary, theirs = policy_of(Chain(policy=text), SIZE, MEAN), of_timm(text)
    changed = 0
    for seed in range(60):
        photo = PHOTOS[seed % len(PHOTOS)]
        with drawn_from(seed):
            expected = np.asarray(theirs(Image.fromarray(photo)))
        got = vary(photo, seed)
        assert got.dtype == np.uint8
        np.testing.assert_array_equal(got, expected)
        changed += not np.array_equal(got, photo)
    assert changed > 20


def test_no_bits_are_left_and_the_photo_is_black():
    vary = policy_of(Chain(policy="rand-m10-n8-p1.0-inc1"), SIZE, MEAN)
    black = [seed for seed in range(60) if not vary(PHOTOS[0], seed).any()]
    assert black


def test_three_augment_is_timm_s_with_a_colour_jitter_after():
    jitter = timm.data.transforms.transforms.ColorJitter(0.3, 0.3, 0.3)
    vary, theirs = policy_of(CHAINS["3-augment"], SIZE, MEAN), of_timm("3a")
    for seed in range(40):
        with drawn_from(seed):
            expected = np.asarray(jitter(theirs(Image.fromarray(PHOTOS[0]))))
        np.testing.assert_array_equal(vary(PHOTOS[0], seed), expected)


def test_three_augment_makes_a_third_of_the_photos_grey():
    vary = policy_of(CHAINS["3-augment"], SIZE, MEAN)
    grey = sum((np.ptp(vary(PHOTOS[0], seed), axis=2) == 0).all() for seed in range(300))
    assert 70 <= grey <= 130  # 100 +- 8


def test_what_a_photo_becomes_depends_on_its_seed_alone_and_no_generator_moves():
    vary = policy_of(Chain(policy="rand-m9-mstd0.5"), SIZE, MEAN)
    forwards = [vary(photo, 2**64 - 1 - seed) for seed, photo in enumerate(PHOTOS)]
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = random.random(), np.random.rand(), torch.rand(1).item()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    backwards = [vary(PHOTOS[seed], 2**64 - 1 - seed) for seed in reversed(range(6))][::-1]
    assert all((a == b).all() for a, b in zip(forwards, backwards, strict=True))
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == expected
    assert len({vary(PHOTOS[0], seed).tobytes() for seed in range(20)}) > 10


@pytest.mark.parametrize("workers", [1, 2])
def test_loader_processes_vary_as_this_one_does(workers):
    photos = shapes(9, SIZE)
    chain = chain_of(Recipe(model="x", augmentation="flip", auto_augment="rand-m9-mstd0.5-inc1"))
    pieces = in_batches(np.arange(9), 4)
    alone, several = (
        torch.cat(
            [x for x, _ in Loader(photos, chain, seed=3, workers=w, mean=MEAN).batches(pieces)]
        )
        for w in (0, workers)
    )
    assert torch.equal(alone, several)
    flipped = Loader(photos, replace(chain, policy=None), seed=3).batches(pieces)
    assert not torch.equal(alone, torch.cat([x for x, _ in flipped]))


def test_a_policy_comes_after_the_chain():
    chain = chain_of(Recipe(model="x", augmentation="custom", auto_augment="original"))
    assert chain == replace(CHAINS["custom"], policy="original")


# -- its strings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", POLICIES)
def test_what_is_read_timm_reads(text):
    assert read_policy(text) == text
    of_timm(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rnd-m9", "'rnd' is no known policy of timm. Did you mean 'rand'?"),
        ("rand-x9", "'x9' is no section of 'rand'. There are: m2 (magnitude, 10)"),
        ("rand-inc", "'inc' is no section"),  # timm passes over it
        ("rand-m9.5", "'m9.5' is no section"),
        ("rand-tfoo", "tweights|3aw|3a"),  # timm takes its usual set
        ("rand-m9-m8", "has 'm' twice"),
        ("rand-m11", "a magnitude above 10 counts as 10. Add mmax11"),
        ("rand-m9-mmax20", "mmax has no effect"),
        ("rand-t3a-inc1", "inc has no effect beside t3a"),
        ("rand-tweights-n16", "n is at most 15"),
        ("rand-n0", "At least 1"),
        ("rand-p0", "above 0, at most 1"),
        ("augmix-m11", "a magnitude above 10 counts as 10"),
        ("augmix-d0", "above 0"),
        ("v0-m9", "'m9' is no section of 'v0'"),
        ("3a-", "'' is no section"),
        ("", "no known policy"),
    ],
)
def test_what_timm_would_not_heed_is_refused(text, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Recipe(model="x", auto_augment=text)
    assert message in str(caught.value)


def test_two_policies_are_refused():
    with pytest.raises(ValueError, match="Leave one of them out"):
        Recipe(model="x", augmentation="3-augment", auto_augment="rand-m9")
