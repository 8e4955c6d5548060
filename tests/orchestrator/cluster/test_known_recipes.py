"""What is known of recipes: looked up where nothing that it hangs on has changed, else found out again."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from members.recipe.recipe import Recipe
from orchestrator.cluster import known_recipes as module
from orchestrator.cluster.known_recipes import known_recipes

ROOT = Path(__file__).parents[3]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ENSEMBLE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Asked:
    """Counts how often it had to be found out."""

    def __init__(self, answer):
        self.answer, self.times = answer, 0

    def __call__(self):
        self.times += 1
        return self.answer


def ask(find, recipe=None, what="problems", *given):
    with known_recipes() as known:
        return known.of(what, recipe or Recipe(model="test_resnet"), *given, find=find)


@pytest.mark.parametrize("answer", [[], None, 12, 0.5, 0])
def test_what_is_in_order_is_found_out_once(cache, answer):
    find = Asked(answer)
    assert [ask(find), ask(find)] == [answer, answer]
    assert find.times == 1


@pytest.mark.parametrize("answer", [["lr: wrong"], "batch_size: too small"])
def test_what_is_wrong_is_looked_at_again(cache, answer):
    find = Asked(answer)
    assert [ask(find), ask(find)] == [answer, answer]
    assert find.times == 2


def test_another_question_has_another_answer(cache):
    find = Asked(1)
    ask(find)
    ask(find, Recipe(model="test_resnet", lr=0.5))
    ask(find, None, "memory")
    ask(find, None, "problems", 3)
    assert find.times == 4


def test_a_changed_package_or_file_of_this_code_forgets(cache, monkeypatch):
    find = Asked(1)
    ask(find)
    code = module._code()
    monkeypatch.setattr(module, "_code", lambda: [*code, "more"])
    ask(find)
    assert find.times == 2
    assert [name for name, version in code[1] if version] >= ["torch"]
    assert any(name.endswith("members/training/check.py") for name, _ in code[2])


def test_other_weights_in_the_file_are_looked_at(cache, tmp_path):
    file, find = tmp_path / "start.safetensors", Asked([])
    recipe = Recipe(model="test_resnet", pretrained=str(file))
    ask(find, recipe)
    ask(find, recipe)
    assert find.times == 2, "of a file that is not there nothing is known"
    for number, times in ((1, 3), (2, 4)):
        safetensors.torch.save_file({"a": torch.full((3,), number)}, file)
        assert [ask(find, recipe), ask(find, recipe)] == [[], []]
        assert find.times == times


def test_whether_there_is_a_compiler_is_looked_at_each_time(cache):
    find = Asked([])
    recipe = Recipe(model="test_resnet", compile=True)
    assert [ask(find, recipe), ask(find, recipe)] == [[], []]
    assert find.times == 2


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b"null"])
def test_damage_costs_time_alone(cache, damage):
    find = Asked(7)
    ask(find)
    (cache / "recipes.json").write_bytes(damage)
    assert ask(find) == 7
    assert find.times == 2


def test_a_changed_value_is_no_answer(cache):
    find = Asked(7)
    ask(find)
    file = cache / "recipes.json"
    file.write_text(file.read_text().replace(": 7", ": 8"))
    assert ask(find) == 7


def test_where_nothing_can_be_kept_it_is_found_out(cache, monkeypatch):
    cache.write_text("no folder")
    find = Asked(7)
    assert [ask(find), ask(find)] == [7, 7]


def test_two_calls_at_once_keep_what_both_found(cache):
    with known_recipes() as known:
        known.of("mine", Recipe(model="test_resnet"), find=Asked(1))
        other = module.Known(cache / "recipes.json")
        other.of("other", Recipe(model="test_resnet"), find=Asked(2))
        other.write()
    assert len(json.loads((cache / "recipes.json").read_text())) == 2 + 1  # and the seal


SPEC = """
name: small
data: {layout: folders, train: photos}
folds: {k: 2}
defaults: {image_size: [32, 32], epochs: 3, warmup_epochs: 0, batch_size: 4}
members: [{name: effnet, model: test_efficientnet}, {name: resnet, model: test_resnet}]
"""


def test_a_second_check_prints_the_same_and_needs_no_torch(cache, tmp_path):
    from tests.members.data_fixtures import write_photo

    for number in range(12):
        (tmp_path / f"photos/{number % 2}").mkdir(parents=True, exist_ok=True)
        write_photo(tmp_path / f"photos/{number % 2}/{number}.jpg", number)
    (tmp_path / "spec.yaml").write_text(SPEC)
    code = (
        "import sys\n"
        "from orchestrator.cli.app import main\n"
        "sys.argv = ['ensemble', 'check', 'spec.yaml']\n"
        "try:\n    main()\n"
        "finally:\n    print('HEAVY', sorted({'torch', 'timm'} & set(sys.modules)))\n"
    )

    def check() -> str:
        command = [sys.executable, "-c", code]
        environment = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "ENSEMBLE_CACHE": str(cache),
        }
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    first, second = check(), check()
    assert "HEAVY ['timm', 'torch']" in first
    assert "HEAVY []" in second
    assert first.partition("HEAVY")[0] == second.partition("HEAVY")[0]
    assert "test_resnet" in second
