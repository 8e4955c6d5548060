"""Units of all rows: for how long they train, by what they are addressed, and what they leave."""

from __future__ import annotations

import re
from itertools import islice

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch

from members.recipe.recipe import Recipe
from members.training import fit
from orchestrator.errors import WrongRequest
from orchestrator.photographs.cache import cache_folder
from orchestrator.planning.refit import damaged_refits, make_refit_plan, require_refits
from orchestrator.runs.damage import set_aside
from orchestrator.units import unit as units
from orchestrator.units.assemble import assemble
from orchestrator.units.damage import unit_damage
from orchestrator.units.record import find_record, write_record
from orchestrator.units.refit import refit_epochs, refit_hash, refit_recipe
from orchestrator.units.teachers.pseudo import pseudo_labels
from orchestrator.units.teachers.vote import answers
from orchestrator.worker.inputs import Inputs
from tests.orchestrator.in_process import runs

SPEC = """\
name: r
data: {train: photos/train, test: photos/eval}
folds: {k: 2}
defaults: {model: test_resnet, image_size: [16, 16], epochs: 3, batch_size: 32, lr: 0.01}
members:
  - {name: own, targets: [gender], choose_views: [[plain], [flip]], patience: 2}
  - {name: one, targets: [gender], epochs: 1, seeds: [1, 2], select: last}
  - {name: two, targets: [gender], model: test_efficientnet, epochs: 1, select: last}
  - {name: taught, targets: [gender], teacher: {vote: soft, of: [one, two], unlabelled: true}}
  - {name: labelled, targets: [gender], pseudo: {of: [one, two], at_least: 0.51}}
"""
CURVES = ([0.2, 0.5, 0.3, 0.4], [0.1, 0.2, 0.5])  # means .15, .35, .4 of the three that both ran


@pytest.fixture
def run(tmp_path, eighteen_people, monkeypatch):
    return runs(SPEC, tmp_path, eighteen_people, monkeypatch)("r")


def histories(*curves: list[float]) -> list[list[dict]]:
    return [[{"macro_f1": value} for value in curve] for curve in curves]


@pytest.mark.parametrize(
    ("settings", "epochs"),
    [
        ({"select": "best"}, 3),
        ({"select": "common_epoch"}, 3),
        (
            {"select": "last", "patience": 2},
            3,
        ),  # they ran 4 and 3: the lower of the two in the middle
    ],
)
def test_it_trains_for_the_best_epoch_of_the_mean_curve_or_for_as_long_as_the_folds(
    settings, epochs
):
    recipe = Recipe(model="test_resnet", epochs=9, metric="macro_f1", **settings)
    assert refit_epochs(histories(*CURVES), recipe) == epochs
    falling = [[{"loss": value} for value in curve] for curve in CURVES]
    of_loss = recipe.model_copy(update={"metric": "loss", "select": "best"})
    assert refit_epochs(falling, of_loss) == 1  # of the loss, the least is best


def test_without_held_out_rows_nothing_is_chosen_and_the_schedule_stays():
    recipe = Recipe(
        model="test_resnet", epochs=9, patience=2, select="best", views=("plain", "flip"),
        validation_views=True, submissions_above=0.5, ema=0.9,
    )  # fmt: skip
    own = refit_recipe(recipe, None)
    assert (own.select, own.patience, own.submissions_above) == ("last", None, None)
    assert (own.epochs, own.ema, own.views) == (9, 0.9, ("plain", "flip"))
    assert Recipe(**own.model_dump()) == own  # a worker reads it: nothing contradicts itself


def test_its_address_is_of_all_that_decides_its_result(run):
    member = run.spec.member("own")
    own = refit_hash(member, run.photographs, 2, ["plain"])
    faster = member.with_settings({"lr": 0.02})
    others = [
        refit_hash(member, run.photographs, 3, ["plain"]),
        refit_hash(member, run.photographs, 2, ["flip"]),
        refit_hash(faster, run.photographs, 2, ["plain"]),
        units.member_hash(member, run.photographs),
    ]
    assert len({own, *others}) == 5
    assert own == refit_hash(
        member.model_copy(update={"seeds": (4,)}), run.photographs, 2, ["plain"]
    )
    unit = units.Unit(member, own, units.ALL, 3, (("a",),), units.Refit(2, ("b", "c")))
    assert unit.path == f"units/own/{own}/fold-all-seed-3"
    assert units.Unit.from_config(unit.to_config()) == unit


def made(run, *names: str) -> None:
    """Train the folds of members, and make their tables."""
    run.train([unit for name in names for unit in run.units(name)])
    assert [r["message"] for r in run.reports if r["event"] == "failed"] == []
    for name in names:
        assert assemble(run.spec.member(name), run.photographs, run.store)


def of_all_rows(run, *names: str) -> list[units.Unit]:
    plan, failures = make_refit_plan(run.spec, names, run.photographs, run.store)
    assert failures == {}
    return plan.units


def with_scores(run, name: str, *curves: list[float]) -> None:
    """Other scores in the histories of a member's folds."""
    for unit, curve in zip(run.units(name), curves, strict=True):
        record = find_record(unit.path, run.store)
        rows = zip(record.history, curve, strict=True)
        history = [{**row, "macro_f1": value} for row, value in rows]
        write_record(unit.path, record.model_copy(update={"history": history}), run.store)


