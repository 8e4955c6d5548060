"""Keys that users of timm, torchvision and Keras write are answered with where to look here."""

import re

import pytest

from members.recipe.recipe import Recipe
from orchestrator.errors import WrongRequest
from orchestrator.spec import load
from orchestrator.spec.blocks.data import Data
from orchestrator.spec.blocks.resources import Resources
from orchestrator.spec.messages.pointers import POINTERS
from orchestrator.spec.spec import Folds, Member, Spec


def spec(tmp_path, defaults="", member="", data=""):
    path = tmp_path / "spec.yaml"
    path.write_text(
        f"name: x\ndata: {{layout: folders, train: photos{data}}}\n"
        f"defaults: {{epochs: 1{defaults}}}\nmembers:\n  - {{name: a, model: resnet18{member}}}\n"
    )
    return path


@pytest.mark.parametrize("at", ["defaults", "member", "data"])
def test_channels_have_a_pointer_wherever_they_are_written(tmp_path, at):
    with pytest.raises(WrongRequest) as caught:
        load(spec(tmp_path, **{at: ", in_chans: 1"}))
    (problem,) = caught.value.problems
    assert "unknown key 'in_chans'" in problem
    assert "read as RGB" in problem
    assert "line " in problem


def test_an_override_on_the_command_line_has_the_pointer_too(tmp_path):
    with pytest.raises(WrongRequest) as caught:
        load(spec(tmp_path), sets=["members.a.num-classes=3"])
    assert "labels in the data" in str(caught.value)


def test_what_is_only_misspelt_still_gets_the_nearest_key(tmp_path):
    with pytest.raises(WrongRequest) as caught:
        load(spec(tmp_path, defaults=", batchsiz: 3"))
    assert "Did you mean 'batch_size'" in str(caught.value)


def test_pointers_name_keys_that_there_are_and_are_none_everywhere():
    blocks = (Recipe, Member, Data, Folds, Resources, Spec)
    there = {key for block in blocks for key in block.model_fields} | {"defaults"}
    for key, text in POINTERS.items():
        assert key not in Recipe.model_fields, key
        for named in re.findall(r"key `(\w+)`|`(\w+):", text):
            assert {*filter(None, named)} <= there, (key, named)
