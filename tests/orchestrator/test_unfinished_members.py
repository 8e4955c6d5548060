"""A member with a failed fold has tables of its finished ones: who reads them, and when they go."""

from __future__ import annotations

import hashlib
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
from orchestrator.worker import loop
from tests.faults.flips import flip
from tests.faults.small_photographs import write_photographs
from tests.orchestrator import one_slot

SPEC = """\
name: small
data: {layout: folders, train: photos/train, test: photos/test}
folds: {k: 3}
defaults: {image_size: [32, 32], epochs: 1, batch_size: 8, model: test_resnet}
members:
  - {name: whole}
  - {name: lacking, seeds: [1, 2], model: test_vit}
  - {name: common, select: common_epoch}
"""
(COMMON,) = [line for line in SPEC.splitlines(keepends=True) if "name: common" in line]
# of fold 1 one seed is done
FAILING = ("lacking fold 1 seed 2", "common fold 2")
P = ["p0", "p1"]


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A run of which two units failed, and what was printed."""
    folder = tmp_path_factory.mktemp("unfinished")
    write_photographs(folder)
    (folder / "spec.yaml").write_text(SPEC)
    with one_slot.commands(folder) as run, pytest.MonkeyPatch.context() as patch:
        fail(patch, FAILING)
        printed = run("train-members", "spec.yaml", code=1)
    return folder, printed


@pytest.fixture
def cwd(original, tmp_path):
    shutil.copytree(original[0], tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def run(cwd):
    with one_slot.commands(cwd) as run:
        yield run


def fail(patch, titles=(), interrupt_before=None):
    """Let units fail, by their titles; or a signal come before one begins."""
    train_unit = loop.train_unit

    def train(unit, process, report):
        if unit.title == interrupt_before:
            raise KeyboardInterrupt
        if unit.title in titles:
            raise RuntimeError("the loss became nan")
        train_unit(unit, process, report)

    patch.setattr(loop, "train_unit", train)


def words(text):
    return " ".join(text.split())


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def unit(root: Path, name: str) -> Path:
    (found,) = root.glob(f"units/lacking/*/{name}")
    return found


def record_of(cwd: Path, vote: str) -> dict:
    return json.loads((cwd / f"runs/small/votes/{vote}/vote.json").read_text())


# -- what stands there ---------------------------------------------------------------------------


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


def test_train_members_says_which_rows_there_are(original):
    assert (
        "lacking is trained in 2 of 3 folds (0, 2), 16 of 24 OOF rows: vote --common-rows"
        in words(original[1])
    )


# -- votes ---------------------------------------------------------------------------------------


def test_a_vote_that_does_not_ask_leaves_it_out_and_names_what_would_take_it(run, cwd):
    printed = words(run("vote", "spec.yaml", "--mode", "soft"))
    assert "not trained to their end, so left out: lacking, common." in printed
    assert "--common-rows votes over the rows that all members have" in printed
    assert "with: lacking, 2 of 3 folds (0, 2), 16 of 24 OOF rows." in printed
    assert set(record_of(cwd, "soft")["members"]) == {"whole"}


def test_common_rows_are_those_of_its_finished_folds(run, cwd):
    printed = words(run("vote", "spec.yaml", "--mode", "soft", "--common-rows"))
    assert "so with the rows that they have: lacking, 2 of 3 folds (0, 2)" in printed
    assert "not trained to their end, so left out: common." in printed
    assert "all folds together choose their epoch or their views" in printed
    record, root = record_of(cwd, "soft"), cwd / "runs/small"
    assert set(record["members"]) == {"whole", "lacking"}
    assert record["common_rows"] == {"oof": {"rows": 16, "of": 24}, "test": {"rows": 6, "of": 6}}
    assert "averaging" not in record  # its test rows are of fewer folds than the others'
    both = [
        pd.read_parquet(root / folder / "oof.parquet").set_index("image_id")
        for folder in ("partial/lacking", "tables/whole")
    ]
    mixed = (both[0][P] + both[1].loc[both[0].index, P]) / 2
    right = mixed.to_numpy().argmax(axis=1) == both[0]["label"].to_numpy()
    assert record["estimate"]["accuracy"] == pytest.approx(right.mean())
    tests = [
        pd.read_parquet(root / folder / "test.parquet")[P]
        for folder in ("partial/lacking", "tables/whole")
    ]
    voted = pd.read_parquet(root / "votes/soft/probabilities.parquet")[P]
    np.testing.assert_allclose(voted, np.mean(tests, axis=0), atol=1e-6)


def test_the_digests_stand_under_paths_relative_to_the_tables(run, cwd):
    run("vote", "spec.yaml", "--mode", "soft", "--common-rows")
    found, tables = record_of(cwd, "soft")["tables"], cwd / "runs/small/tables"
    assert set(found) == {
        f"{folder}/{kind}.parquet"
        for folder in ("whole", "../partial/lacking")
        for kind in ("oof", "test")
    }
    for name, digest in found.items():
        assert hashlib.sha256((tables / name).read_bytes()).hexdigest() == digest


def test_missing_rows_count_for_the_weights(run, cwd):
    run("vote", "spec.yaml", "--missing-rows")
    record = record_of(cwd, "weighted-log_loss")
    assert record["missing_rows"] == {
        "rows": 16, "of": 24, "members": {"whole": 24, "lacking": 16},
    }  # fmt: skip


def test_a_spec_may_ask_for_it(run, cwd):
    (cwd / "spec.yaml").write_text(SPEC + "vote: {mode: soft, common_rows: true}\n")
    run("vote", "spec.yaml")
    assert set(record_of(cwd, "soft")["members"]) == {"whole", "lacking"}


def test_ranges_of_rows_refuse_it_by_its_name(run):
    address = ("--address", "127.0.0.1:1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("orchestrator.cluster.joining.reach", lambda address: None)
        patch.setattr("orchestrator.cluster.connect.mapped", one_slot.no_ray)
        printed = run("vote", "spec.yaml", "--mode", "soft", "--common-rows", *address, code=2)
    assert "common_rows: tables of this size" in words(printed)


def test_without_a_complete_member_the_options_are_named_and_suffice(run, cwd):
    shutil.rmtree(cwd / "runs/small/tables")
    printed = words(run("vote", "spec.yaml", "--mode", "soft", code=2))
    assert "has no tables yet" in printed
    assert "--common-rows votes over the rows that all members have" in printed
    run("vote", "spec.yaml", "--mode", "soft", "--common-rows")
    assert set(record_of(cwd, "soft")["members"]) == {"lacking"}


def test_tables_that_were_not_written_to_their_end_are_not_read(run, cwd):
    (cwd / "runs/small/partial/lacking/made_from.txt").unlink()
    run("vote", "spec.yaml", "--mode", "soft", "--common-rows")
    assert set(record_of(cwd, "soft")["members"]) == {"whole"}


def test_the_leaderboard_says_of_which_rows_figures_are(run, cwd):
    run("vote", "spec.yaml", "--mode", "soft", "--common-rows")
    run("vote", "spec.yaml", "--mode", "hard")
    printed = words(run("leaderboard", "spec.yaml", "--json", "found.json"))
    assert "note: lacking is trained in 2 of 3 folds (0, 2), 16 of 24 OOF rows" in printed
    assert "note: of 16 of 24 OOF rows, those that all members of the vote have" in printed
    assert "other rows: member lacking, vote soft" in printed
    rows = {row["name"]: row for row in json.loads((cwd / "found.json").read_text())}
    part = {"rows": 16, "of": 24}
    assert {name: row["rows"] for name, row in rows.items()} == {
        "whole": None, "lacking": part, "hard": None, "soft": part,
    }  # fmt: skip
    assert rows["whole"]["oof"] == record_of(cwd, "hard")["solo"]["whole"]
    assert {row["other_tables"] for row in rows.values()} == {False}
    root = cwd / "runs/small"
    used = [
        json.loads((unit(root, f"fold-{fold}-seed-{seed}") / "unit.json").read_text())
        for fold in (0, 2)
        for seed in (1, 2)
    ]
    assert rows["lacking"]["seconds"] == pytest.approx(sum(own["seconds"]["train"] for own in used))
    assert rows["lacking"]["finished"]["folds"] == [0, 2]
    assert len(rows["lacking"]["epochs"]) == 4


def test_in_the_leaderboard_stands_what_was_in_no_vote(run, cwd):
    run("vote", "spec.yaml", "--mode", "hard")
    printed = words(run("leaderboard", "spec.yaml", "--json", "found.json"))
    assert "member lacking in no vote: 2 of 3 folds (0, 2), 16 of 24 OOF rows" in printed
    assert "trained in" not in printed
    rows = {row["name"]: row for row in json.loads((cwd / "found.json").read_text())}
    assert rows["lacking"]["oof"] is None


# -- later calls ---------------------------------------------------------------------------------


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


# -- damage --------------------------------------------------------------------------------------


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
