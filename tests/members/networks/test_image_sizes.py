"""Networks that cut photos into patches take any size in whole patches; their tables follow it."""

import pytest
import torch

from members.networks import saving
from members.networks.models import build_model
from members.recipe.recipe import Recipe
from members.training.check import recipe_problems


def recipe(model, **settings):
    return Recipe(model=model, **settings)


def test_a_vit_s_position_table_follows_the_image_size(tmp_path):
    source = build_model(recipe("test_vit", image_size=[64, 64]), 3)
    # a table that rises along the height and is the same along the width, at any resolution
    table = torch.linspace(0, 1, 4).view(1, 4, 1, 1).expand(1, 4, 4, source.embed_dim)
    source.pos_embed.data[:, 1:] = table.reshape(1, 16, -1)
    saving.save(source, tmp_path / "weights.safetensors")
    settings = recipe(
        "test_vit", image_size=[128, 64], pretrained=f"{tmp_path}/weights.safetensors"
    )
    resized = build_model(settings, 3).pos_embed.data[0, 1:].view(8, 4, -1)
    assert torch.allclose(resized, resized[:, :1].expand_as(resized), atol=1e-4)
    assert (resized[1:, 0, 0] > resized[:-1, 0, 0]).all()


def test_a_swin_s_window_and_position_tables_follow_the_image_size(tmp_path):
    name = "swin_tiny_patch4_window7_224"
    source = build_model(recipe(name, image_size=224), 3)
    key = "layers.2.blocks.0.attn.relative_position_bias_table"
    # rises with the vertical distance, which goes from -6 to 6, and is the same for all horizontal
    table = torch.linspace(-6, 6, 13).view(13, 1, 1).expand(13, 13, 12).reshape(169, 12)
    source.layers[2].blocks[0].attn.relative_position_bias_table.data.copy_(table)
    saving.save(source, tmp_path / "weights.safetensors")
    settings = recipe(name, image_size=[128, 64], pretrained=f"{tmp_path}/weights.safetensors")
    assert recipe_problems(settings) == []
    model = build_model(settings, 3)
    attention = model.layers[2].blocks[0].attn
    # 128 x 64 in patches of 4, halved twice, is 8 x 4: a window of 7 x 4, distances -6..6 and -3..3
    assert attention.window_size == (7, 4)
    expected = torch.linspace(-6, 6, 13).view(13, 1, 1).expand(13, 7, 12).reshape(91, 12)
    got = model.state_dict()[key]
    assert torch.allclose(got, expected, atol=0.2)  # timm's spacing is geometric, near to even
    assert torch.allclose(got.view(13, 7, 12)[:, :1], got.view(13, 7, 12), atol=1e-4)
    with torch.no_grad():
        assert torch.isfinite(model.eval()(torch.zeros(1, 3, 128, 64))).all()


@pytest.mark.parametrize(
    ("name", "size", "nearest"),
    [
        ("swin_tiny_patch4_window7_224", [130, 75], [128, 76]),
        ("swinv2_tiny_window8_256", [96, 2050], [96, 2048]),
        ("vit_tiny_patch16_224", [96, 72], [96, 64]),
    ],
)
def test_a_size_whose_edge_the_patches_would_drop_is_refused_with_the_nearest(name, size, nearest):
    (problem,) = recipe_problems(recipe(name, image_size=size))
    assert f"does not take {size}" in problem
    assert str(nearest) in problem
    assert recipe_problems(recipe(name, image_size=nearest)) == []
