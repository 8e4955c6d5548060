"""Weights averaged over the last epochs: the arithmetic is torch's, and a stop changes nothing."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, update_bn

from members.batches.loader import ORDER, derived_seed, to_input
from members.batches.sampling import epoch_order
from members.networks.models import build_model, statistics_of
from members.training.fit import last_weights
from members.training.memory import memory_of
from members.training.optim import learning_rate
from members.training.predict import predict
from members.training.swa import retake_from_photos, retake_statistics
from tests.members.drawn import SHAPES
from tests.members.pair import together
from tests.members.trained import TRAIN, VALID, recipe, same_weights, states, through_a_file

SWA = {"swa": {"epochs": 3, "lr": 0.01}, "select": "last"}


def batches(settings, epoch):
    """The inputs of epoch `epoch` (from 0), where nothing varies them."""
    order = epoch_order(settings, TRAIN, derived_seed(0, ORDER, epoch))
    for rows in (order[:8], order[8:16], order[16:]):
        yield to_input(
            torch.from_numpy(TRAIN.read(rows)), statistics_of(settings), channels_last=True
        )


@pytest.mark.parametrize("model", ["test_resnet", "test_vit"])  # with batch norm, and without
def test_mean_and_statistics_are_those_of_torch(model):
    settings = recipe(model, epochs=5, augmentation="base", **SWA)
    epochs, after = states(settings)
    assert [state["average"] is None for state in after] == [True, True, False, False, False]
    reference = AveragedModel(build_model(settings, SHAPES))
    network = build_model(settings, SHAPES)
    for epoch in (2, 3, 4):
        network.load_state_dict(after[epoch]["model"])
        reference.update_parameters(network)
        update_bn(batches(settings, epoch), reference)
        got = last_weights(after[epoch])
        for name, expected in reference.module.state_dict().items():
            assert torch.allclose(got[name], expected, atol=1e-5), (epoch, name)
    assert not same_weights(got, after[-1]["model"])
    network.load_state_dict(got)
    predicted = predict(network, VALID, settings).argmax(1)
    assert epochs[-1].metrics["accuracy"] == pytest.approx(np.mean(predicted == VALID.labels))


def test_without_its_statistics_taken_anew_the_mean_would_be_another_network():
    _, after = states(recipe("test_resnet", epochs=5, **SWA))
    name = "bn1.running_mean"
    assert not torch.allclose(last_weights(after[-1])[name], after[-1]["model"][name], atol=1e-3)


def test_frozen_batch_norms_keep_their_statistics_in_the_mean():
    _, after = states(recipe("test_resnet", epochs=5, freeze="layer2", **SWA))
    first, mean = after[0]["model"], last_weights(after[-1])
    frozen = ("conv1", "bn1", "layer1", "layer2")
    for name, tensor in first.items():
        if name.endswith("num_batches_tracked"):
            continue  # 3 of any epoch
        assert torch.equal(tensor, mean[name]) == name.startswith(frozen), name


def test_the_schedule_ends_where_the_constant_rate_begins():
    settings = recipe(epochs=7, warmup_epochs=1, head_first={"epochs": 1, "lr": 0.5}, **SWA)
    alone = recipe(epochs=3, warmup_epochs=1)
    rates = [[learning_rate(settings, epoch, s, 4) for s in range(4)] for epoch in range(7)]
    assert rates[0] == [0.5] * 4
    assert rates[1:4] == [[learning_rate(alone, e, s, 4) for s in range(4)] for e in range(3)]
    assert rates[4:] == [[0.01] * 4] * 3


@pytest.mark.parametrize(
    "settings",
    [
        {"dropout": 0.3, "augmentation": "custom", "head_first": {"epochs": 1, "lr": 0.1}},
        {"mixing": {"kind": "mixup"}, "schedule": "plateau", "optimizer": "lamb"},
    ],
)
def test_stopped_before_or_within_the_averaged_epochs_it_ends_with_the_same_bits(settings):
    settings = recipe("test_efficientnet", epochs=6, **SWA, **settings)
    _, after = states(settings)
    for stop in range(1, 6):
        _, then = states(settings, state=through_a_file(after[stop - 1]))
        assert same_weights(then[-1]["model"], after[-1]["model"]), stop
        assert same_weights(last_weights(then[-1]), last_weights(after[-1])), stop
        assert then[-1]["average"]["updates"] == 3
        assert [row["loss"] for row in then[-1]["history"]] == [
            row["loss"] for row in after[-1]["history"]
        ]


def test_loader_workers_and_a_fold_without_validation_part_change_nothing():
    settings = recipe("test_resnet", epochs=3, swa={"epochs": 2, "lr": 0.01}, select="last")
    _, alone = states(settings)
    _, helped = states(settings, loader_workers=1)
    _, unwatched = states(settings, valid=None)
    assert same_weights(last_weights(alone[-1]), last_weights(helped[-1]))
    assert same_weights(last_weights(alone[-1]), last_weights(unwatched[-1]))


PARTS = [torch.randn(n, 3, 16, 16, generator=torch.Generator().manual_seed(n)) for n in (4, 3, 5)]


def normed() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def statistics(ranks):
    """Of a batch norm whose batches two ranks divide unevenly, and of one that one rank sees alone."""
    found = []
    for mine in ([PARTS[:2], PARTS[2:]][ranks.rank], [PARTS, []][ranks.rank]):
        network = normed()
        retake_statistics(network, ["1"], mine, ranks)
        found.append(network.state_dict())
    return found


@pytest.mark.slow
def test_statistics_of_several_ranks_are_those_of_all_their_batches(tmp_path):
    expected = normed()
    update_bn(PARTS, expected)
    first, second = together(statistics, tmp_path)
    for ours, theirs in zip(first, second, strict=True):
        assert same_weights(ours, theirs)
        for name, tensor in expected.state_dict().items():
            assert torch.allclose(ours[name], tensor, atol=1e-6), name


def test_its_second_copy_of_the_weights_is_counted():
    plain = memory_of(recipe("test_resnet"), 5)
    averaged = memory_of(recipe("test_resnet", **SWA), 5)
    weights = build_model(recipe("test_resnet"), 5).state_dict().values()
    assert averaged.weights - plain.weights == sum(t.numel() * t.element_size() for t in weights)


def test_everything_that_the_keys_say_against_each_other_is_said_at_once():
    with pytest.raises(ValueError, match="swa") as caught:
        recipe(epochs=4, swa={"epochs": 4, "lr": 0.1}, ema=0.9, patience=3)
    for part in ("leave none of the 4", "`select: last`", "ema (0.9)", "patience (3)"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("swa", "message"),
    [({"epochs": 1, "lr": 0.1}, "greater than or equal to 2"), ({"epochs": 2}, "lr")],
)
def test_a_mean_of_one_epoch_or_without_a_rate_is_refused(swa, message):
    with pytest.raises(ValueError, match=message):
        recipe(epochs=4, swa=swa, select="last")


def test_statistics_of_photographs_are_those_of_torch_over_whole_batches():
    settings = recipe("test_resnet", batch_size=4, normalize={"mean": [0.4] * 3, "std": [0.3] * 3})
    torch.manual_seed(3)
    network, expected = build_model(settings, SHAPES), build_model(settings, SHAPES)
    expected.load_state_dict(network.state_dict())
    names = [
        name
        for name, _ in network.named_modules()
        if f"{name}.running_mean" in expected.state_dict()
    ]
    before = network.state_dict()["bn1.running_mean"].clone()
    retake_from_photos(network, names, TRAIN, settings)  # 18: four batches, two photos left over
    pixels = torch.from_numpy(TRAIN.read(np.arange(16))).permute(0, 3, 1, 2).float() / 255
    update_bn(((pixels - 0.4) / 0.3).split(4), expected)
    assert not torch.allclose(network.state_dict()["bn1.running_mean"], before)
    for name, tensor in expected.state_dict().items():
        assert torch.allclose(network.state_dict()[name], tensor, atol=1e-5), name
    assert not network.training


def test_statistics_that_are_not_named_stay():
    settings = recipe("test_resnet")
    network = build_model(settings, SHAPES)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    retake_from_photos(network, ["bn1"], TRAIN, settings)
    changed = {n for n, t in network.state_dict().items() if not torch.equal(t, before[n])}
    assert changed == {"bn1.running_mean", "bn1.running_var", "bn1.num_batches_tracked"}
