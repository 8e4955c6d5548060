import io
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from members.errors import BadInput
from members.networks.models import build_model
from members.networks.timm_import import timm
from members.recipe.recipe import Recipe
from members.training.metric import Metric
from members.training.optim import (
    clip_gradients,
    create_optimizer,
    learning_rate,
    load_optimizer,
    optimizer_problem,
    plateau_drops,
    set_learning_rate,
    takes_fused,
)
from tests.members.trained import same_weights


def rates(recipe, steps=5):
    """(epochs, steps) learning rates."""
    return np.array(
        [
            [learning_rate(recipe, epoch, step, steps) for step in range(steps)]
            for epoch in range(recipe.epochs)
        ]
    )


def test_cosine_follows_torch():
    recipe = Recipe(model="x", epochs=4, lr=0.1, min_lr=0.01, schedule="cosine")
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20, eta_min=0.01)
    expected = []
    for _ in range(20):
        expected.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates(recipe).ravel() == pytest.approx(expected)


def test_step_follows_torch_between_epochs_and_stays_within_them():
    recipe = Recipe(model="x", epochs=7, lr=0.1, schedule="step", step_epochs=3, gamma=0.1)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.1)
    for row in rates(recipe):
        assert row == pytest.approx([schedule.get_last_lr()[0]] * 5)
        optimizer.step()
        schedule.step()


def test_milestones_follow_torch_and_divide_by_ten_where_configured():
    recipe = Recipe(
        model="x", epochs=30, lr=0.1, schedule="milestones", milestones=[10, 20, 25], gamma=0.1
    )
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [10, 20, 25], 0.1)
    for row in rates(recipe):
        assert row == pytest.approx([schedule.get_last_lr()[0]] * 5)
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize(("metric", "mode"), [("loss", "min"), ("macro_f1", "max")])
@pytest.mark.parametrize("wait", [1, 3])
def test_plateau_follows_torch(metric, mode, wait):
    recipe = Recipe(
        model="x",
        epochs=40,
        lr=0.1,
        min_lr=1e-3,
        schedule="plateau",
        plateau_epochs=wait,
        gamma=0.5,
        metric=metric,
    )
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode, factor=0.5, patience=wait - 1, threshold=0, min_lr=1e-3
    )
    history = []
    for value in (
        np.random.default_rng(0).integers(0, 20, 40) / 20
    ):  # equal values count as no better
        drops = plateau_drops(recipe, history, Metric(metric, mode == "max"))
        rate = learning_rate(recipe, len(history), 3, 5, drops)
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"])
        history.append({metric: value})
        schedule.step(value)
    assert drops > 3


def test_layer_decay_slows_each_block_by_its_distance_from_the_head():
    recipe = Recipe(model="test_vit", image_size=32, lr=1.0, layer_decay=0.5)
    model = build_model(recipe, 3)
    optimizer = create_optimizer(model, recipe)
    set_learning_rate(optimizer, 1.0)
    rate = {id(p): g["lr"] for g in optimizer.param_groups for p in g["params"]}
    rate = {name: rate[id(p)] for name, p in model.named_parameters()}
    blocks = [rate[f"blocks.{i}.mlp.fc1.weight"] for i in range(len(model.blocks))]
    assert rate["head.weight"] == 1.0
    assert [b / a for a, b in itertools.pairwise(blocks)] == pytest.approx(
        [2.0] * (len(blocks) - 1)
    )
    assert rate["patch_embed.proj.weight"] == blocks[0] / 2


def test_step_does_not_fall_below_min_lr():
    recipe = Recipe(model="x", epochs=9, lr=1, schedule="step", step_epochs=1, min_lr=0.1)
    assert rates(recipe).min() == 0.1


def test_warm_up_rises_by_equal_steps_and_reaches_the_peak():
    recipe = Recipe(model="x", epochs=4, lr=1.0, schedule="constant", warmup_epochs=2)
    flat = rates(recipe).ravel()
    assert flat[:10] == pytest.approx([0.1 * i for i in range(1, 11)])
    assert (flat[10:] == 1.0).all()


def test_cosine_after_a_warm_up_of_part_of_an_epoch_starts_at_the_peak_and_ends_at_the_floor():
    recipe = Recipe(model="x", epochs=3, lr=1.0, min_lr=0.2, warmup_epochs=0.5)
    assert learning_rate(recipe, 0, 5, 10) == pytest.approx(1.0)
    assert learning_rate(recipe, 2, 99_999, 100_000) == pytest.approx(0.2, abs=1e-6)


def test_a_warm_up_longer_than_the_training_only_rises():
    recipe = Recipe(model="x", epochs=2, lr=1.0, warmup_epochs=5)
    flat = rates(recipe).ravel()
    assert (np.diff(flat) > 0).all()
    assert 0 < flat[0] < flat[-1] < 1


