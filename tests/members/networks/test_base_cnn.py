import pytest
import torch

from members.networks.cost import multiply_accumulates
from members.networks.models import build_model, model_names
from members.recipe.recipe import Recipe
from members.training.check import recipe_problems
from tests.members.trained import recipe, states


def test_it_is_registered_like_any_network_of_timm():
    assert "base_cnn" in model_names()
    assert recipe_problems(Recipe(model="base_cnn", image_size=[128, 96])) == []
    (problem,) = recipe_problems(Recipe(model="base_cmn"))
    assert "Did you mean 'base_cnn'" in problem
    assert "publishes no weights" in recipe_problems(Recipe(model="base_cnn", pretrained=True))[0]


def test_three_convolutions_and_a_linear_layer():
    model = build_model(Recipe(model="base_cnn", image_size=[128, 96]), 18)
    # weights and biases of 7x7x3x32, 3x3x32x64, 3x3x64x128, 128x18
    assert sum(p.numel() for p in model.parameters()) == 4736 + 18_496 + 73_856 + 2322
    assert model(torch.zeros(2, 3, 128, 96)).shape == (2, 18)


def test_its_multiplications_are_those_of_its_layers():
    macs = 122 * 90 * 4704 + 120 * 88 * 18_432 + 58 * 42 * 73_728 + 128 * 18
    assert multiply_accumulates(
        Recipe(model="base_cnn", image_size=[128, 96]), 18
    ) == pytest.approx(macs)


def test_dropout_is_the_recipe_s_and_drop_path_is_none_of_its():
    assert build_model(Recipe(model="base_cnn", dropout=0.5), 3).drop2.p == 0.5
    assert (
        "drop_path: base_cnn has none"
        in recipe_problems(Recipe(model="base_cnn", drop_path=0.1))[0]
    )


def test_a_photo_too_small_for_it_is_refused():
    assert (
        "image_size: base_cnn does not take"
        in recipe_problems(Recipe(model="base_cnn", image_size=10))[0]
    )


def test_it_trains_and_may_be_frozen_up_to_a_convolution():
    _, after = states(recipe("base_cnn", freeze="conv2", epochs=2, lr=0.01))
    same = {
        name: torch.equal(tensor, after[-1]["model"][name])
        for name, tensor in after[0]["model"].items()
    }
    assert {name for name, kept in same.items() if kept} == {
        "conv1.weight",
        "conv1.bias",
        "conv2.weight",
        "conv2.bias",
    }
