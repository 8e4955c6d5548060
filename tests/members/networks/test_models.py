import subprocess
import sys

import pytest
import torch

from members.networks.models import build_model, statistics_of
from members.recipe.recipe import Recipe

TINY = ("test_efficientnet", "test_resnet", "test_convnext", "test_vit")


def recipe(model="test_resnet", **settings):
    return Recipe(**{"model": model, "image_size": [32, 48], **settings})


def test_networks_are_imported_without_weights_and_biases():
    code = "import sys, members.networks.models; print('wandb' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "False"


@pytest.mark.parametrize("name", [*TINY, "swin_tiny_patch4_window7_224"])
@pytest.mark.parametrize("n_classes", [1, 18])
def test_any_network_answers_for_our_classes_at_our_size(name, n_classes):
    settings = recipe(name)
    model = build_model(settings, n_classes).eval()
    with torch.no_grad():
        assert model(torch.zeros(2, 3, *settings.image_size)).shape == (2, n_classes)


def test_the_meta_device_holds_no_memory():
    model = build_model(recipe("swin_large_patch4_window12_384", image_size=384), 18, device="meta")
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}


def test_dropout_and_drop_path_reach_the_network():
    model = build_model(recipe("test_convnext", dropout=0.3, drop_path=0.2), 4)
    assert model.drop_rate == 0.3
    drops = [getattr(m, "drop_prob", 0) for m in model.modules()]
    assert max(drops) == pytest.approx(0.2)


def test_statistics_come_from_the_source_that_the_recipe_names():
    assert statistics_of(recipe()).mean == (0.485, 0.456, 0.406)
    lite = statistics_of(recipe("tf_efficientnet_lite0", normalize="model"))
    assert lite.mean == lite.std == (0.5, 0.5, 0.5)
    own = {"mean": [0.1, 0.2, 0.3], "std": [1, 2, 3]}
    assert statistics_of(recipe(normalize=own)).std == (1, 2, 3)
