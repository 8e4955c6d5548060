"""A run with networks of random weights, written without training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from members.data.codec import PROFILES
from members.networks import saving
from members.networks.models import build_model
from members.recipe.recipe import Recipe
from orchestrator.runs.store import Store
from orchestrator.units.record import write_record
from tests.orchestrator.records import record
from tests.orchestrator.report.made import HASH, Made

RECIPES = {
    "one": {"model": "base_cnn", "image_size": [48, 36], "normalize": "imagenet"},
    "two": {"model": "test_resnet", "image_size": [64, 64], "crop": [0.5, 0.5]},
    "three": {"model": "base_cnn", "image_size": [32, 32]},
    "ages": {"model": "base_cnn", "image_size": [32, 32]},
    "masks": {"model": "base_cnn", "image_size": [32, 32]},
}
TARGETS_OF = {"ages": ["age"], "masks": ["mask", "gender"]}
VOTERS = ("one", "two", "three", "joined")
CODEC = PROFILES
SPEC = """
name: e
data: {layout: profiles, train: photos}
members:
  - {name: one, model: base_cnn}
  - {name: two, model: test_resnet}
  - {name: three, model: base_cnn}
  - {name: ages, model: base_cnn, targets: [age]}
  - {name: masks, model: base_cnn, targets: [mask, gender]}
join:
  - {name: joined, of: [ages, masks]}
vote: {mode: soft}
"""


def network_of(name: str, fold: int):
    """The network of a member and fold, and its recipe: the same weights each time."""
    recipe = Recipe(**RECIPES[name])
    targets = TARGETS_OF.get(name)
    classes = CODEC.classes if targets is None else CODEC.subset(targets).classes
    torch.manual_seed(list(RECIPES).index(name) * 10 + fold)
    return build_model(recipe, len(classes)).eval(), recipe


@pytest.fixture(scope="session")
def looked_at(tmp_path_factory) -> Path:
    """A run whose member `three` has no weights, as one whose tables were made elsewhere."""
    folder = tmp_path_factory.mktemp("maps") / "e"
    targets = [[name, list(values)] for name, values in CODEC.targets.items()]
    drawn = Made(
        members=VOTERS, rows=36, test=3, search=False, units=False, targets=targets, classes=CODEC.classes
    )  # fmt: skip
    drawn.write(folder)
    (folder / "spec.yaml").write_text(SPEC)
    (folder / "targets.json").write_text(CODEC.to_json())
    store = Store(folder)
    for name in RECIPES:
        table = folder / "tables" / name
        table.mkdir(exist_ok=True)
        (table / "made_from.txt").write_text(f"{HASH} none None")
        if name == "three":
            continue
        epochs = {f"fold-{fold}": 4 for fold in range(3)}
        (table / "epochs.json").write_text(json.dumps({"select": "best", "epochs": epochs}))
        for fold in range(3):
            unit = f"units/{name}/{HASH}/fold-{fold}"
            model, _ = network_of(name, fold)
            store.write(f"{unit}/model.safetensors", saving.to_bytes(model))
            member = {"name": name, "recipe": RECIPES[name], "targets": TARGETS_OF.get(name)}
            own = record(member=member, fold=fold, seed=None, hash=HASH, digests={})
            write_record(unit, own, store)
    noise = np.random.default_rng(1)
    ids = [f"test-{i}" for i in range(3)]
    paths = [str(folder / "photos" / f"{i}.png") for i in ids]
    for path in paths:
        Image.fromarray(noise.integers(0, 255, (80, 60, 3), np.uint8)).save(path)
    pq.write_table(pa.table({"image_id": ids, "path": paths}), folder / "test.parquet")
    return folder
