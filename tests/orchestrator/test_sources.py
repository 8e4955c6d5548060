"""The five teams' own set-ups: each is read and buildable at full size, and its small variant trains."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from members.networks.models import build_model
from members.samples.people import draw_people
from orchestrator.spec import load
from tests.orchestrator.command_line import ROOT
from tests.orchestrator.one_slot import commands

SOURCES = sorted((ROOT / "ensembles/sources").glob("*.yaml"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_network_of_a_full_size_set_up_can_be_built(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    spec = load(path)
    recipes = {recipe.model: recipe for m in spec.members for recipe in spec.recipes_of(m)}
    for recipe in recipes.values():
        assert build_model(recipe, 18, device="meta").num_classes == 18


def test_there_are_five():
    assert [path.stem[:3] for path in SOURCES] == ["s0_", "s1_", "s2_", "s3_", "s4_"]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A working folder in which the set-ups find sample people, and what they name beside them."""
    cwd = tmp_path_factory.mktemp("sources")
    (cwd / "ensembles").symlink_to(ROOT / "ensembles")
    draw_people(cwd / "data/sample", profiles=44, eval=60, seed=5, size=(96, 72))
    return cwd


@pytest.mark.parametrize(
    "path",
    # the others train what these and test_end_to_end do
    [
        pytest.param(p, marks=[pytest.mark.slow] if p.stem[:2] in ("s0", "s1") else [])
        for p in SOURCES
    ],
    ids=lambda path: path.stem,
)
def test_a_small_variant_trains_to_a_vote(path, place):
    spec = f"ensembles/sources/{path.name}"
    with commands(place) as command:
        command("train-members", spec, "--small")
        assert "submission" in command("vote", spec, "--small", "--json", "vote.json")
    record = json.loads((place / "vote.json").read_text())
    wanted = load(path, small=True)
    assert set(record["members"]) <= set(wanted.voters())
    votes = place / f"runs/{wanted.name}/votes"
    answers = pd.read_csv(next(votes.glob("*/submission.csv")))
    info = pd.read_csv(place / "data/sample/eval/info.csv")
    assert list(answers["ImageID"]) == list(info["ImageID"])
    assert answers["ans"].between(0, 17).all()
