from pathlib import Path

import pytest
import safetensors.torch
import torch

from members.errors import BadInput
from members.networks import saving
from members.networks.models import build_model
from members.recipe.recipe import Recipe

TINY = ("test_efficientnet", "test_resnet", "test_convnext", "test_vit")


def recipe(model="test_resnet", **settings):
    return Recipe(**{"model": model, "image_size": [32, 48], **settings})


def state_of(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("name", TINY)
def test_saved_weights_come_back_bit_for_bit(tmp_path, name):
    model = build_model(recipe(name), 3).to(memory_format=torch.channels_last)
    saving.save(model, tmp_path / "model.safetensors")
    other = build_model(recipe(name), 3)
    assert not same(state_of(model), state_of(other))
    saving.load(other, tmp_path / "model.safetensors")
    assert same(state_of(model), state_of(other))
    assert same(state_of(model), safetensors.torch.load(saving.to_bytes(model.state_dict())))


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "model.safetensors"
    saving.save(build_model(recipe(), 3), path)
    before = path.read_bytes()

    def half_a_file(tensors, file):
        Path(file).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(safetensors.torch, "save_file", half_a_file)
    with pytest.raises(OSError, match="disk full"):
        saving.save(build_model(recipe(), 3), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_weights_of_another_network_are_not_loaded(tmp_path):
    saving.save(build_model(recipe(), 3), tmp_path / "model.safetensors")
    with pytest.raises(BadInput, match="does not fit"):
        saving.load(build_model(recipe(), 4), tmp_path / "model.safetensors")
    with pytest.raises(BadInput, match="does not fit"):
        saving.load_bytes(build_model(recipe(), 3), b"no weights at all")
