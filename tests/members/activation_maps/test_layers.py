"""The layers for maps: deep, fine enough, passed by everything, and of cells that the class depends on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from torch import nn

from members.activation_maps.layers import FINEST, STRIDE, find_layers
from members.errors import BadInput
from members.networks.models import build_model
from members.networks.timm_import import timm
from members.recipe.recipe import Recipe

RECIPES = sorted(Path("members/recipes").resolve().glob("*.yaml"))
# what is right for each family by its paper: the last stage of stride 16, or what is after it
EXPECTED = {
    "base_cnn": "drop3",
    "efficientnet": "blocks.5.0.bn1",  # widens that stage without a way around it
    "resnet": "layer3",
    "resnext": "layer3",
    "swin": "layers.2",
    "vgg19_bn": "features.51",  # the last activation before the last pooling
    "vgg19": "features.35",
}
ONE_GRID = ("base_cnn", "vit_base_224")  # all that follows their first pooling or patches


def shapes_of(model):
    """Name -> shape of what each module gives, filled when the model is asked."""
    found = {}
    for name, module in model.named_modules():
        module.register_forward_hook(
            lambda _m, _x, output, name=name: found.update({name: getattr(output, "shape", None)})
        )
    return found


@pytest.mark.parametrize(
    "file",
    [
        # those between the smallest and the largest are of the same blocks
        pytest.param(
            own,
            marks=[pytest.mark.slow]
            if own.stem[:-1] == "efficientnet_b" and own.stem[-1] in "23456"
            else [],
        )
        for own in RECIPES
    ],
    ids=lambda file: file.stem,
)
def test_every_recipe_at_its_full_size_has_a_layer_of_stride_16_at_most(file):
    recipe = Recipe(**yaml.safe_load(file.read_text()))
    model = build_model(recipe, 18, device="meta", pretrained=False).eval()
    shapes = shapes_of(model)
    layers = find_layers(model, recipe.image_size)
    for layer in layers:
        assert all(
            side // STRIDE <= cells <= -(-side // FINEST)
            for cells, side in zip(layer.grid, recipe.image_size, strict=True)
        )
        cells = layer.to_map(torch.empty(shapes[layer.name], device="meta"))
        assert tuple(cells.shape[2:]) == layer.grid
    layer = layers[0]
    assert layer.to_map(torch.empty(shapes[layer.name], device="meta")).shape[1] > max(layer.grid)
    strides = [layer.stride for layer in layers]
    assert strides == sorted(strides, reverse=True)
    assert len(set(strides)) == len(strides) == (1 if file.stem in ONE_GRID else 3)
    known = [name for begin, name in EXPECTED.items() if file.stem.startswith(begin)]
    assert layer.name == known[0] if known else file.stem == "vit_base_224"


@pytest.mark.parametrize(
    ("model", "options", "name", "grid", "prefix"),
    [
        # the class is read from the class token, which the last block's other tokens do not reach
        ("vit_tiny_patch16_224", {"img_size": (64, 48)}, "blocks.10", (4, 3), 1),
        # a mean over the tokens is: the last block's reach it
        ("vit_tiny_patch16_224", {"img_size": (64, 48), "global_pool": "avg"}, "norm", (4, 3), 1),
        ("vit_small_patch14_reg4_dinov2", {"img_size": (56, 70)}, "blocks.10", (4, 5), 5),
        ("deit_tiny_distilled_patch16_224", {"img_size": (48, 64)}, "blocks.10", (3, 4), 2),
        ("convnext_atto", {}, "stages.3.downsample.0", (4, 3), 0),
        ("test_resnet", {}, "layer3", (4, 3), 0),
    ],
)
def test_of_other_networks(model, options, name, grid, prefix):
    torch.manual_seed(0)
    size = options.get("img_size", (64, 48))
    network = timm.create_model(model, num_classes=3, **options).eval()
    layer = find_layers(network, size)[0]
    if name == "norm":
        assert layer.name in ("norm", "blocks.11")
    else:
        assert layer.name == name
    assert (layer.grid, layer.prefix) == (grid, prefix)


def test_no_way_leads_around_a_layer():
    """With its output cut off from what is before it, nothing of the picture is left."""
    for name in ("test_resnet", "test_efficientnet", "test_convnext", "test_vit"):
        model = timm.create_model(name, num_classes=3).eval()
        size = tuple(timm.get_pretrained_cfg(name).input_size[1:])
        model.requires_grad_(False)
        for layer in find_layers(model, size):
            module = model.get_submodule(layer.name)
            handle = module.register_forward_hook(lambda _m, _x, output: output.detach())
            assert not model(torch.rand(1, 3, *size, requires_grad=True)).requires_grad, name
            handle.remove()


class Branches(nn.Module):
    """Half of the channels take another way, at which the inner layer says nothing."""

    def __init__(self):
        super().__init__()
        self.first, self.inner = nn.Conv2d(3, 8, 3, 4, 1), nn.Conv2d(8, 8, 3, 1, 1)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        x = self.first(x)
        return self.head((x + self.inner(x)).mean((2, 3)))


def test_a_layer_inside_a_branch_is_not_taken():
    assert find_layers(Branches().eval(), (32, 32))[0].name == "first"


def test_channels_last_are_told_from_first_where_the_numbers_are_alike():
    class Alike(nn.Module):
        output_fmt = "NHWC"

        def __init__(self):
            super().__init__()
            self.cells, self.again = nn.Conv2d(3, 8, 8, 8), nn.Identity()
            self.head = nn.Linear(8, 2)

        def forward(self, x):
            return self.head(self.again(self.cells(x).permute(0, 2, 3, 1)).mean((1, 2)))

    (layer,) = find_layers(Alike().eval(), (64, 64))
    assert (layer.kind, layer.grid) == ("channels last", (8, 8))
    marked = torch.zeros(1, 8, 8, 8)
    marked[0, 2, 5, 3] = 1
    assert layer.to_map(marked)[0, 3, 2, 5] == 1


def test_a_network_without_such_a_layer_is_refused():
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4))
    with pytest.raises(BadInput, match=r"no layer for class-activation maps.*at most 16 pixels"):
        find_layers(flat, (32, 32))
    with pytest.raises(BadInput, match="one figure a class"):
        find_layers(nn.Conv2d(3, 4, 1), (32, 32))


def test_a_head_of_zeros_has_a_layer_all_the_same():
    model = timm.create_model("test_resnet", num_classes=3).eval()
    nn.init.zeros_(model.fc.weight)
    assert [own.name for own in find_layers(model, (64, 64))] == ["layer3"]
