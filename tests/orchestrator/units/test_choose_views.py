"""Test-time views chosen by the log-loss of a member's OOF table: one choice, on all folds."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import log_loss

from members.errors import BadInput
from members.training import fit
from orchestrator.photographs.files import write_photographs
from orchestrator.photographs.prepare import prepare_photographs
from orchestrator.photographs.table import Photographs
from orchestrator.runs.damage import set_aside
from orchestrator.spec import load
from orchestrator.units import unit as units
from orchestrator.units.assemble import assemble
from orchestrator.units.damage import unit_damage
from tests.orchestrator.in_process import assert_same, runs

SPEC = """\
name: v
data: {train: photos/train, test: photos/eval}
folds: {k: 2}
defaults: {model: test_resnet, image_size: [32, 32], epochs: 2, batch_size: 32, lr: 0.01}
members:
  - {name: chooses, choose_views: [[plain], [plain, flip], [crops]], seeds: [1, 2]}
  - {name: plain, seeds: [1, 2]}
  - {name: both, views: [plain, flip], seeds: [1, 2]}
  - {name: crops, views: [crops], seeds: [1, 2]}
"""
NAMES = {"plain": ("plain",), "both": ("plain", "flip"), "crops": ("crops",)}
COLUMNS = [f"p{k}" for k in range(18)]


@pytest.fixture
def run(tmp_path, eighteen_people, monkeypatch):
    return runs(SPEC, tmp_path, eighteen_people, monkeypatch)


def trained(r, name):
    r.train(r.units(name))
    assert assemble(r.spec.member(name), r.photographs, r.store)
    return [pd.read_parquet(r.store.uri(f"tables/{name}/{k}.parquet")) for k in ("oof", "test")]


def loss(oof: pd.DataFrame) -> float:
    probabilities = oof[COLUMNS].to_numpy(float)
    probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
    return log_loss(oof["label"], probabilities, labels=range(18))


def test_the_views_with_the_least_log_loss_over_all_folds_and_seeds_make_both_tables(run):
    r = run("r")
    alone = {views: trained(r, name) for name, views in NAMES.items()}
    losses = [loss(oof) for oof, _ in alone.values()]
    oof, test = trained(r, "chooses")
    choice = r.store.read_json("tables/chooses/epochs.json")
    assert choice["log_loss"] == pytest.approx(losses, abs=1e-6)
    expected = [*alone][int(np.argmin(losses))]
    assert choice["views"] == list(expected)
    # bit for bit the member that has these views: the same network, asked the same
    pd.testing.assert_frame_equal(oof, alone[expected][0], check_exact=True)
    pd.testing.assert_frame_equal(test, alone[expected][1], check_exact=True)

    held_out = []
    for fold in (0, 1):
        others = [loss(o[o["fold"] != fold]) for o, _ in alone.values()]
        best = [*alone.values()][int(np.argmin(others))][0]
        held_out.append(best[best["fold"] == fold])
    assert choice["log_loss_held_out"] == pytest.approx(loss(pd.concat(held_out)), abs=1e-6)


def test_each_unit_leaves_a_table_of_each_candidate_and_gets_those_that_were_chosen(run):
    r = run("r")
    (first, *_) = r.units("chooses")
    r.train([first])
    views = ["crops", "plain", "plain+flip"]
    listed = r.store.list(f"{first.path}/views")
    assert listed == sorted(f"{v}-{k}.parquet" for v in views for k in ("oof", "test"))
    assert "oof.parquet" not in r.store.list(first.path)
    assert units.is_done(first, r.store, r.photographs.test_hash)
    trained(r, "chooses")
    chosen = "+".join(r.store.read_json("tables/chooses/epochs.json")["views"])
    for unit in r.units("chooses"):
        assert_same(
            r.result(unit),
            r.files(f"{unit.path}/model.safetensors", f"{unit.path}/views/{chosen}-"),
        )
        assert not unit_damage(unit.path, r.store)


def test_new_test_photographs_are_predicted_in_all_views_and_the_choice_stays(run, monkeypatch):
    r = run("r")
    _, test = trained(r, "chooses")
    choice = r.store.read_json("tables/chooses/epochs.json")
    r.photographs = Photographs(
        r.photographs.train, r.photographs.test.iloc[3:10], r.photographs.codec
    )
    write_photographs(r.photographs, r.store)
    monkeypatch.setattr(fit, "fit", lambda *_, **__: pytest.fail("it was trained again"))
    _, fewer = trained(r, "chooses")
    assert r.store.read_json("tables/chooses/epochs.json") == choice
    pd.testing.assert_frame_equal(fewer, test.iloc[3:10].reset_index(drop=True), atol=1e-5)


@pytest.mark.parametrize("name", ["views/crops-oof.parquet", "oof.parquet"])
def test_a_damaged_table_of_views_is_found_and_made_again_without_training(run, monkeypatch, name):
    r = run("r")
    oof, _ = trained(r, "chooses")
    unit = r.units("chooses")[1]
    path = f"{unit.path}/{name}"
    content = bytearray(r.store.read(path))
    content[len(content) // 2] ^= 255
    r.store.write(path, bytes(content))
    (found,) = unit_damage(unit.path, r.store)
    assert found.path == path
    set_aside([found], r.store)
    monkeypatch.setattr(fit, "fit", lambda *_, **__: pytest.fail("it was trained again"))
    again, _ = trained(r, "chooses")
    assert not unit_damage(unit.path, r.store)
    assert r.store.exists(path)
    pd.testing.assert_frame_equal(again, oof, check_exact=True)


def test_the_time_of_a_photo_is_that_of_the_chosen_views(run):
    r = run("r")
    trained(r, "chooses")

    meta = pq.read_schema(r.store.uri("tables/chooses/oof.parquet")).metadata
    cost = json.loads(meta[b"ensemble"])["milliseconds_per_photo"]
    every = 0.0
    for unit in r.units("chooses"):
        record = r.store.read_json(f"{unit.path}/unit.json")
        every += (
            1000
            * record["seconds"]["predict"]
            / (record["rows"]["validation"] + len(r.photographs.test))
        )
    pictures = {"plain": 1, "flip": 1, "crops": 5}
    chosen = r.store.read_json("tables/chooses/epochs.json")["views"]
    assert cost == pytest.approx(every * sum(map(pictures.get, chosen)) / 7, rel=0.01)


@pytest.mark.parametrize(
    ("keys", "parts"),
    [
        ("choose_views: [[plain]]", ["at least two different"]),
        ("choose_views: [[plain, flip], [flip, plain]]", ["at least two different"]),
        ("choose_views: [[plain], []]", ["each at least one view"]),
        ("choose_views: [[plain], [flip]], views: [flip]", ["views (flip) has no effect"]),
        ("choose_views: [[plain], [flip]], validation_views: true", ["nobody knows"]),
        ("choose_views: [[plain], [flip]], select: common_epoch", ["choose twice"]),
        ("choose_views: [[plain], [flip]], submissions_above: 0.5", ["submissions_above"]),
    ],
)
def test_what_contradicts_it_is_refused_with_what_to_do(tmp_path, keys, parts):
    (tmp_path / "wrong.yaml").write_text(
        f"name: w\ndata: {{train: t}}\nmembers: [{{name: net, model: test_resnet, {keys}}}]\n"
    )
    with pytest.raises(BadInput) as error:
        load(tmp_path / "wrong.yaml")
    for part in parts:
        assert part in str(error.value)


def test_without_held_out_rows_there_is_nothing_to_choose_by(run, eighteen_people):
    (eighteen_people / "wrong.yaml").write_text(
        "name: w\ndata: {train: photos/train}\nfolds: {scheme: all}\n"
        "members: [{name: net, model: test_resnet, choose_views: [[plain], [flip]]}]\n"
    )
    with pytest.raises(BadInput, match="net: choose_views needs a validation part"):
        prepare_photographs(load(eighteen_people / "wrong.yaml"))
