"""Gradient checkpointing: the same training from less memory."""

import pytest
import torch

from members.errors import BadInput
from members.networks.checkpointing import statistics_counted_once
from members.recipe.recipe import Recipe
from members.training.check import recipe_problems
from members.training.fit import fit
from members.training.memory import memory_of
from tests.members.drawn import SHAPES
from tests.members.trained import TRAIN, VALID, recipe, same_weights, states


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        # batch norm, dropout, drop path
        ("test_efficientnet", {"dropout": 0.3, "drop_path": 0.2}),
        ("test_resnet", {"mixing": {"kind": "cutmix"}, "ema": 0.9}),
        ("test_resnet", {"head_first": {"epochs": 1, "lr": 0.01}, "accumulate": 2}),
        ("test_vit", {"dropout": 0.3, "clip_grad_norm": 0.5}),
        ("test_convnext", {"drop_path": 0.3, "mixed_precision": "bf16"}),
    ],
)
def test_weights_and_running_statistics_are_those_of_a_training_without(model, settings):
    _, plain = states(recipe(model, epochs=2, **settings))
    _, checkpointed = states(recipe(model, epochs=2, **settings, grad_checkpointing=True))
    assert same_weights(checkpointed[-1]["model"], plain[-1]["model"])


def test_activations_are_not_kept():
    plain, less = (
        memory_of(Recipe(model="efficientnet_b0", image_size=128, grad_checkpointing=own), 3).step
        for own in (False, True)
    )
    assert less < 0.5 * plain


@pytest.mark.parametrize("model", ["vgg19", "base_cnn", "inception_v3"])
def test_a_network_without_it_is_refused_before_it_trains(model):
    settings = Recipe(model=model, image_size=(128, 128), grad_checkpointing=True)
    found = [text for text in recipe_problems(settings) if text.startswith("grad_checkpointing")]
    assert len(found) == 1
    assert f"{model} has none" in found[0]


def test_fit_refuses_it_too():
    with pytest.raises(BadInput, match="grad_checkpointing: vgg19 has none"):
        next(fit(recipe("vgg19", grad_checkpointing=True), TRAIN, VALID, SHAPES, seed=0))


def test_beside_a_frozen_backbone_it_is_refused():
    with pytest.raises(ValueError, match="has no effect beside `freeze: backbone`"):
        recipe(grad_checkpointing=True, freeze="backbone")


def test_a_failed_pass_leaves_the_norms_as_they_were():
    norm = torch.nn.BatchNorm2d(3)

    def fail():
        with statistics_counted_once(norm):
            norm(torch.zeros(2, 3, 4, 4))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (norm.momentum, int(norm.num_batches_tracked)) == (0.1, 0)
    assert torch.equal(norm.running_var, torch.ones(3))
