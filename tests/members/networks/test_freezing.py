import pytest
import torch
from torch import nn

from members.errors import BadInput
from members.networks.freezing import freezable_blocks, train_mode
from members.networks.models import build_model
from members.recipe.recipe import Recipe
from tests.members.drawn import SHAPES
from tests.members.trained import recipe, states


def learning(freeze, model="test_resnet"):
    settings = Recipe(model=model, image_size=32, freeze=freeze)
    return {n for n, p in build_model(settings, 3).named_parameters() if p.requires_grad}


def test_nothing_is_frozen_by_default():
    network = build_model(Recipe(model="test_resnet", image_size=32), 3)
    assert learning(None) == {name for name, _ in network.named_parameters()}


@pytest.mark.parametrize(
    ("model", "head"),
    [("test_resnet", "fc"), ("test_vit", "head"), ("test_efficientnet", "classifier")],
)
def test_without_its_backbone_only_the_head_learns(model, head):
    assert learning("backbone", model) == {f"{head}.weight", f"{head}.bias"}


def test_up_to_a_block_all_that_comes_first_is_frozen_too():
    everything, left = learning(None), learning("layer2")
    frozen = everything - left
    assert any(name.startswith("conv1") for name in frozen)
    assert {name.split(".")[0] for name in frozen} == {"conv1", "bn1", "layer1", "layer2"}
    assert {name.split(".")[0] for name in left} == {"layer3", "layer4", "fc"}


def test_a_vit_s_position_table_is_frozen_with_its_first_block():
    left = learning("blocks.0", "test_vit")
    assert "pos_embed" not in left
    assert not any(name.startswith(("patch_embed", "blocks.0.")) for name in left)
    assert any(name.startswith("blocks.1.") for name in left)


def test_frozen_weights_and_batch_norms_are_the_same_after_training_and_the_rest_is_not():
    settings = recipe("test_resnet", freeze="layer2", epochs=2, weight_decay=0.1)
    _, after = states(settings)
    frozen = ("conv1", "bn1", "layer1", "layer2")
    first, last = after[0]["model"], after[-1]["model"]
    for name, tensor in first.items():
        # a frozen network's batch norm does not even count its steps
        assert torch.equal(tensor, last[name]) == name.startswith(frozen), name


def test_what_is_frozen_as_a_whole_stays_as_at_test_time():
    network = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.Dropout()), nn.BatchNorm1d(2))
    network[0].requires_grad_(False)
    train_mode(network)
    assert [m.training for m in (network[0][1], network[1], network)] == [False, True, True]


def test_blocks_are_named_to_choose_from():
    network = build_model(Recipe(model="test_resnet", image_size=32), SHAPES)
    assert {"conv1", "layer1", "layer1.0", "layer4"} <= set(freezable_blocks(network))
    assert not {"", "fc"} & set(freezable_blocks(network))


@pytest.mark.parametrize(
    ("freeze", "message"),
    [("layer22", "Did you mean 'layer2'"), ("fc", "no block 'fc'"), ("bakbone", "'backbone'")],
)
def test_an_unknown_block_is_named_with_its_nearest(freeze, message):
    with pytest.raises(BadInput, match=message):
        learning(freeze)