def test_biases_and_norm_layers_do_not_decay():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    optimizer = create_optimizer(model, Recipe(model="x", weight_decay=0.3))
    decay = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    assert {n: decay[id(p)] for n, p in model.named_parameters()} == {
        "0.weight": 0.3,
        "0.bias": 0,
        "1.weight": 0,
        "1.bias": 0,
    }


@pytest.mark.parametrize(
    ("name", "arguments", "reference"),
    [
        ("adamw", {"betas": [0.8, 0.9]}, lambda p: torch.optim.AdamW(p, 0.1, (0.8, 0.9))),
        ("momentum", {"momentum": 0.7}, lambda p: torch.optim.SGD(p, 0.1, 0.7, weight_decay=0.01)),
    ],
)
def test_settings_reach_the_optimiser(name, arguments, reference):
    recipe = Recipe(model="x", optimizer=name, lr=0.1, optimizer_args=arguments)
    ours, theirs = (nn.Linear(3, 2, bias=False) for _ in range(2))
    theirs.load_state_dict(ours.state_dict())
    pairs = [(ours, create_optimizer(ours, recipe)), (theirs, reference(theirs.parameters()))]
    for model, optimizer in pairs:
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.ones(4, 3)).pow(2).sum().backward()
            optimizer.step()
    assert torch.allclose(ours.weight, theirs.weight, atol=1e-7)


def test_a_group_with_a_scale_of_its_own_keeps_it():
    weights = [nn.Parameter(torch.zeros(1)) for _ in range(2)]
    groups = [{"params": weights[:1], "lr_scale": 0.5}, {"params": weights[1:]}]
    optimizer = torch.optim.SGD(groups, lr=1)
    set_learning_rate(optimizer, 0.2)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.2]


def test_the_mission_s_optimisers_exist():
    for name in ("adam", "adamw", "adamp", "sgd", "AdamW"):
        assert optimizer_problem(name) is None


def test_what_cannot_be_made_is_refused_with_its_name():
    with pytest.raises(BadInput, match="Did you mean 'adamp'"):
        create_optimizer(nn.Linear(1, 1), Recipe(model="x", optimizer="adampp"))
    recipe = Recipe(model="x", optimizer="sgd", optimizer_args={"nestrov": True})
    with pytest.raises(BadInput, match=r"sgd with .*nestrov.* cannot be made"):
        create_optimizer(nn.Linear(1, 1), recipe)


# -- timm's, by name -------------------------------------------------------------------------------


def tiny():
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 8, 3)
    return nn.Sequential(conv, nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4))


def three_steps(model, optimizer, seed):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(3):
        set_learning_rate(optimizer, 0.01)
        optimizer.zero_grad(set_to_none=True)
        model(torch.randn(4, 3, 8, 8, generator=generator)).pow(2).sum().backward()
        optimizer.step()


@pytest.mark.parametrize(
    "name", ["lamb", "lion", "muon", "nadamuon", "adan", "clion", "lookahead_lamb", "LaProp"]
)
def test_an_optimiser_by_name_is_timm_s_and_goes_on_from_its_state(name):
    recipe = Recipe(model="x", optimizer=name, lr=0.01, weight_decay=0.1)
    ours, theirs, resumed = tiny(), tiny(), tiny()
    optimizer = create_optimizer(ours, recipe)
    of_timm = timm.optim.create_optimizer_v2(theirs, opt=name.lower(), lr=0.01, weight_decay=0.1)
    three_steps(ours, optimizer, 1)
    three_steps(theirs, of_timm, 1)
    content = io.BytesIO()
    torch.save([ours.state_dict(), optimizer.state_dict()], content)
    content.seek(0)
    weights, state = torch.load(content, weights_only=True)
    assert same_weights(weights, theirs.state_dict())
    again = create_optimizer(resumed, recipe)
    resumed.load_state_dict(weights)
    again.load_state_dict(state)
    for model, own in ((ours, optimizer), (resumed, again)):
        three_steps(model, own, 2)
    assert same_weights(ours.state_dict(), resumed.state_dict())
    assert not same_weights(ours.state_dict(), weights)


def test_layer_decay_is_timm_s_own():
    recipe = Recipe(model="test_vit", image_size=32, lr=0.1, layer_decay=0.65, weight_decay=0.2)
    model = build_model(recipe, 3)
    optimizer = create_optimizer(model, recipe)
    set_learning_rate(optimizer, 0.1)
    decay, skip = timm.optim.param_groups_layer_decay, model.no_weight_decay()
    theirs = decay(model, 0.2, no_weight_decay_list=skip, layer_decay=0.65)
    expected = {
        id(p): (0.1 * g["lr_scale"], g["weight_decay"]) for g in theirs for p in g["params"]
    }
    got = {id(p): (g["lr"], g["weight_decay"]) for g in optimizer.param_groups for p in g["params"]}
    assert got == expected
    assert len({*got.values()}) > 4


# -- one kernel for all weights, on a GPU ---------------------------------------------------------


