"""The mean of networks' weights, tensor by tensor."""

from __future__ import annotations

import pytest
import torch

from members.errors import BadInput
from members.networks.mean_weights import mean_weights, norms_that_differ
from members.networks.models import build_model
from members.recipe.recipe import Recipe


def test_it_is_the_mean_of_each_tensor_in_its_own_dtype():
    networks = [
        {"w": torch.tensor([1.0, 2.0]), "half": torch.tensor([0.5]).half(), "n": torch.tensor(7)},
        {"w": torch.tensor([3.0, 2.0]), "half": torch.tensor([1.5]).half(), "n": torch.tensor(9)},
        {"w": torch.tensor([8.0, -1.0]), "half": torch.tensor([1.0]).half(), "n": torch.tensor(1)},
    ]
    found = mean_weights(iter(networks))
    torch.testing.assert_close(found["w"], torch.tensor([4.0, 1.0]))
    torch.testing.assert_close(found["half"], torch.tensor([1.0]).half())
    assert found["n"] == 7, "counters are the first's"


def test_the_mean_of_a_network_and_its_mirror_is_halfway_between_them():
    torch.manual_seed(0)
    own = build_model(Recipe(model="test_resnet", image_size=32), 3).state_dict()
    names = [name for name, tensor in own.items() if tensor.is_floating_point()]
    other = {n: -3 * t if n in names else t for n, t in own.items()}
    found = mean_weights([own, other])
    assert list(found) == list(own)
    for name in names:
        torch.testing.assert_close(found[name], -own[name])


def test_the_mean_of_one_is_itself_to_the_last_bit():
    own = {"w": torch.randn(50)}
    assert torch.equal(mean_weights([own])["w"], own["w"])
    assert torch.equal(mean_weights([own, own, own])["w"], own["w"])


def test_networks_that_have_no_mean_are_refused():
    one = {"w": torch.zeros(2), "b": torch.zeros(1)}
    with pytest.raises(BadInput, match="network 2 has other tensors than the first: b, c, w"):
        mean_weights([one, {"w": torch.zeros(3), "c": torch.zeros(1)}])
    with pytest.raises(BadInput, match="the mean of none"):
        mean_weights([])


def test_batch_norms_that_did_not_learn_are_not_among_those_that_differ():
    def network(first: float, second: float) -> dict[str, torch.Tensor]:
        return {
            "a.weight": torch.tensor([first]), "a.running_mean": torch.zeros(1),
            "a.running_var": torch.ones(1),
            "b.running_mean": torch.zeros(1), "b.running_var": torch.tensor([second]),
        }  # fmt: skip

    assert norms_that_differ([network(1, 2), network(3, 4), network(5, 2)]) == ["b"]
    assert norms_that_differ([network(1, 2), network(3, 2)]) == []
