"""A head that starts at zero: what it answers, that it learns, and where it is no new head."""

import pytest
import torch

from members.errors import BadInput
from members.networks.models import build_model
from members.training.check import recipe_problems
from tests.members.drawn import SHAPES
from tests.members.trained import recipe, states


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_efficientnet", "base_cnn"])
def test_all_classes_are_alike_at_first_and_the_rest_is_drawn_as_without_it(name):
    torch.manual_seed(3)
    plain = build_model(recipe(name), SHAPES)
    torch.manual_seed(3)
    model = build_model(recipe(name, zero_head=True), SHAPES).eval()
    assert torch.equal(model(torch.rand(2, 3, 32, 32)), torch.zeros(2, SHAPES))
    changed = {
        n for n, t in plain.state_dict().items() if not torch.equal(t, model.state_dict()[n])
    }
    assert {n.rpartition(".")[0] for n in changed} == {plain.pretrained_cfg["classifier"]}


def test_from_there_everything_learns():
    settings = recipe("test_resnet", zero_head=True, epochs=2)
    _, after = states(settings)
    first, last = after[0]["model"], after[-1]["model"]
    assert not any(torch.equal(t, last[name]) for name, t in first.items())
    assert last["fc.weight"].abs().min() > 0


def test_weights_that_bring_a_head_for_as_many_classes_are_not_wiped(tmp_path):
    torch.save(build_model(recipe("test_resnet"), SHAPES).state_dict(), tmp_path / "trained.pt")
    settings = recipe("test_resnet", zero_head=True, pretrained=str(tmp_path / "trained.pt"))
    with pytest.raises(
        BadInput, match="zero_head: the pretrained weights bring a head for as many"
    ):
        build_model(settings, SHAPES)
    # a head of another size is a new one, and a check that does not know how many there will be passes
    assert recipe_problems(settings) == []
    model = build_model(settings, SHAPES + 1)
    assert not model.fc.weight.any()


def test_a_network_whose_head_is_not_known_is_refused_before_training(monkeypatch):
    monkeypatch.setattr("members.networks.freezing.is_head", lambda model, name: False)
    (problem,) = recipe_problems(recipe("test_resnet", zero_head=True))
    assert problem.startswith("zero_head: which layer is this network's head is not known")
