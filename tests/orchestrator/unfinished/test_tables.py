"""A member with a failed fold has tables of its finished ones: what they hold, and when they go."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from members.recipe.recipe import Recipe
from orchestrator.commands.damage import every_damage
from orchestrator.runs.store import Store
from orchestrator.units.selection import chosen_by_all_folds
from tests.faults.flips import flip
from tests.orchestrator import one_slot
from tests.orchestrator.unfinished.failed import (
    COMMON,
    FAILING,
    SPEC,
    P,
    fail,
    files,
    record_of,
    unit,
    words,
)


def test_only_folds_all_of_whose_seeds_are_done_have_rows(original):
    root = original[0] / "runs/small"
    assert [f.name for f in (root / "tables").iterdir()] == ["whole"]
    assert [f.name for f in (root / "partial").iterdir()] == ["lacking"]
    images = pd.read_parquet(root / "images.parquet")
    here = images[images["fold"] != 1]
    oof = pd.read_parquet(root / "partial/lacking/oof.parquet")
    for column in ("image_id", "fold", "label", "group"):
        assert oof[column].tolist() == here[column].tolist()
    for fold in (0, 2):
        seeds = [
            pd.read_parquet(unit(root, f"fold-{fold}-seed-{seed}") / "oof.parquet")
            for seed in (1, 2)
        ]
        one, other = (own.set_index("image_id")[P] for own in seeds)
        mean = oof.set_index("image_id").loc[one.index, P]
        np.testing.assert_allclose(mean, (one + other.loc[one.index]) / 2, atol=1e-6)
    tests = [
        pd.read_parquet(unit(root, f"fold-{fold}-seed-{seed}") / "test.parquet")[P]
        for fold in (0, 2)
        for seed in (1, 2)
    ]
    test = pd.read_parquet(root / "partial/lacking/test.parquet")
    np.testing.assert_allclose(test[P], np.mean(tests, axis=0), atol=1e-6)
    assert json.loads((root / "partial/lacking/folds.json").read_text()) == {
        "folds": [0, 2], "n_folds": 3, "rows": 16, "n_rows": 24,
    }  # fmt: skip
    assert every_damage(Store(root)) == []


def test_train_members_prints_the_vote_that_what_is_done_can_cast(original, cwd, run):
    (line,) = [own for own in original[1].splitlines() if " vote spec.yaml" in own]
    assert line == "python -m orchestrator vote spec.yaml --common-rows"
    assert "What is done can vote:" in original[1]
    run(*line.split()[3:])


def test_train_members_says_which_rows_there_are(original):
    assert (
        "lacking is trained in 2 of 3 folds (0, 2), 16 of 24 OOF rows: vote --common-rows"
        in words(original[1])
    )


def test_a_second_call_that_fails_again_leaves_them_as_they_are(run, cwd, monkeypatch):
    tables = cwd / "runs/small/partial/lacking"
    before = {file: file.stat().st_mtime_ns for file in tables.iterdir()}
    fail(monkeypatch, FAILING)
    run("train-members", "spec.yaml", code=1)
    assert {file: file.stat().st_mtime_ns for file in tables.iterdir()} == before


def test_they_grow_by_a_fold_and_go_when_the_member_is_complete(run, cwd, monkeypatch):
    (cwd / "spec.yaml").write_text(SPEC.replace("seeds: [1, 2]", "seeds: [1, 2, 3]"))
    with monkeypatch.context() as patch:
        fail(patch, ("lacking fold 0 seed 3", "lacking fold 2 seed 3"))
        run("train-members", "spec.yaml", "--only", "lacking", code=1)
    folds = json.loads((cwd / "runs/small/partial/lacking/folds.json").read_text())
    assert folds["folds"] == [1]
    oof = pd.read_parquet(cwd / "runs/small/partial/lacking/oof.parquet")
    assert set(oof["fold"]) == {1}
    run("vote", "spec.yaml", "--mode", "soft", "--common-rows")
    run("train-members", "spec.yaml", "--only", "lacking")
    assert not (cwd / "runs/small/partial/lacking").exists()
    assert len(pd.read_parquet(cwd / "runs/small/tables/lacking/oof.parquet")) == 24
    printed = run("leaderboard", "spec.yaml", "--json", "found.json")
    assert "of other tables than the run has now" in words(printed)
    rows = json.loads((cwd / "found.json").read_text())
    assert [row["other_tables"] for row in rows if row["name"] == "soft"] == [True]


@pytest.mark.parametrize("what", ["left out of the spec", "of other settings, all folds failed"])
def test_stale_ones_are_removed(run, cwd, monkeypatch, what):
    (line,) = [line for line in SPEC.splitlines(keepends=True) if "name: lacking" in line]
    if what == "left out of the spec":
        (cwd / "spec.yaml").write_text(SPEC.replace(line, ""))
        fail(monkeypatch, FAILING)
    else:
        (cwd / "spec.yaml").write_text(
            SPEC.replace(line, line.replace("test_vit", "test_convnext"))
        )
        fail(
            monkeypatch,
            [*FAILING, *(f"lacking fold {f} seed {s}" for f in (0, 1, 2) for s in (1, 2))],
        )
    run("train-members", "spec.yaml", code=1)
    assert not (cwd / "runs/small/partial/lacking").exists()
    run("vote", "spec.yaml", "--mode", "soft", "--common-rows")
    assert set(record_of(cwd, "soft")["members"]) == {"whole"}


@pytest.mark.parametrize(
    ("keys", "by_all"),
    [({}, False), ({"select": "last"}, False), ({"select": "common_epoch"}, True),
     ({"choose_views": [["plain"], ["plain", "flip"]]}, True)],
)  # fmt: skip
def test_what_all_folds_choose_together_needs_all_folds(keys, by_all):
    assert chosen_by_all_folds(Recipe(model="test_resnet", **keys)) is by_all


def test_after_a_signal_what_is_finished_can_vote(tmp_path, original, monkeypatch):
    shutil.copytree(original[0], tmp_path / "copy", ignore=shutil.ignore_patterns("runs"))
    cwd = tmp_path / "copy"
    (cwd / "spec.yaml").write_text(SPEC.replace(COMMON, ""))
    fail(monkeypatch, interrupt_before="lacking fold 2 seed 1")
    with one_slot.commands(cwd) as run:
        run("train-members", "spec.yaml", code=130)
        root = cwd / "runs/small"
        finished = sorted(file.parent.name for file in root.glob("units/lacking/*/*/unit.json"))
        assert finished
        folds = json.loads((root / "partial/lacking/folds.json").read_text())["folds"]
        assert [f"fold-{fold}-seed-{seed}" for fold in folds for seed in (1, 2)] == finished
        run("vote", "spec.yaml", "--mode", "soft", "--common-rows")
    assert set(record_of(cwd, "soft")["members"]) == {"whole", "lacking"}


def test_kept_units_of_finished_folds_are_of_the_photographs_of_now(
    run, cwd, original, monkeypatch
):
    images = pd.read_parquet(cwd / "runs/small/images.parquet")
    gone = images[images["fold"] == 0]["path"].iloc[0]
    (cwd / Path(gone).relative_to(original[0])).unlink()
    fail(monkeypatch, FAILING)
    run("train-members", "spec.yaml", "--keep-units", code=1)
    oof = pd.read_parquet(cwd / "runs/small/partial/lacking/oof.parquet")
    now = pd.read_parquet(cwd / "runs/small/images.parquet")
    assert len(now) == 23
    assert oof["image_id"].tolist() == now[now["fold"] != 1]["image_id"].tolist()
    printed = words(run("vote", "spec.yaml", "--mode", "soft", "--common-rows"))
    assert "lacking: 4 of 4 units kept, trained when there was 1 photo more." in printed


@pytest.mark.parametrize("name", ["oof.parquet", "test.parquet", "folds.json"])
def test_damage_is_named_and_made_again(run, cwd, monkeypatch, name):
    tables = cwd / "runs/small/partial/lacking"
    before = files(tables)
    flip(tables / name, 8 * (len(before[name]) // 2))
    assert f"partial/lacking/{name}: damaged" in words(run("check", "spec.yaml"))
    printed = run("vote", "spec.yaml", "--mode", "soft", "--common-rows", code=2)
    assert f"partial/lacking/{name}" in printed.replace("\n", "")
    run("vote", "spec.yaml", "--mode", "soft")  # which reads none of it
    fail(monkeypatch, FAILING)
    run("train-members", "spec.yaml", code=1)
    assert files(tables) == before
    assert (cwd / f"runs/small/damaged/partial/lacking/{name}").exists()


def test_a_unit_that_was_damaged_is_predicted_again_before_they_are_made(run, cwd, monkeypatch):
    root = cwd / "runs/small"
    before = files(root / "partial/lacking")
    table = unit(root, "fold-2-seed-1") / "oof.parquet"
    flip(table, 8 * (table.stat().st_size // 2))
    shutil.rmtree(root / "partial")
    fail(monkeypatch, FAILING)
    run("train-members", "spec.yaml", code=1)
    after = files(root / "partial/lacking")
    for name in ("folds.json", "epochs.json", "made_from.txt"):
        assert after[name] == before[name]
    for kind in ("oof.parquet", "test.parquet"):
        one, other = (pd.read_parquet(io.BytesIO(content[kind])) for content in (before, after))
        pd.testing.assert_frame_equal(one, other)
