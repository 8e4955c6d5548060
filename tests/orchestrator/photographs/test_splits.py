"""Each scheme of folds from the spec to the tables, with one small network, without Ray."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from members.errors import BadInput
from members.samples.people import draw_people
from orchestrator.commands.run import Run
from orchestrator.photographs.files import write_photographs
from orchestrator.photographs.prepare import prepare_photographs
from orchestrator.runs.store import Store
from orchestrator.spec import load
from orchestrator.units import unit
from orchestrator.units.assemble import assemble
from tests.orchestrator.in_process import carry_out, vote_on, work

SPEC = """\
name: s
data: {train: photos/train, test: photos/eval}
folds: FOLDS
members: [{name: net, model: test_resnet, image_size: [32, 32], epochs: 1}]
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    draw_people(folder / "photos", profiles=36, eval=20, size=(64, 48))
    return folder


@pytest.fixture
def trained(photos, tmp_path, monkeypatch):
    """Train every unit of a spec with these folds in this process, and write its tables."""
    monkeypatch.chdir(photos)
    monkeypatch.setenv("ENSEMBLE_CACHE", str(photos / "cache"))
    monkeypatch.setattr(torch, "set_num_threads", lambda n: None)

    def trained(folds: str):
        (tmp_path / "spec.yaml").write_text(SPEC.replace("FOLDS", folds))
        spec, store = load(tmp_path / "spec.yaml"), Store(tmp_path / "run")
        photographs = prepare_photographs(spec).photographs
        write_photographs(photographs, store)
        every = [u for m in spec.members for u in unit.of_member(m, photographs)]
        reports = []
        carry_out(work(store, every, photos / "cache"), reports.append)
        assert not [r["message"] for r in reports if r["event"] == "failed"]
        assert assemble(spec.members[0], photographs, store)
        return Run(spec, store), photographs, every

    return trained


def oof_ids(run) -> list[str]:
    path = run.store.uri("tables/net/oof.parquet")
    return pd.read_parquet(path)["image_id"].tolist()


def test_trained_on_everything_it_has_no_oof_table_and_a_weighted_vote_says_what_to_do(trained):
    run, photographs, trained_units = trained("{scheme: all}")
    assert len(trained_units) == 1
    assert not run.store.exists("tables/net/oof.parquet")
    assert len(vote_on(run, "soft").ids) == len(photographs.test)
    with pytest.raises(ValueError, match="--mode soft"):
        vote_on(run, "weighted")


@pytest.mark.parametrize("folds", ["{scheme: holdout, ratio: 0.25}", "{scheme: own, file: FILE}"])
def test_held_out_once_the_oof_table_has_the_rows_that_were_held_out(trained, tmp_path, folds):
    listed = pd.read_csv("photos/train/train.csv")
    listed.assign(fold=[0] * 9 + [-1] * 27).to_csv(tmp_path / "own.csv", index=False)
    run, photographs, trained_units = trained(folds.replace("FILE", f"{tmp_path}/own.csv"))
    assert len(trained_units) == 1
    held_out = photographs.train[photographs.train["fold"] == 0]
    assert oof_ids(run) == held_out["image_id"].tolist()
    assert held_out["group"].nunique() == 9
    assert not {*held_out["group"]} & {*photographs.train["group"][photographs.train["fold"] < 0]}


def test_own_folds_make_as_many_units_as_they_number(trained, tmp_path):
    listed = pd.read_csv("photos/train/train.csv")
    listed.assign(who=[0, 1, 2] * 12).to_csv(tmp_path / "own.csv", index=False)
    run, photographs, trained_units = trained(
        f"{{scheme: own, file: {tmp_path}/own.csv, column: who}}"
    )
    assert len(trained_units) == 3
    assert oof_ids(run) == photographs.train["image_id"].tolist()


def test_a_balanced_hold_out_that_some_age_group_is_too_small_for_is_refused(trained):
    with pytest.raises(BadInput, match="these age groups have no more people"):
        trained("{scheme: balanced_holdout, n: 35}")
