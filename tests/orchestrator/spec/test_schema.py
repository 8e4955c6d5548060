"""The JSON Schemas say of a spec what its reader says, and editors find them."""

from __future__ import annotations

import ast
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs import spec_schema
from ensembles.scores.metrics import METRICS
from members.pixels.augment import augmentation_problems
from members.recipe.recipe import Recipe
from members.recipe.values import LOSSES
from members.training.optim import optimizer_problem
from orchestrator.errors import BAD_INPUT
from orchestrator.spec import load
from orchestrator.spec.yaml_lines import _Loader
from tests import fenced

jsonschema = pytest.importorskip("jsonschema")
ROOT = Path(__file__).parents[3]
SPECS = sorted([*ROOT.glob("ensembles/*.yaml"), *ROOT.glob("ensembles/sources/*.yaml")])
RECIPES = sorted(ROOT.glob("members/recipes/*.yaml"))


def validator(file: Path) -> Any:
    return jsonschema.Draft202012Validator(json.loads(file.read_text()))


SCHEMA = validator(spec_schema.OF_SPECS)


def plain(text: str) -> Any:
    """What an editor sees: numbers and texts as the reader's, `${NAME:-default}` as it stands."""
    return yaml.load(text, Loader=_Loader)


def underlined(text: str) -> set[str]:
    """Dotted paths of what the schema refuses; a key that is unknown or missing by itself."""
    return {_place(error) for error in SCHEMA.iter_errors(plain(text))}


def _place(error: Any) -> str:
    """Of several ways to write a value, as editors do, by the one that comes furthest."""
    deeper = [own for own in error.context if len(own.absolute_path) > len(error.absolute_path)]
    of_keys = ("additionalProperties", "required")
    unknown = [own for own in error.context if own.validator in of_keys]
    if deeper or (unknown and isinstance(error.instance, dict)):
        return _place(max(deeper or unknown, key=lambda own: len(own.absolute_path)))
    path = [*map(str, error.absolute_path)]
    if error.validator in of_keys:
        path += re.findall(r"'([^']+)'", error.message)[:1]
    return ".".join(path)


def is_read(file: Path, **options: bool) -> bool:
    try:
        spec = load(file, **options)
    except BAD_INPUT:
        return False
    recipes = [member.recipe for member in spec.members]
    return not any(
        optimizer_problem(own.optimizer) or augmentation_problems(own) for own in recipes
    )


# -- where editors find them -----------------------------------------------------------------------


def test_both_are_json_schemas_and_as_the_code_says_now():
    for file, text in spec_schema.texts().items():
        jsonschema.Draft202012Validator.check_schema(json.loads(text))
        assert file.read_text() == text, "stale: write it with `python -m docs.generate schemas`"


@pytest.mark.parametrize("file", [*SPECS, *RECIPES], ids=lambda file: file.stem)
def test_each_yaml_that_comes_with_the_package_names_its_schema_and_is_valid(file):
    first, _, rest = file.read_text().partition("\n")
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    schema = (file.parent / named[1]).resolve()
    assert schema == (spec_schema.OF_RECIPES if file in RECIPES else spec_schema.OF_SPECS)
    assert [*validator(schema).iter_errors(plain(rest))] == []


# -- what it knows ---------------------------------------------------------------------------------


def test_every_key_has_a_text_to_show():
    blocks = {"": SCHEMA.schema, **SCHEMA.schema["$defs"]}
    silent = [
        f"{name}.{key}"
        for name, block in blocks.items()
        for key, schema in block.get("properties", {}).items()
        if name not in ("RangeOfNNI", "Space")
        if not ("description" in schema or "$ref" in schema)
    ]
    assert silent == []


def test_it_lists_names_for_an_editor_to_offer():
    def offered(key: str) -> set[str]:
        ways = SCHEMA.schema["$defs"]["Recipe"]["properties"][key]["anyOf"]
        return {name for way in ways for name in way.get("enum", ())}

    assert offered("loss") == {*LOSSES}
    assert {*METRICS} < offered("metric")
    assert {"efficientnet_b3", "vit_base_patch16_224", "base_cnn"} < offered("model")
    assert {"adamw", "sgd", "lion"} < offered("optimizer")
    assert offered("schedule") == {"cosine", "step", "milestones", "plateau", "constant"}
    assert {"light", "flip"} < offered("augmentation")


# -- what the reader takes, it takes ---------------------------------------------------------------


def _texts_of_tests() -> list[str]:
    """Every text in a test that may be a spec, and every block of the docs that is one."""
    found = []
    for file in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    found += [b.text for page in pages for b in fenced.blocks(page) if b.language == "yaml"]
    return [text for text in found if {"members:", "name:"} <= {*re.findall(r"\w+:", text)}]


