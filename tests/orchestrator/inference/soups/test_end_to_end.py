"""`export --folds soup` on a run whose members began from one file of weights, and from none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

import ensembles
from members.networks import saving
from members.networks.models import build_model
from members.recipe.recipe import Recipe
from members.samples.people import draw_people
from orchestrator import Ensemble
from orchestrator.errors import WrongRequest
from orchestrator.inference.of_run import trained_of
from orchestrator.inference.soups import ensemble as souping
from orchestrator.inference.soups.ensemble import with_soups
from orchestrator.runs.contents import recorded_spec
from orchestrator.runs.store import Store
from tests.orchestrator.one_slot import commands

SPEC = """\
name: begun
data: {train: photos/train, test: photos/eval}
folds: {k: 2}
defaults: {model: test_resnet, image_size: [24, 24], epochs: 1, batch_size: 32, lr: 0.003}
members:
  - {name: fine, pretrained: start.safetensors, zero_head: true, seeds: [1, 2]}
  - {name: ages, pretrained: start.safetensors, targets: [age]}
  - {name: rest, pretrained: start.safetensors, targets: [mask, gender]}
  - {name: raw}
join: [{name: joined, of: [ages, rest]}]
"""


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> Path:
    """The folder in which it was trained; the run is `runs/begun` there."""
    folder = tmp_path_factory.mktemp("begun")
    draw_people(folder / "photos", profiles=12, eval=60, size=(48, 36))
    torch.manual_seed(1)
    start = build_model(
        Recipe(model="test_resnet", image_size=(24, 24)), 7
    )  # a head of another size
    saving.save(start, folder / "start.safetensors")
    (folder / "spec.yaml").write_text(SPEC)
    with commands(folder) as run:
        run("train-members", "spec.yaml")
        run("vote", "--mode", "soft")
    return folder


def exported(begun: Path, command, *more: str) -> tuple[dict, str]:
    code, out, err = command(
        "export", begun / "runs/begun", "--out", "b", "--vote", "soft", "--folds", "soup", "--json", "e.json",
        "--format", "safetensors", *more,
    )  # fmt: skip
    assert code == 0, out + err
    return json.loads(Path("e.json").read_text())["soups"], out


def test_over_folds_with_a_judge(begun, command, tmp_path):
    photos = begun / "photos/eval"
    found, out = exported(begun, command, "--judge", str(photos / "truth.csv"))
    assert found["judge"] == {
        "of": "truth.csv", "photographs": 60, "groups": 60, "parts": 5, "over": "folds"
    }  # fmt: skip
    own = found["members"]["fine"]
    assert own["accepted"] == "uniform", own
    assert own["networks"] == [4, 1]
    assert len(own["of"]["uniform"][0]) == 4
    raw = found["members"]["raw"]
    assert (raw["networks"], raw["accepted"]) == ([2, 2], None)
    assert "began from different random weights" in raw["why"]
    assert f"raw keeps 2 networks: {raw['why']}" in " ".join(out.split())
    # the score of all networks is that of the run's own test tables
    truth = (photos / "truth.csv").read_text().split()[1:]
    labels = {own.split(",")[0]: int(own.split(",")[1]) for own in truth}
    table = ensembles.read_table(begun / "runs/begun/tables/fine/test.parquet")
    label = np.array([labels[own] for own in table.ids])
    loss = -np.log(table.probabilities[np.arange(60), label]).mean()
    assert own["scores"]["all"]["log_loss"][0] == pytest.approx(loss, abs=1e-4)
    # its weights are the mean of the run's, but for batch norm
    units = sorted((begun / "runs/begun/units/fine").glob("*/fold-*"))
    weights = [safetensors.torch.load_file(unit / "model.safetensors") for unit in units]
    soup = safetensors.torch.load_file(tmp_path / "b/networks/fine-soup.safetensors")
    for name in ("fc.weight", "layer3.0.conv2.weight", "bn1.bias"):
        mean = torch.stack([own[name] for own in weights]).mean(0)
        torch.testing.assert_close(soup[name], mean, atol=1e-6, rtol=1e-5)
    statistics = torch.stack([own["bn1.running_mean"] for own in weights]).mean(0)
    assert not torch.allclose(soup["bn1.running_mean"], statistics, atol=1e-3)
    card = (tmp_path / "b/MODEL_CARD.md").read_text()
    assert "### Fewer networks" in card
    assert "| fine, uniform soup (in here) |" in card
    assert "not averaged: its networks began from different random weights" in card
    manifest = json.loads((tmp_path / "b/ensemble.json").read_text())
    assert manifest["soups"]["networks"] == found["networks"]
    assert sum(len(own["networks"]) for own in manifest["members"]) == found["networks"]["after"]
    # and the bundle answers
    answers = Ensemble.load(tmp_path / "b", device="cpu").predict_proba(
        sorted(photos.glob("images/*"))[:5]
    )
    assert answers.shape == (5, 18)


def test_over_seeds_without_one(begun, command, tmp_path):
    found, out = exported(begun, command)
    assert found["judge"]["over"] == "seeds"
    assert found["judge"]["photographs"] == 84
    own = found["members"]["fine"]
    assert own["networks"] == [4, 2]
    assert own["of"]["uniform"] == [[f"fold-{f}-seed-1", f"fold-{f}-seed-2"] for f in range(2)]
    assert "it has one seed" in found["members"]["ages"]["why"]
    assert sorted(p.name for p in (tmp_path / "b/networks").glob("fine*")) == [
        f"fine-fold-{f}-soup.safetensors" for f in range(2)
    ]
    table = ensembles.read_table(begun / "runs/begun/tables/fine/oof.parquet")
    loss = -np.log(table.probabilities[np.arange(84), table.label]).mean()
    assert own["scores"]["all"]["log_loss"][0] == pytest.approx(loss, abs=1e-4)
    assert "the held-out photographs of each fold" in out


def test_a_soup_that_spoils_the_vote_is_given_up(begun, tmp_path, monkeypatch):
    """One member's soup is accepted by itself, and is of no use."""
    real = souping.choice.judge

    def judge(answers, n, rows, measured):
        found = real(answers, n, rows, measured)
        if n == 4:  # of `fine` alone
            worst = np.full_like(found.tables["all"], 1e-4)
            worst[np.arange(len(worst)), (rows.labels + 1) % 18] = 1 - 17e-4
            tables = {**found.tables, "uniform": worst}
            return souping.choice.Judged(tables, found.chosen, found.scores, found.behind)
        return found

    monkeypatch.setattr(souping.choice, "judge", judge)
    store = Store(begun / "runs/begun")
    trained = trained_of(recorded_spec(store), store, "soft")
    parts, found = with_soups(trained, store, str(begun / "photos/eval/truth.csv"), tmp_path)
    assert found["members"]["fine"]["accepted"] is None
    assert "with it the vote falls" in found["members"]["fine"]["why"]
    assert len(next(part for part in parts.members if part.name == "fine").networks) == 4
    assert found["vote"]["behind"]["log_loss"][0] <= found["vote"]["behind"]["log_loss"][1]


