"""Training photos that grow: which epoch sees which size, and what else stays as it is."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from members.batches.photos import Photos
from members.errors import BadInput
from members.networks.models import build_model
from members.recipe.stages import size_of
from members.training.check import batch_problem, recipe_problems
from members.training.fit import fit
from members.training.memory import memory_of
from tests.members.drawn import SHAPES
from tests.members.trained import TRAIN, VALID, recipe, same_weights, states, through_a_file


def resized(photos: Photos, size: tuple[int, int]) -> np.ndarray:
    x = torch.from_numpy(photos.pixels).permute(0, 3, 1, 2).float()
    return functional.interpolate(x, size).permute(0, 2, 3, 1).byte().numpy()


SMALL, MIDDLE = (16, 16), (16, 32)
GROWING = replace(TRAIN, sizes={size: resized(TRAIN, size) for size in (SMALL, MIDDLE)})
SIZES = [SMALL, MIDDLE, (32, 32)]


@pytest.mark.parametrize(
    ("sizes", "epochs", "expected"),
    [
        ([8, 16, 32], 10, [8] * 4 + [16] * 3 + [32] * 3),
        ([8, 8, 32], 6, [8] * 4 + [32] * 2),
        ([8, 32], 2, [8, 32]),
        ([48], 3, [48] * 3),
        ([], 2, [32, 32]),
    ],
)
def test_each_size_has_an_equal_share_of_the_epochs(sizes, epochs, expected):
    settings = recipe(sizes=sizes, epochs=epochs)
    assert [size_of(settings, epoch) for epoch in range(epochs)] == [(s, s) for s in expected]


def test_the_network_learns_from_each_size_and_is_validated_at_image_size():
    seen = []

    def note(module, inputs):
        if type(module).__name__ == "ResNet":
            seen.append((module.training, tuple(inputs[0].shape[2:])))

    handle = nn.modules.module.register_module_forward_pre_hook(note)
    try:
        states(recipe("test_resnet", sizes=SIZES, epochs=3), GROWING)
    finally:
        handle.remove()
    validated = [(False, (32, 32))]
    assert seen == [
        call for size in SIZES for call in [(True, size)] * 3 + validated
    ]  # 18 photos are 3 batches of 8


def test_photos_of_another_size_are_learned_as_if_they_were_all_there_is():
    _, after = states(recipe("test_resnet", sizes=[SMALL]), GROWING)
    small = Photos(GROWING.sizes[SMALL], TRAIN.labels, columns=TRAIN.columns)
    other = Photos(resized(VALID, SMALL), VALID.labels)
    _, alone = states(recipe("test_resnet", image_size=SMALL), small, other)
    assert same_weights(after[-1]["model"], alone[-1]["model"])


def test_rows_are_taken_in_every_size():
    rows = np.random.default_rng(0).permutation(18)[:9]
    some = GROWING.take(rows).take([3, 1])
    for size in (*SIZES[:2],):
        own = some.in_size(size)
        assert (own.read(np.arange(2)) == GROWING.sizes[size][rows[[3, 1]]]).all()
        assert (own.labels == TRAIN.labels[rows[[3, 1]]]).all()


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("test_efficientnet", {"dropout": 0.2, "head_first": {"epochs": 1, "lr": 0.1}}),
        ("test_vit", {"swa": {"epochs": 2, "lr": 0.01}, "select": "last", "epochs": 6}),
    ],
)
def test_stopped_after_any_epoch_it_ends_with_the_same_bits(model, settings):
    settings = recipe(model, **{"sizes": SIZES, "epochs": 5, **settings})
    _, after = states(settings, GROWING)
    for stop in range(1, settings.epochs):
        _, then = states(settings, GROWING, state=through_a_file(after[stop - 1]))
        assert same_weights(then[-1]["model"], after[-1]["model"]), stop
    _, helped = states(settings, GROWING, loader_workers=1)
    assert same_weights(helped[-1]["model"], after[-1]["model"])


def test_patience_begins_with_the_last_size():
    settings = recipe("test_resnet", sizes=SIZES, epochs=9, patience=1, metric="accuracy", lr=1e-9)
    epochs, _ = states(settings, GROWING)
    assert len(epochs) == 7


# -- what cannot be -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sizes": [16, 24, 32, 32, 32]}, "5 of them have no epoch each in epochs: 4"),
        ({"sizes": [32, 32]}, "no effect: all of them are image_size"),
        ({"sizes": [4, 32]}, r"each 8 to 4096; got \[4, 4\]"),
        ({"sizes": [[16], [32, 32]]}, "Field required"),
    ],
)
def test_what_the_values_alone_show_is_refused_at_once(settings, message):
    with pytest.raises(ValueError, match=message):
        recipe(**settings)


def test_a_network_whose_tables_timm_fits_to_each_photo_takes_other_sizes():
    settings = recipe("vit_tiny_patch16_224", image_size=64, sizes=[[32, 48], 64])
    assert recipe_problems(settings) == []
    with torch.no_grad():
        model = build_model(settings, SHAPES).eval()
        assert model(torch.zeros(1, 3, 32, 48)).shape == (1, SHAPES)
        # and at image_size it is the network that it is without other sizes
        alone = build_model(settings.model_copy(update={"sizes": ()}), SHAPES).eval()
        alone.load_state_dict(model.state_dict())
        x = torch.randn(2, 3, 64, 64)
        assert torch.equal(model(x), alone(x))


@pytest.mark.parametrize(
    ("model", "sizes", "message"),
    [
        ("mixer_s16_224", [32, 64], r"sizes: mixer_s16_224 does not take \[32, 32\].*Leave sizes"),
        ("vit_tiny_patch16_224", [[40, 32], 64], r"sizes: .* take \[40, 32\]: .*Nearest: \[32, 32"),
    ],
)
def test_a_network_that_takes_one_size_only_is_refused_before_training(model, sizes, message):
    (problem,) = recipe_problems(recipe(model, image_size=64, sizes=sizes))
    assert re.search(message, problem), problem


def test_a_batch_too_small_for_batch_norm_at_the_smallest_size_is_found():
    settings = recipe("test_resnet", image_size=64, batch_size=1, sizes=[16, 64])
    assert "sizes of [16, 16]" in batch_problem(settings, SHAPES, [3])
    assert batch_problem(settings.model_copy(update={"sizes": ()}), SHAPES, [3]) is None


def test_a_transform_that_does_not_work_at_a_smaller_size_is_found():
    chain = [{"RandomCrop": {"height": 24, "width": 24}}, {"Resize": {"height": 32, "width": 32}}]
    problems = recipe_problems(recipe("test_resnet", sizes=[16, 32], augmentation=chain))
    assert any("[16, 16]" in problem for problem in problems)


def test_photos_that_are_not_there_in_a_size_are_refused_before_the_first_epoch():
    with pytest.raises(BadInput, match=r"training part: training takes copies of \[16, 16\]"):
        fit(recipe(sizes=[16, 32]), TRAIN, VALID, SHAPES, seed=0)
    wrong = replace(TRAIN, sizes={SMALL: GROWING.sizes[MIDDLE]})
    with pytest.raises(BadInput, match=r"must be uint8 of shape \(18, 16, 16, 3\)"):
        fit(recipe(sizes=[16, 32]), wrong, VALID, SHAPES, seed=0)


def test_memory_is_that_of_the_largest_size():
    large = memory_of(recipe("test_resnet", image_size=64), 5)
    assert memory_of(recipe("test_resnet", sizes=[32, 64]), 5) == large
    assert memory_of(recipe("test_resnet", image_size=64, sizes=[32, 64]), 5) == large
