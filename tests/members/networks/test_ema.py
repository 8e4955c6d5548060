import pytest
import torch
from torch import nn

from members.networks.ema import Average, TimmAverage, running_mean
from members.networks.timm_import import timm
from members.recipe.blocks import RunningMean
from members.recipe.recipe import Recipe


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


# -- timm's ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("power", [None, 2 / 3])
def test_timm_s_mean_is_its_formula_worked_by_hand(power):
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(1.0)
    average = running_mean(
        model, RunningMean(decay=0.4, warmup_power=power, warmup_gamma=2 if power else 1)
    )
    decays = [0, 0.4, 0.4, 0.4] if power is None else [0, 1 - 1.5**-power, 1 - 2**-power, 0.4]
    mean = 1.0
    for weight, decay in zip((2.0, -1.0, 0.5, 4.0), decays, strict=True):
        model.weight.data.fill_(weight)
        average.update(model)
        mean = decay * mean + (1 - decay) * weight
        assert float(average.network.weight) == pytest.approx(mean, abs=1e-6)


def test_it_is_what_timm_s_training_keeps_with_batch_norm_s_statistics():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    ours = running_mean(model, RunningMean(decay=0.9, warmup_power=0.75))
    theirs = timm.utils.ModelEmaV3(model, decay=0.9, use_warmup=True, warmup_power=0.75)
    for step in range(1, 9):
        model(torch.randn(5, 3))
        model[0].weight.data.mul_(1.1)
        ours.update(model)
        theirs.update(model, step=step)
    for name, value in theirs.module.state_dict().items():
        assert torch.equal(ours.network.state_dict()[name], value), name
    assert not ours.network[0].weight.requires_grad


def test_timm_s_goes_on_from_its_state():
    model = nn.Linear(2, 2)
    settings = RunningMean(decay=0.9, warmup_power=0.5)
    straight, resumed = TimmAverage(model, settings), TimmAverage(model, settings)
    for step in range(5):
        model.weight.data.mul_(1.5)
        straight.update(model)
        resumed.update(model)
        state = resumed.state_dict()
        resumed = TimmAverage(model, settings)
        resumed.load_state_dict(state)
        assert resumed.updates == step + 1
    assert torch.equal(straight.network.weight, resumed.network.weight)


def test_which_mean_it_is_and_what_is_refused():
    assert isinstance(running_mean(nn.Linear(1, 1), Recipe(model="x", ema=0.9).ema), Average)
    assert isinstance(
        running_mean(nn.Linear(1, 1), Recipe(model="x", ema={"decay": 0.9}).ema), TimmAverage
    )
    with pytest.raises(ValueError, match="warmup_gamma has no effect without warmup_power"):
        Recipe(model="x", ema={"decay": 0.9, "warmup_gamma": 2})
    with pytest.raises(ValueError, match="are two means of the weights"):
        Recipe(model="x", ema={"decay": 0.9}, swa={"epochs": 2, "lr": 1}, select="last")