def test_what_cannot_be_is_refused_before_anything_is_written(begun, command, tmp_path):
    run = begun / "runs/begun"
    code, _, err = command("export", run, "--out", "b", "--judge", "truth.csv")
    assert code == 2
    assert "--judge truth.csv: has no effect with --folds all" in " ".join(err.split())
    copy = Path(shutil.copytree(run, tmp_path / "begun"))
    store = Store(copy)
    trained = trained_of(recorded_spec(store), store, "soft")
    only = trained.of(["raw"])
    with pytest.raises(WrongRequest) as error:
        with_soups(only, store, str(begun / "photos/eval/truth.csv"), tmp_path / "new")
    text = "\n".join(error.value.problems)
    assert "raw keeps its networks: its networks began from different random weights" in text
    assert "no member can be averaged" in text
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "b").exists()


def test_batch_norm_needs_the_training_photographs(begun, tmp_path):
    store = Store(begun / "runs/begun")
    trained = trained_of(recorded_spec(store), store, "soft")
    moved = begun / "photos/moved"
    (begun / "photos/train").rename(moved)
    try:
        with pytest.raises(
            WrongRequest, match="84 of 84 training photos, which batch norm is measured"
        ):
            with_soups(trained, store, str(begun / "photos/eval/truth.csv"), tmp_path)
    finally:
        moved.rename(begun / "photos/train")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["onnx", "torch"])
def test_in_every_format(kind, begun, command, tmp_path):
    truth = str(begun / "photos/eval/truth.csv")
    exported(begun, command, "--judge", truth)
    exported(begun, command, "--judge", truth, "--overwrite", "--format", kind, "--out", "other")
    photos = sorted((begun / "photos/eval/images").glob("*"))[:20]
    expected = Ensemble.load(tmp_path / "b", device="cpu").predict_proba(photos)
    found = Ensemble.load(tmp_path / "other", device="cpu").predict_proba(photos)
    np.testing.assert_allclose(found, expected, atol=1e-5)
