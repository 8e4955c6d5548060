"""Who reads the tables of a member with a failed fold: votes, leaderboard and predict, where asked."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ensembles
from tests.orchestrator import one_slot
from tests.orchestrator.unfinished.failed import (
    SPEC,
    P,
    record_of,
    unit,
    words,
)


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


def test_new_photographs_are_asked_of_the_networks_of_its_finished_folds(run, cwd):
    run("vote", "spec.yaml", "--mode", "soft", "--common-rows")
    run("predict", "spec.yaml", "photos/test", "--vote", "soft", "--out", "answers.csv")
    answers = ensembles.read_table(cwd / "answers.parquet")
    voted = ensembles.read_table(cwd / "runs/small/votes/soft/probabilities.parquet")
    rows = {Path(image_id).name: row for row, image_id in enumerate(voted.ids)}
    order = [rows[Path(image_id).name] for image_id in answers.ids]
    np.testing.assert_allclose(answers.probabilities, voted.probabilities[order], atol=1e-5)
    text = run("predict", "spec.yaml", "photos/test", "--vote", "soft", "--budget-ms", "9", code=2)
    assert "--budget-ms: the tables of lacking are of some folds only" in words(text)