def test_it_is_what_the_recipe_trains_on_all_rows_and_a_killed_one_ends_the_same(run):
    made(run, "own")
    with_scores(run, "own", [0.1, 0.9, 0.2], [0.3, 0.4, 0.5])
    (unit,) = of_all_rows(run, "own")
    chosen = run.store.read_json("tables/own/epochs.json")["views"]
    assert (unit.refit.epochs, list(unit.member.recipe.views)) == (2, chosen)
    before = {path: run.store.read(path) for path in listed(run, "tables/own")}
    with pytest.raises(KeyboardInterrupt):
        run.train([unit], stop_after=1)
    assert not units.is_trained(unit, run.store)
    run.train([unit])
    record = find_record(unit.path, run.store)
    assert (len(record.history), record.resumed_after_epoch) == (2, 1)
    assert (record.rows.train, record.rows.validation) == (len(run.photographs.train), 0)
    assert run.store.list(unit.path) == [
        "history.csv", "model.safetensors", "test.parquet", "unit.json",
    ]  # fmt: skip

    # by hand: all photographs, the recipe's three epochs begun and left after two
    photos = Inputs(run.store, cache_folder()).photos(unit, "train")
    recipe = Recipe(model="test_resnet", image_size=(16, 16), epochs=3, batch_size=32, lr=0.01)
    (_, last) = islice(fit.fit(recipe, photos, None, 2, seed=0), 2)
    expected = fit.last_weights(last.state())
    kept = safetensors.torch.load(run.store.read(f"{unit.path}/model.safetensors"))
    assert all(torch.equal(kept[name], expected[name]) for name in kept)
    # a cosine over three epochs of four steps, left after the second: the rate of each epoch's last step
    done = np.array([3 / 4, 7 / 4]) / 3
    rates = [row["lr"] for row in record.history]
    np.testing.assert_allclose(rates, 0.01 * (1 + np.cos(np.pi * done)) / 2)
    assert {path: run.store.read(path) for path in listed(run, "tables/own")} == before

    # damage is found, and by this option alone mended
    run.store.delete(f"{unit.path}/test.parquet")
    (gone,) = unit_damage(unit.path, run.store)
    assert "with --refit" in gone.then
    assert not units.is_done(unit, run.store, run.photographs.test_hash)
    run.train([unit])
    assert units.is_done(unit, run.store, run.photographs.test_hash)
    run.store.write(f"{unit.path}/model.safetensors", b"x" * record.sizes["model.safetensors"])
    found = damaged_refits(["own"], run.store)
    assert [damage.path for damage in found] == [f"{unit.path}/model.safetensors"]
    assert "train-members --refit trains its unit again" in found[0].then
    set_aside(found, run.store)
    assert not units.is_trained(unit, run.store)


def listed(run, folder: str) -> list[str]:
    return [f"{folder}/{name}" for name in run.store.list(folder)]


@pytest.mark.slow
def test_students_of_all_rows_are_taught_without_a_fold_left_out_or_by_teachers_of_all_rows(run):
    made(run, "one", "two", "taught")
    (student,) = of_all_rows(run, "taught")
    said = answers(student, run.photographs, run.store)
    for kind, found in (("oof", said.rows), ("test", said.test)):
        tables = [
            pd.read_parquet(run.store.uri(f"tables/{name}/{kind}.parquet"))[["p0", "p1"]]
            for name in ("one", "two")
        ]
        np.testing.assert_allclose(found, (tables[0] + tables[1]) / 2, atol=1e-6)

    run.train(of_all_rows(run, "one", "two"))
    made(run, "labelled")
    (student,) = of_all_rows(run, "labelled")
    tables = []
    for name, n in (("one", 2), ("two", 1)):
        folders = [unit.path for unit in of_all_rows(run, name)]
        assert len(folders) == n
        own = [pd.read_parquet(run.store.uri(f"{f}/test.parquet"))[["p0", "p1"]] for f in folders]
        tables.append(sum(own) / n)
    mean = (tables[0] + tables[1]).to_numpy() / 2
    labels = pseudo_labels(student, run.photographs, run.store)
    np.testing.assert_array_equal(labels.rows, np.flatnonzero(mean.max(axis=1) >= 0.51))
    np.testing.assert_array_equal(labels.labels, mean.argmax(axis=1)[labels.rows])
    run.train([student])
    rows = find_record(student.path, run.store).rows.train
    assert rows == len(run.photographs.train) + len(labels.rows)


@pytest.mark.parametrize(
    ("member", "names", "said"),
    [
        (
            "{name: own, schedule: plateau}",
            ["own", "one"],
            "held out.*--only one trains the others",
        ),
        ("{name: own, pseudo: {of: [one, two], at_least: 0.6}}", ["two", "own"], "--only one own"),
    ],
)
def test_what_cannot_be_trained_on_all_rows_is_refused_with_what_to_do(
    member, names, said, tmp_path, eighteen_people, monkeypatch
):
    (old,) = (line for line in SPEC.splitlines() if "name: own" in line)
    text = SPEC.replace(old, f"  - {member.replace('own', 'own, targets: [gender]', 1)}")
    own = runs(text, tmp_path, eighteen_people, monkeypatch)("r")
    with pytest.raises(WrongRequest) as refused:
        require_refits(own.spec, names, own.photographs)
    assert re.search(said, " ".join(refused.value.problems))
    require_refits(own.spec, ["one", "two"], own.photographs)


def test_of_folds_that_hold_nothing_out_the_networks_are_of_all_rows_already(
    tmp_path, eighteen_people, monkeypatch
):
    text = (
        SPEC[: SPEC.index("  - {name: own")].replace("{k: 2}", "{scheme: all}")
        + "  - {name: one}\n"
    )
    own = runs(text, tmp_path, eighteen_people, monkeypatch)("r")
    with pytest.raises(WrongRequest, match="--folds all"):
        require_refits(own.spec, ["one"], own.photographs)
