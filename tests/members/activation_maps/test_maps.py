"""What maps are made of, against sums by hand, which is taken, and whether it finds a planted patch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import activation_maps as planting
from members.activation_maps import candidates, covering, maps
from members.activation_maps.layers import find_layers
from members.batches.loader import to_input
from members.errors import BadInput
from members.networks.models import build_model, statistics_of
from members.networks.timm_import import timm
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


@pytest.fixture
def layers(network):
    return find_layers(network, RECIPE.image_size)


def as_input(pixels):
    statistics = statistics_of(RECIPE)
    return to_input(torch.from_numpy(pixels), statistics, channels_last=RECIPE.channels_last)


def conv3_of(network, pixels):
    """(N, 128, rows, columns): what the mean over the picture is taken of, by torch's own functions."""
    pool, relu = torch.nn.functional.max_pool2d, torch.relu
    x = pool(relu(network.conv2(relu(network.conv1(as_input(pixels))))), 2)
    return pool(relu(network.conv3(x)), 2)


def by_rule(network, pixels, classes, layers):
    made = candidates.candidates(network, as_input(pixels), classes, layers)
    return {own.rule: own.cells for own in made}


def test_grad_cam_is_the_class_activation_map_where_a_mean_and_a_linear_layer_follow(
    network, pixels, layers
):
    """Zhou et al. 2016: the channels weighted by the class's row of the last layer."""
    classes = [k % 4 for k in range(len(pixels))]
    found = by_rule(network, pixels, classes, layers)
    cells = layers[0].grid[0] * layers[0].grid[1]  # the mean's share of each
    each = conv3_of(network, pixels) * network.fc.weight[classes][:, :, None, None] / cells
    close = {"atol": 1e-7, "rtol": 1e-4}
    torch.testing.assert_close(found["Grad-CAM"], each.sum(1).clamp_min(0), **close)
    torch.testing.assert_close(found["elementwise"], each.clamp_min(0).sum(1), **close)


def test_all_layers_are_read_in_one_pass_as_each_by_itself():
    torch.manual_seed(0)
    model = timm.create_model("test_resnet", num_classes=3).eval().requires_grad_(False)
    x = torch.randn(2, 3, 64, 64)
    layers = find_layers(model, (64, 64))
    assert len(layers) > 1
    together = candidates.outputs_and_gradients(model, x, [0, 2], layers)
    for layer, (output, gradient) in zip(layers, together, strict=True):
        kept = []
        module = model.get_submodule(layer.name)
        handle = module.register_forward_hook(lambda _m, _x, y, kept=kept: kept.append(y))
        score = model(x.clone().requires_grad_(True))[[0, 1], [0, 2]].sum()
        handle.remove()
        torch.testing.assert_close(output, kept[0])
        torch.testing.assert_close(gradient, torch.autograd.grad(score, kept[0])[0])


def test_the_log_odds_of_a_class():
    logits = torch.tensor([[1.0, 2.0, -1.0], [0.5, 0.5, 3.0]])
    p = torch.softmax(logits.double(), 1)[[0, 1], [1, 2]]
    found = covering.log_odds(logits, torch.tensor([1, 2]))
    torch.testing.assert_close(found, torch.log(p / (1 - p)))


def test_a_square_is_covered_and_ends_at_the_border():
    x, by = torch.randn(2, 2, 3, 48, 60)  # so 15 pixels a side
    expected = x.clone()
    expected[:, :, 16:31, 22:37] = by[:, :, 16:31, 22:37]
    torch.testing.assert_close(covering.covered(x, by, 23.5 / 48, 29.5 / 60), expected)
    expected = x.clone()
    expected[:, :, 0:10, 51:60] = by[:, :, 0:10, 51:60]
    torch.testing.assert_close(covering.covered(x, by, 2.5 / 48, 58.5 / 60), expected)


def test_all_places_are_covered_each_half_over_the_next(network, pixels):
    x, classes = as_input(pixels), torch.arange(11) % 4
    found = covering.cover_all(network, x, classes)
    assert found.falls.shape == (11, 8, 6)  # squares of 16 pixels of 64 x 48

    def odds(x):
        p = torch.softmax(network(x).double(), 1)[range(11), classes]
        return torch.log(p / (1 - p))

    torch.testing.assert_close(found.before, odds(x))
    for row, column in ((0, 0), (3, 2), (7, 5)):
        hidden = x.clone()
        rows, columns = (slice(max(0, 8 * k - 4), 8 * k + 12) for k in (row, column))
        hidden[:, :, rows, columns] = x.roll((32, 24), (2, 3))[:, :, rows, columns]
        torch.testing.assert_close(found.falls[:, row, column], odds(x) - odds(hidden))


