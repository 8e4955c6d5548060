"""What a map is made of, against sums by hand, and whether it finds a planted patch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import activation_maps as planting
from members.activation_maps import maps
from members.activation_maps.layer import find_layer
from members.batches.loader import to_input
from members.errors import BadInput
from members.networks.models import build_model, statistics_of
from members.recipe.recipe import Recipe

pytest.importorskip("torchcam", reason="torchcam is not installed")

RECIPE = Recipe(model="base_cnn", image_size=(64, 48))


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build_model(RECIPE, 4).eval().requires_grad_(False)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (11, 64, 48, 3)).astype(np.uint8)


def conv3_of(network, pixels):
    """(N, 128, rows, columns): what the mean over the picture is taken of, by torch's own functions."""
    x = to_input(torch.from_numpy(pixels), statistics_of(RECIPE), channels_last=False)
    pool, relu = torch.nn.functional.max_pool2d, torch.relu
    x = pool(relu(network.conv2(relu(network.conv1(x)))), 2)
    return pool(relu(network.conv3(x)), 2)


def test_grad_cam_is_the_class_activation_map_where_a_mean_and_a_linear_layer_follow(
    network, pixels
):
    """Zhou et al. 2016: the channels weighted by the class's row of the last layer."""
    layer = find_layer(network, RECIPE.image_size)
    x = to_input(torch.from_numpy(pixels), statistics_of(RECIPE), channels_last=False)
    outputs, gradients = maps.outputs_and_gradients(network, x, [2] * len(pixels), layer)
    grad_cam = (outputs * gradients.mean(dim=(2, 3), keepdim=True)).sum(1)
    features = conv3_of(network, pixels)
    by_hand = torch.einsum("c,nchw->nhw", network.fc.weight[2], features)
    constant = layer.grid[0] * layer.grid[1]  # the mean's share of each cell
    torch.testing.assert_close(grad_cam * constant, by_hand, atol=1e-5, rtol=1e-4)


def test_a_map_is_what_raises_the_class_and_its_greatest_is_one(network, pixels):
    layer = find_layer(network, RECIPE.image_size)
    classes = [k % 4 for k in range(len(pixels))]
    found = maps.class_maps(network, pixels, RECIPE, classes, layer)
    assert found.shape == (11, *layer.grid)
    assert found.dtype == np.float32
    weights = network.fc.weight[classes][:, :, None, None]
    by_hand = (conv3_of(network, pixels) * weights).clamp_min(0).sum(1).numpy()
    by_hand /= by_hand.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(found, by_hand, atol=1e-5)
    np.testing.assert_array_equal(found, maps.class_maps(network, pixels, RECIPE, classes, layer))


def test_a_class_that_nothing_raises_has_a_map_of_zeros(network, pixels):
    layer = find_layer(network, RECIPE.image_size)
    torch.nn.init.zeros_(network.fc.weight)
    assert not maps.class_maps(network, pixels, RECIPE, [0] * 11, layer).any()


def test_the_network_is_left_as_it_was(network, pixels):
    layer = find_layer(network, RECIPE.image_size)
    maps.class_maps(network, pixels, RECIPE, [0] * 11, layer)
    assert not any(module._forward_hooks for module in network.modules())
    assert not any(weight.requires_grad for weight in network.parameters())


def test_pictures_of_another_size_are_refused(network, pixels):
    layer = find_layer(network, RECIPE.image_size)
    with pytest.raises(BadInput, match="image_size says"):
        maps.class_maps(network, pixels[:, :32], RECIPE, [0] * 11, layer)


def test_without_the_package_it_is_said_how_to_install_it(network, pixels, monkeypatch):
    layer = find_layer(network, RECIPE.image_size)
    monkeypatch.setattr(maps, "PACKAGE", "no_such_package")
    with pytest.raises(BadInput, match=r"need no_such_package.*pip install 'ensemble-of.*\[why\]'"):
        maps.class_maps(network, pixels, RECIPE, [0] * 11, layer)


def test_a_small_network_trained_in_seconds_looks_at_the_planted_patch():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 4, 4), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, planting.CLASSES),
    )  # fmt: skip
    family = planting.Family("test_resnet", "", 3e-3, side=64)  # for the pictures and the rate
    planting.learn(network, family, seconds=60)
    pictures = planting.planted(40, 64, seed=7)
    layer = find_layer(network, (64, 64))
    assert layer.grid == (8, 8)
    recipe = planting.recipe_of(family)
    found = maps.class_maps(network, pictures.pixels, recipe, pictures.classes.tolist(), layer)
    assert planting.within(found, pictures, layer).mean() >= 0.9
    assert planting.chance(pictures, layer) < 0.2