@pytest.mark.parametrize(
    ("optimizer", "arguments", "takes"),
    [
        ("adamw", {}, True),
        ("sgd", {"momentum": 0.8}, True),
        ("adam", {}, True),
        ("lamb", {}, False),
        ("lion", {}, False),
        ("adagrad", {}, False),  # torch has a kernel for CPUs only
        ("adamw", {"foreach": True}, False),
        ("adamw", {"fused": False}, False),
    ],
)
def test_optimisers_of_torch_take_it_unless_the_recipe_says_how(optimizer, arguments, takes):
    recipe = Recipe(model="x", optimizer=optimizer, optimizer_args=arguments)
    assert takes_fused(recipe) is takes


def test_on_a_cpu_it_is_not_chosen():
    optimizer = create_optimizer(nn.Linear(2, 2), Recipe(model="x"))
    assert {group["fused"] for group in optimizer.param_groups} == {None}


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_it_is_chosen_where_the_weights_are_on_a_gpu_and_steps_as_without(name):
    """The weights say that they are on a GPU, and are on the CPU, where torch has such a kernel, too."""

    class OnGpu(nn.Parameter):
        is_cuda = True

    recipe = Recipe(model="x", optimizer=name, lr=0.1)
    layers = [nn.Linear(4, 3), nn.Linear(4, 3)]
    layers[1].load_state_dict(layers[0].state_dict())
    layers[1].weight = OnGpu(layers[1].weight.detach().clone())
    plain, fused = (create_optimizer(layer, recipe) for layer in layers)
    assert all(group["fused"] for group in fused.param_groups)
    for step in range(3):
        x = torch.full((2, 4), float(step + 1))
        for layer, optimizer in zip(layers, (plain, fused), strict=True):
            optimizer.zero_grad()
            layer(x).square().sum().backward()
            optimizer.step()
    assert torch.allclose(layers[0].weight, layers[1].weight, atol=1e-6)


def test_a_state_of_a_gpu_goes_on_with_the_kernels_of_the_cpu():
    def trained(layer, optimizer):
        optimizer.zero_grad()
        layer(torch.ones(1, 2)).sum().backward()
        optimizer.step()

    layer, recipe = nn.Linear(2, 2), Recipe(model="x")
    optimizer = create_optimizer(layer, recipe)
    trained(layer, optimizer)
    state = optimizer.state_dict()
    for group in state["param_groups"]:
        group["fused"] = True
    other = create_optimizer(layer, recipe)
    load_optimizer(other, state)
    assert {group["fused"] for group in other.param_groups} == {None}
    assert all(group["fused"] for group in state["param_groups"])
    trained(layer, other)
    assert next(iter(other.state.values()))["step"] == 2


# -- clipped gradients -----------------------------------------------------------------------------


def with_gradients(scale, model="test_efficientnet"):
    torch.manual_seed(3)
    network = build_model(Recipe(model=model, image_size=32), 5)
    for weight in network.parameters():
        weight.grad = torch.randn_like(weight) * scale
    return network


@pytest.mark.parametrize("model", ["test_efficientnet", "test_vit", "test_convnext"])
@pytest.mark.parametrize("mode", ["norm", "value", "agc"])
@pytest.mark.parametrize("most", [0.01, 0.3])
def test_gradients_are_clipped_as_timm_clips_them(model, mode, most):
    ours, theirs = with_gradients(0.1, model), with_gradients(0.1, model)
    clip_gradients(ours, Recipe(model=model, **{f"clip_grad_{mode}": most}))
    # as its train.py calls it
    of_timm = timm.models.model_parameters(theirs, exclude_head=mode == "agc")
    timm.utils.dispatch_clip_grad(of_timm, most, mode=mode)
    before = with_gradients(0.1, model)
    changed = 0
    for own, their, was in zip(
        ours.parameters(), theirs.parameters(), before.parameters(), strict=True
    ):
        assert torch.equal(own.grad, their.grad)
        changed += not torch.equal(own.grad, was.grad)
    assert changed > 5


def test_what_is_frozen_has_no_gradient_to_clip():
    network = with_gradients(1.0)
    for weight in list(network.parameters())[:3]:
        weight.grad = None
    for mode in ("norm", "value", "agc"):
        clip_gradients(network, Recipe(model="x", **{f"clip_grad_{mode}": 0.1}))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"clip_grad_norm": 1, "clip_grad_agc": 0.01},
            "clip_grad_norm (1) and clip_grad_agc (0.01)",
        ),
        ({"clip_grad_value": 0}, "greater than 0"),
        ({"clip_grad_agc": 0.01, "freeze": "backbone"}, "no effect beside `freeze: backbone`"),
    ],
)
def test_clipping_that_contradicts_itself_is_refused(given, message):
    with pytest.raises(ValueError, match="validation error") as caught:
        Recipe(model="x", **given)
    assert message in str(caught.value)