def test_a_peak_is_the_middle_of_the_greatest_cell():
    cells = torch.zeros(2, 4, 6)
    cells[0, 3, 1] = cells[1, 0, 5] = 2
    down, across = covering.peaks(cells, (64, 48))
    assert (down.tolist(), across.tolist()) == ([56, 8], [12, 44])


def test_the_fall_at_a_peak_is_that_of_the_nearest_square():
    falls = torch.arange(12.0).double().reshape(1, 3, 4).repeat(3, 1, 1)
    cells = torch.zeros(3, 6, 8)
    cells[0, 5, 0] = cells[1, 1, 7] = 1
    found = covering.Covering(torch.zeros(3), falls).at_peaks(cells)
    assert found.tolist() == [8, 3, -torch.inf]


def test_the_candidate_is_taken_whose_peak_the_class_needs_most(network, pixels, layers):
    pixels = pixels[: maps.AT_ONCE]  # so that all is computed by the same batch, to the last bit
    classes = [k % 4 for k in range(len(pixels))]
    found = maps.class_maps(network, pixels, RECIPE, classes, layers)
    x = as_input(pixels)
    before = torch.softmax(network(x), 1)[range(len(pixels)), classes]
    made = by_rule(network, pixels, classes, layers)
    falls = covering.cover_all(network, x, torch.tensor(classes)).falls
    (rows, columns), taken = layers[0].grid, set()
    for k, own in enumerate(found):
        assert own.choice.before == pytest.approx(before[k].item(), rel=1e-4)
        fall = {"covering": falls[k].max().item() / 2}
        for rule, cells in made.items():
            if cells[k].any():
                row, column = divmod(int(cells[k].argmax()), columns)
                place = int((row + 0.5) / rows * 8), int((column + 0.5) / columns * 6)
                fall[rule] = falls[k][place].item()
        taken.add(best := max(fall, key=lambda rule: fall[rule]))
        assert own.choice.rule == best
        assert (own.choice.layer is None) == (best == "covering")
        odds = torch.log(before[k] / (1 - before[k])) - fall[best] * (1 + (best == "covering"))
        assert own.choice.covered == pytest.approx(odds.sigmoid().item(), rel=1e-4)
        shown = falls[k].clamp_min(0) if best == "covering" else made[best][k]
        shown = torch.nn.functional.interpolate(
            shown[None, None].float(), size=RECIPE.image_size, mode="bilinear"
        )[0, 0]
        np.testing.assert_allclose(own.cells, shown / shown.max(), atol=1e-6)
        assert own.cells.dtype == np.float32
    assert "covering" in taken
    assert len(taken) > 1
    again = maps.class_maps(network, pixels, RECIPE, classes, layers)
    for a, b in zip(found, again, strict=True):
        np.testing.assert_array_equal(a.cells, b.cells)
        assert a.choice == b.choice


def test_a_class_that_nothing_raises_has_a_map_of_zeros(network, pixels, layers):
    torch.nn.init.zeros_(network.fc.weight)
    for own in maps.class_maps(network, pixels, RECIPE, [0] * 11, layers):
        assert not own.cells.any()
        assert own.choice.before == own.choice.covered


def test_the_network_is_left_as_it_was(network, pixels, layers):
    maps.class_maps(network, pixels, RECIPE, [0] * 11, layers)
    assert not any(module._forward_hooks for module in network.modules())
    assert not any(weight.requires_grad for weight in network.parameters())


def test_pictures_of_another_size_are_refused(network, pixels, layers):
    with pytest.raises(BadInput, match="image_size says"):
        maps.class_maps(network, pixels[:, :32], RECIPE, [0] * 11, layers)


def test_without_the_package_it_is_said_how_to_install_it(network, pixels, layers, monkeypatch):
    monkeypatch.setattr(maps, "PACKAGE", "no_such_package")
    with pytest.raises(BadInput, match=r"need no_such_package.*pip install 'ensemble-of.*\[why\]'"):
        maps.class_maps(network, pixels, RECIPE, [0] * 11, layers)


def test_a_small_network_trained_in_seconds_looks_at_the_planted_patch():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 16, 4, 4), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, planting.CLASSES),
    )  # fmt: skip
    family = planting.Family("test_resnet", "", 3e-3, side=64)  # for the pictures and the rate
    planting.learn(network, family, seconds=60, shrinking=60)
    found = planting.looked_at(network, family, pictures=20)
    assert found["accuracy"] >= 0.95
    assert found["within"] >= 0.9
    assert found["chance"] < 0.25


@pytest.mark.slow  # each is trained for minutes
@pytest.mark.parametrize("name", list(planting.FAMILIES))
def test_the_planted_patch_is_the_peak_in_every_family_of_networks(name):
    family = planting.FAMILIES[name]
    network = planting.create(family)
    planting.learn(network, family, seconds=1800)
    found = planting.looked_at(network, family, pictures=100)
    assert found["accuracy"] >= 0.95
    assert found["within"] >= 0.9
