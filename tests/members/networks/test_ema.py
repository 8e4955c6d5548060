import pytest
import torch
from torch import nn

from members.networks.ema import Average


def test_it_is_the_recurrence_that_its_docstring_states():
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(1.0)
    average = Average(model, 0.25)
    # decays: min(.25, 1/10) = .1, min(.25, 2/11) = .1818, then .25
    mean = 1.0
    for weight, decay in ((2.0, 0.1), (-1.0, 2 / 11), (0.5, 0.25), (4.0, 0.25)):
        model.weight.data.fill_(weight)
        average.update(model)
        mean = decay * mean + (1 - decay) * weight
        assert float(average.network.weight) == pytest.approx(mean)


def test_batch_norm_s_statistics_are_averaged_and_its_counter_is_copied():
    model = nn.BatchNorm1d(2)
    average = Average(model, 0.9)
    model(torch.randn(8, 2))
    average.update(model)
    assert torch.allclose(
        average.network.running_mean, 0.1 * torch.zeros(2) + 0.9 * model.running_mean
    )
    assert int(average.network.num_batches_tracked) == 1


def test_it_is_a_network_of_its_own_that_learns_nothing():
    model = nn.Linear(2, 2)
    average = Average(model, 0.9)
    before = average.network.weight.clone()
    model.weight.data.add_(1)
    assert torch.equal(average.network.weight, before)
    assert not average.network.weight.requires_grad


def test_it_goes_on_from_its_state():
    model = nn.Linear(2, 2)
    straight, resumed = Average(model, 0.5), Average(model, 0.5)
    for step in range(4):
        model.weight.data.mul_(1.5)
        straight.update(model)
        resumed.update(model)
        state = resumed.state_dict()
        resumed = Average(model, 0.5)
        resumed.load_state_dict(state)
        assert resumed.updates == step + 1
    assert torch.equal(straight.network.weight, resumed.network.weight)
