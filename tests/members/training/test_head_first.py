"""The head alone, then all: what learns when, at which rate, and how it goes on after a stop."""

import pytest
import torch
from torch import nn

from members.batches.loader import ORDER, WEIGHTS, derived_seed, to_input
from members.batches.sampling import epoch_order
from members.errors import BadInput
from members.networks.models import build_model, statistics_of
from members.training.check import recipe_problems
from members.training.fit import best_weights
from members.training.optim import learning_rate
from tests.members.drawn import SHAPES
from tests.members.trained import TRAIN, recipe, same_weights, states, through_a_file

FIRST = {"epochs": 2, "lr": 0.05}


def fresh(settings):
    """The network before its first step."""
    torch.manual_seed(derived_seed(0, WEIGHTS))
    return build_model(settings, SHAPES)


def test_at_first_nothing_but_the_head_changes_batch_norms_included_and_then_everything_does():
    settings = recipe("test_resnet", head_first=FIRST, dropout=0.3)
    before = fresh(settings).state_dict()
    _, after = states(settings)
    for name, tensor in after[1]["model"].items():
        assert torch.equal(tensor, before[name]) != name.startswith("fc."), name
    assert not any(torch.equal(t, before[n]) for n, t in after[-1]["model"].items())


def test_the_head_is_trained_as_a_linear_classifier_of_fixed_features():
    sgd = {"optimizer": "momentum", "optimizer_args": {"momentum": 0.0}, "weight_decay": 0.0}
    settings = recipe("test_resnet", head_first=FIRST, augmentation="base", epochs=3, **sgd)
    _, after = states(settings)

    model = fresh(settings).eval()
    head = nn.Linear(model.num_features, SHAPES)
    head.load_state_dict(model.fc.state_dict())
    optimizer = torch.optim.SGD(head.parameters(), lr=0.05)
    for epoch in range(2):
        order = epoch_order(settings, TRAIN, derived_seed(0, ORDER, epoch))
        for rows in (order[:8], order[8:16], order[16:]):
            pixels = torch.from_numpy(TRAIN.read(rows))
            x = to_input(pixels, statistics_of(settings), channels_last=False)
            with torch.no_grad():
                features = model.forward_head(model.forward_features(x), pre_logits=True)
            optimizer.zero_grad()
            nn.functional.cross_entropy(
                head(features), torch.from_numpy(TRAIN.labels[rows])
            ).backward()
            optimizer.step()
    got = after[1]["model"]
    assert torch.allclose(got["fc.weight"], head.weight, atol=1e-5)
    assert torch.allclose(got["fc.bias"], head.bias, atol=1e-5)


@pytest.mark.parametrize(
    "schedule",
    [
        {"schedule": "cosine", "warmup_epochs": 1.5},
        {"schedule": "step", "step_epochs": 2},
        {"schedule": "milestones", "milestones": [1, 3]},
    ],
)
def test_the_schedule_begins_after_the_head_s_epochs_as_if_there_were_none(schedule):
    settings = recipe(epochs=6, head_first=FIRST, **schedule)
    alone = recipe(epochs=4, **schedule)
    rates = [[learning_rate(settings, epoch, s, 5) for s in range(5)] for epoch in range(6)]
    assert rates[:2] == [[0.05] * 5] * 2
    assert rates[2:] == [[learning_rate(alone, e, s, 5) for s in range(5)] for e in range(4)]


def test_all_weights_have_an_optimiser_that_begins_with_them():
    # Adam corrects its means by the number of steps: one that counted the head's would be wrong
    _, after = states(recipe("test_resnet", head_first=FIRST))
    counted = [{int(s["step"]) for s in a["optimizer"]["state"].values()} for a in after]
    assert counted == [{3}, {6}, {3}, {6}]  # 18 photos in batches of 8 are 3 steps an epoch
    learning = [len(a["optimizer"]["state"]) for a in after]
    assert learning[:2] == [2, 2]
    assert learning[2] == len([*build_model(recipe("test_resnet"), SHAPES).parameters()])


@pytest.mark.parametrize(
    "settings",
    [
        {"dropout": 0.2, "warmup_epochs": 1},
        {"ema": 0.9, "freeze": "layer1", "optimizer": "lamb"},
        {"schedule": "plateau", "plateau_epochs": 1, "metric": "loss", "layer_decay": 0.7},
    ],
)
def test_stopped_in_either_stage_or_between_them_it_ends_with_the_same_bits(settings):
    settings = recipe("test_resnet", head_first=FIRST, epochs=5, **settings)
    _, after = states(settings)
    for stop in range(1, 5):
        _, then = states(settings, state=through_a_file(after[stop - 1]))
        for kind in ("model", "best_weights"):
            assert same_weights(then[-1][kind], after[-1][kind]), (stop, kind)
        assert [row["loss"] for row in then[-1]["history"]] == [
            row["loss"] for row in after[-1]["history"]
        ]
    assert same_weights(best_weights(then[-1]), best_weights(after[-1]))


def test_patience_begins_when_all_learns():
    # at this rate the head is best in its first epoch, and nothing later is as good
    first = {"epochs": 4, "lr": 1e-9}
    settings = recipe(
        "test_resnet", head_first=first, epochs=20, patience=1, metric="accuracy", lr=1e-9
    )
    epochs, after = states(settings)
    assert len(epochs) == 5
    assert after[-1]["best_epoch"] == 1
    assert epochs[-1].reason == "no better accuracy since epoch 1"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"head_first": {"epochs": 4, "lr": 0.1}}, "leave none of the 4 .* At most 3"),
        ({"head_first": FIRST, "freeze": "backbone"}, "no effect beside `freeze: backbone`"),
        ({"head_first": {"epochs": 2}}, "lr"),
        ({"head_first": {"epochs": 0, "lr": 0.1}}, "greater than or equal to 1"),
    ],
)
def test_what_the_keys_say_against_each_other_is_refused_at_once(settings, message):
    with pytest.raises(ValueError, match=message):
        recipe("test_resnet", **settings)


def test_a_body_that_is_frozen_by_its_last_block_is_found_by_the_check():
    settings = recipe("test_resnet", head_first=FIRST, freeze="layer4")
    (problem,) = recipe_problems(settings)
    assert "head_first has no effect" in problem
    with pytest.raises(BadInput, match="head_first has no effect"):
        states(settings)
    assert recipe_problems(recipe("test_resnet", head_first=FIRST, freeze="layer3")) == []