def test_specs_of_tests_and_pages_that_are_read_are_valid_and_so_are_they_resolved(
    tmp_path, monkeypatch
):
    for name in [name for name in os.environ if name.startswith("SM_")]:
        monkeypatch.delenv(name)
    file, n, wrong = tmp_path / "spec.yaml", 0, {}
    for text in dict.fromkeys(_texts_of_tests()):
        file.write_text(text)
        try:
            spec = load(file)
            if re.search("^small:", text, re.M):
                load(file, small=True)
        except BAD_INPUT:
            continue
        n += 1
        for form in (text, spec.to_yaml()):
            if found := underlined(form):
                wrong[form] = found
    assert wrong == {}
    assert n >= 40


GOOD = """\
name: good
data: {layout: profiles, train: "${TRAIN:-data/train}", test: data/eval, repair: []}
folds: {k: "${K:-3}", seed: 1}
defaults: {image_size: [96, 64], epochs: 6, lr: 1e-3, recipe: resnet34, pretrained: false}
members:
  - {name: effnet, model: test_efficientnet, loss: {f1: 1, cross_entropy: 0.5}, image_size: 96}
  - {name: own, model: base_cnn, augmentation: [HorizontalFlip, {GaussNoise: {p: 0.3}}]}
  - {name: taught, model: test_resnet, select: last, teacher: {vote: soft, of: [plain]}}
  - {name: plain, model: test_vit, select: last, optimizer: lookahead_AdamW, metric: f1_macro}
  - {name: mixed, model: test_resnet, seeds: [1, 2], mixing: {kind: cutmix, partners: {age: ">=60"}}}
  - {name: second, stack: {of: [effnet, plain], kind: logistic}}
  - name: timm
    model: test_resnet
    augmentation: [{RandomResizedCrop: {scale: [0.35, 1]}}]
    auto_augment: rand-m9-mstd0.5-inc1
    margin: 1.5
    erasing: {probability: 0.25, mode: rand}
    mixing: {kind: mixup, switch: {kind: cutmix}, mode: elem}
    ema: {decay: 0.99, warmup_power: 0.667}
search:
  members: [effnet]
  names: {criterion: loss}
  space: {lr: {log_uniform: [1.0e-4, 1.0e-2]}, criterion: {_type: choice, _value: [f1, focal]}}
  candidates: null
vote: {mode: weighted, objective: "macro_f1:age", sets: 0.9}
resources: {gpus: 0, workers: 2}
tracking: mlflow
small:
  data: {test: data/small}
  folds: {k: 2}
  defaults: {epochs: 1}
  members: {effnet: {model: test_convnext}, plain: {epochs: 2}, own: null}
"""
SEARCH = "names: {criterion: loss}\n  space: {lr: {log_uniform: [1.0e-4, 1.0e-2]}, criterion: {_type: choice, _value: [f1, focal]}}"  # noqa: E501


def test_every_way_to_write_a_key_is_valid(tmp_path):
    file = tmp_path / "spec.yaml"
    file.write_text(GOOD)
    assert is_read(file)
    assert is_read(file, small=True)
    assert underlined(GOOD) == set()


@pytest.mark.parametrize(
    "space",
    [
        "{lr: {choice: [1e-3, 1e-2]}, image_size: {choice: [96, [96, 72]]}}",
        "{loss: {choice: [f1, {f1: 1, focal: 2}]}, epochs: {int_uniform: [2, 4]}}",
        "{dropout: {uniform: [0, 0.5]}, lr: {quniform: [0.1, 0.5, 0.1]}}",
        "{batch_size: {_type: randint, _value: [4, 9]}, lr: {_type: uniform, _value: [0.1, 0.2]}}",
        "{mixing: {choice: [null, {kind: mixup}]}, head_first: {choice: [null]}}",
        "{augmentation: {choice: [flip, [HorizontalFlip]]}, metric: {choice: [f1_macro]}}",
    ],
)
def test_what_a_space_may_hold_is_valid(space, tmp_path):
    text = GOOD.replace(SEARCH, f"space: {space}")
    file = tmp_path / "spec.yaml"
    file.write_text(text)
    assert is_read(file)
    assert underlined(text) == set()


