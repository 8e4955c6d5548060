"""The memory of a training, estimated: against networks and optimisers whose sizes are known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from members.networks.models import build_model
from members.recipe.recipe import Recipe
from members.training import memory
from members.training.memory import memory_of


def recipe(**settings) -> Recipe:
    return Recipe(**{"model": "test_resnet", "image_size": (32, 32), "batch_size": 8, **settings})


def weights(own: Recipe) -> int:
    return sum(t.numel() * t.element_size() for t in build_model(own, 5).state_dict().values())


@pytest.mark.parametrize(("optimizer", "states"), [("adamw", 2), ("sgd", 1), ("sgdp", 1)])
def test_weights_gradients_and_the_optimiser_are_counted(optimizer, states):
    own = recipe(optimizer=optimizer)
    # network, best epoch's weights, gradients, and what the optimiser keeps
    assert memory_of(own, 5).weights == pytest.approx((3 + states) * weights(own), rel=0.01)


def test_a_running_mean_is_one_more_and_what_is_frozen_needs_no_gradient():
    plain, averaged = memory_of(recipe(), 5), memory_of(recipe(ema=0.9), 5)
    assert averaged.weights - plain.weights == weights(recipe())
    frozen = memory_of(recipe(freeze="backbone"), 5)
    assert frozen.weights < 0.5 * plain.weights
    assert frozen.step < plain.step


def test_a_batch_takes_twice_as_much_with_twice_the_photos_and_half_on_two_ranks():
    one = memory_of(recipe(batch_size=16), 5).step
    assert memory_of(recipe(batch_size=32), 5).step == pytest.approx(2 * one, rel=0.1)
    assert memory_of(recipe(batch_size=32), 5, ranks=2).step == pytest.approx(one, rel=0.1)
    assert memory_of(recipe(), 5, loader_workers=2).loading > 0


def test_what_lives_until_the_backward_pass_is_what_autograd_saves(monkeypatch):
    """Counted apart, by the tensors that autograd saves in a real pass."""
    monkeypatch.setattr(memory, "_HELD", 1.0)
    own = recipe(batch_size=64)
    model = build_model(own, 5)
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    saved: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    photos = torch.zeros(64, 3, 32, 32)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        nn.functional.cross_entropy(model(photos), torch.zeros(64, dtype=torch.long)).backward()
    assert memory_of(own, 5).step == pytest.approx(sum(saved.values()), rel=1 / 3)