# -- what the reader refuses, it underlines --------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "wrong", "where"),
    [
        # names
        ("loss: {f1: 1, cross_entropy: 0.5}", "loss: crossentropy", "members.0.loss"),
        ("loss: {f1: 1, cross_entropy: 0.5}", "loss: {f2: 1}", "members.0.loss"),
        ("lookahead_AdamW", "adamww", "members.3.optimizer"),
        ("metric: f1_macro", "metric: macro_f2", "members.3.metric"),
        ("[HorizontalFlip, {GaussNoise: {p: 0.3}}]", "lihgt", "members.1.augmentation"),
        ("HorizontalFlip", "HorizontalFlop", "members.1.augmentation"),
        ("GaussNoise: {p: 0.3}", "GaussNoise: {q: 0.3}", "members.1.augmentation"),
        ("{kind: cutmix", "{kind: cutmux", "members.4.mixing.kind"),
        ("lr: 1e-3", "schedule: cosin", "defaults.schedule"),
        ("auto_augment: rand-m9", "auto_augment: rnd-m9", "members.6.auto_augment"),
        ("rand-m9-mstd0.5-inc1", "rand-m9-x3", "members.6.auto_augment"),
        ("mode: rand", "mode: random", "members.6.erasing.mode"),
        ("switch: {kind", "switch: {knd", "members.6.mixing.switch.knd"),
        ("mode: elem", "mode: whole", "members.6.mixing.mode"),
        ("margin: 1.5", "margin: 0.5", "members.6.margin"),
        ("lr: 1e-3", "normalize: imagnet", "defaults.normalize"),
        ("recipe: resnet34", "recipe: resnet43", "defaults.recipe"),
        ("kind: logistic", "kind: logistik", "members.5.stack.kind"),
        ("macro_f1:age", "macro_f2:age", "vote.objective"),
        ("tracking: mlflow", "tracking: [mlfow]", "tracking"),
        ("_value: [f1, focal]", "_value: [f1, foca]", None),
        # keys
        ("layout: profiles", "layuot: profiles", "data.layuot"),
        ("name: effnet, model", "name: effnet, modle", "members.0.modle"),
        ("epochs: 6", "epoch: 6", "defaults.epoch"),
        ("{vote: soft", "{votes: soft", "members.2.teacher.votes"),
        ("folds: {k", "fold: {k", "fold"),
        ("candidates: null", "candidate: 3", "search.candidate"),
        ("sets: 0.9", "set: 0.9", "vote.set"),
        ("workers: 2", "worker: 2", "resources.worker"),
        ("members: [effnet]\n  ", "", "search.members"),
        ("name: good\n", "", "name"),
        ("lr: {log_uniform", "lr: {log_unifrom", None),
        # types and ranges
        ("epochs: 6", "epochs: six", "defaults.epochs"),
        ("epochs: 6", "epochs: 0", "defaults.epochs"),
        ("epochs: 6", "epochs: 1.5", "defaults.epochs"),
        ("image_size: [96, 64]", "image_size: [96, 64, 3]", "defaults.image_size"),
        ("image_size: [96, 64]", "image_size: [96, 4]", "defaults.image_size"),
        ("seeds: [1, 2]", "seeds: 1", "members.4.seeds"),
        ("seeds: [1, 2]", "seeds: []", "members.4.seeds"),
        ("name: mixed", "name: a/b", "members.4.name"),
        ("pretrained: false", "pretrained: [a]", "defaults.pretrained"),
        ("gpus: 0", "gpus: all", "resources.gpus"),
        ("sets: 0.9", "sets: 1.5", "vote.sets"),
        ("{f1: 1, cross", "{f1: -1, cross", "members.0.loss"),
        ("members: [effnet]", "members: effnet", "search.members"),
        ("- {name: plain, ", "- [name, plain]\n  - {name: plain, ", "members.3"),
    ],
)
def test_a_mistake_is_refused_by_both_and_underlined_where_it_stands(right, wrong, where, tmp_path):
    assert right in GOOD
    text = GOOD.replace(right, wrong, 1)
    if where is None:  # a space without names of others, whose keys are known
        text = text.replace("names: {criterion: loss}", "seed: 0").replace("criterion:", "loss:")
        where = "search.space"
    file = tmp_path / "spec.yaml"
    file.write_text(text)
    assert not is_read(file)
    found = underlined(text)
    assert any(own.startswith(where) for own in found), found
    assert len(found) == 1


def test_a_wrong_block_for_a_small_run_is_underlined_too(tmp_path):
    text = GOOD.replace("plain: {epochs: 2}", "plain: {epoch: 2}")
    file = tmp_path / "spec.yaml"
    file.write_text(text)
    assert not is_read(file, small=True)
    assert underlined(text) == {"small.members.plain.epoch"}


def test_a_name_of_a_later_timm_is_let_pass():
    """`check` says what is no model of the timm that is installed."""
    assert underlined(GOOD.replace("test_efficientnet", "efficientnet_c9.some_tag")) == set()
    assert Recipe(model="efficientnet_c9")
