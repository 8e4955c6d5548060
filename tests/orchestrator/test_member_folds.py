"""A member that trains one of three folds, from check to the answers of new photographs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ensembles
from ensembles.weights.partial import partial_weights
from orchestrator.commands.damage import every_damage
from orchestrator.runs.store import Store
from tests.faults.small_photographs import write_photographs
from tests.orchestrator import one_slot
from tests.orchestrator.unfinished.failed import fail, words

SPEC = """\
name: small
data: {layout: folders, train: photos/train, test: photos/test}
folds: {k: 3}
defaults: {image_size: [32, 32], epochs: 1, batch_size: 8, model: test_resnet}
members:
  - {name: whole}
  - {name: giant, model: test_vit, folds: 1}
  - {name: other, lr: 3e-3}
"""
ONE = "folds: 1}"
P = ["p0", "p1"]


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A run, and what check and train-members printed."""
    folder = tmp_path_factory.mktemp("some_folds")
    write_photographs(folder)
    (folder / "spec.yaml").write_text(SPEC)
    with one_slot.commands(folder) as run:
        checked = run("check", "spec.yaml", "--json", "check.json")
        return folder, words(checked), words(run("train-members", "spec.yaml"))


@pytest.fixture
def cwd(original, tmp_path):
    shutil.copytree(original[0], tmp_path / "copy")
    return tmp_path / "copy"


@pytest.fixture
def run(cwd):
    with one_slot.commands(cwd) as run:
        yield run


def table(cwd: Path, path: str) -> pd.DataFrame:
    return pd.read_parquet(cwd / "runs/small" / path).set_index("image_id")


def record_of(cwd: Path, vote: str) -> dict:
    return json.loads((cwd / f"runs/small/votes/{vote}/vote.json").read_text())


def units(cwd: Path, member: str) -> dict[str, int]:
    """Name of a finished unit -> when it was written."""
    found = (cwd / "runs/small").glob(f"units/{member}/*/*/unit.json")
    return {file.parent.name: file.stat().st_mtime_ns for file in found}


def test_check_and_training_say_what_the_table_will_have(original):
    folder, checked, trained = original
    said = "member giant: 1 of 3 folds (0); its OOF table has 8 of 24 rows"
    assert said in checked
    assert "7 units to train" in checked
    assert said in trained
    assert "giant has 1 of 3 folds (0), 8 of 24 OOF rows, as the spec says" in trained
    assert "7 units trained" in trained
    assert "Next: " in trained
    assert "--common-rows" not in trained
    rows = {
        row["member"]: row for row in json.loads((folder / "check.json").read_text())["members"]
    }
    assert rows["giant"]["folds"] == {"folds": [0], "n_folds": 3, "rows": 8, "n_rows": 24}
    assert (rows["giant"]["units"], rows["whole"]["units"]) == (1, 3)
    assert rows["whole"]["folds"] is None


def test_its_tables_are_those_of_its_unit(original):
    cwd = original[0]
    root = cwd / "runs/small"
    assert sorted(own.name for own in (root / "tables").iterdir()) == ["other", "whole"]
    assert sorted(units(cwd, "giant")) == ["fold-0"]
    (unit,) = root.glob("units/giant/*/fold-0")
    images = pd.read_parquet(root / "images.parquet")
    oof = table(cwd, "partial/giant/oof.parquet")
    assert oof.index.tolist() == images["image_id"][images["fold"] == 0].tolist()
    assert set(oof["fold"]) == {0}
    for kind in ("oof", "test"):
        own = pd.read_parquet(unit / f"{kind}.parquet").set_index("image_id")
        made = table(cwd, f"partial/giant/{kind}.parquet")
        np.testing.assert_allclose(made[P], own.loc[made.index, P], atol=1e-7)
    assert json.loads((root / "partial/giant/folds.json").read_text()) == {
        "folds": [0], "n_folds": 3, "rows": 8, "n_rows": 24, "asked": [0],
    }  # fmt: skip
    assert every_damage(Store(root)) == []


def test_a_second_call_finds_nothing_to_do(run, cwd):
    tables = cwd / "runs/small/partial/giant"
    before = {file: file.stat().st_mtime_ns for file in tables.iterdir()}
    assert "Nothing to do: all 7 units are trained" in words(run("train-members", "spec.yaml"))
    assert {file: file.stat().st_mtime_ns for file in tables.iterdir()} == before


def test_status_shows_what_is_never_trained(run):
    printed = run("status", "runs/small", "--json", "status.json")
    (line,) = [line for line in printed.splitlines() if line.startswith("giant")]
    assert line.count("not trained") == 2
    assert "waiting" not in printed
    assert "7 of 7 units done" in printed


def test_the_weighted_vote_is_fitted_to_the_rows_that_there_are(run, cwd):
    printed = words(run("vote", "spec.yaml"))
    assert (
        "of some folds only, as the spec says: giant, 1 of 3 folds (0), 8 of 24 OOF rows."
        in printed
    )
    assert "of 24 OOF rows all members have 8 (giant has 8)" in printed
    assert "every score is of the rows that all have. Folds: drawn" in printed
    record = record_of(cwd, "weighted")  # as the spec's own vote is called
    assert record["objective"] == "log_loss"
    assert record["missing_rows"] == {
        "rows": 8, "of": 24, "members": {"whole": 24, "giant": 8, "other": 24},
    }  # fmt: skip
    whole = table(cwd, "tables/whole/oof.parquet")
    tables = [
        whole,
        table(cwd, "partial/giant/oof.parquet"),
        table(cwd, "tables/other/oof.parquet"),
    ]
    present = np.array([whole.index.isin(own.index) for own in tables])
    true = np.ones(present.shape)
    for j, own in enumerate(tables):
        for i, image_id in enumerate(whole.index):
            if present[j, i]:
                true[j, i] = own.loc[image_id, f"p{whole.loc[image_id, 'label']}"]
    weights = partial_weights(true, present).weights
    assert list(record["members"].values()) == pytest.approx(weights.tolist(), abs=1e-6)
    tests = [
        table(cwd, f"{folder}/test.parquet")[P].to_numpy()
        for folder in ("tables/whole", "partial/giant", "tables/other")
    ]
    voted = table(cwd, "votes/weighted/probabilities.parquet")[P].to_numpy()
    np.testing.assert_allclose(voted, np.tensordot(weights, tests, 1), atol=1e-6)
    assert set(ensembles.read_table(cwd / "runs/small/votes/weighted/held_out.parquet").ids) == set(
        tables[1].index
    )


@pytest.mark.parametrize("arguments", [("--mode", "soft"), ("--objective", "macro_f1")])
def test_other_votes_are_over_the_rows_that_all_have(run, cwd, arguments):
    printed = words(run("vote", "spec.yaml", *arguments))
    assert "only the rows that every member has vote: 8 of 24 oof rows." in printed
    fitted = "only log-loss weights of the linear pool are fitted to rows that some members lack"
    assert (fitted in printed) is (arguments[0] == "--objective")
    record = record_of(cwd, "soft" if "soft" in arguments else "weighted-macro_f1")
    assert record["common_rows"]["oof"] == {"rows": 8, "of": 24}
    assert record["common_rows"]["test"] == {"rows": 6, "of": 6}


def test_the_leaderboard_compares_on_common_rows_and_says_so(run, cwd):
    run("vote", "spec.yaml")
    printed = words(run("leaderboard", "spec.yaml", "--json", "found.json"))
    assert (
        "note: giant is trained in 1 of 3 folds (0), 8 of 24 OOF rows, as the spec says" in printed
    )
    assert "of 8 of 24 OOF rows, those that all members of the vote have" in printed
    rows = {row["name"]: row for row in json.loads((cwd / "found.json").read_text())}
    assert {row["rows"]["rows"] for row in rows.values()} == {8}
    common = table(cwd, "partial/giant/oof.parquet").index
    own = table(cwd, "tables/whole/oof.parquet").loc[common]
    right = own[P].to_numpy().argmax(axis=1) == own["label"].to_numpy()
    assert rows["whole"]["oof"]["accuracy"] == pytest.approx(right.mean())


def test_another_fold_trains_that_unit_alone_and_fewer_train_none(run, cwd):
    before = units(cwd, "giant") | units(cwd, "whole")
    (cwd / "spec.yaml").write_text(SPEC.replace(ONE, "folds: [0, 2]}"))
    assert "1 units trained, 7 were done before" in words(run("train-members", "spec.yaml"))
    assert sorted(units(cwd, "giant")) == ["fold-0", "fold-2"]
    assert units(cwd, "giant") | units(cwd, "whole") | before == units(cwd, "giant") | units(
        cwd, "whole"
    )
    assert set(table(cwd, "partial/giant/oof.parquet")["fold"]) == {0, 2}
    run("vote", "spec.yaml")
    assert record_of(cwd, "weighted")["missing_rows"]["rows"] == 16

    (cwd / "spec.yaml").write_text(SPEC.replace(ONE, "folds: 3}"))
    assert "1 units trained, 8 were done before" in words(run("train-members", "spec.yaml"))
    assert not (cwd / "runs/small/partial/giant").exists()
    assert len(table(cwd, "tables/giant/oof.parquet")) == 24
    run("vote", "spec.yaml", "--objective", "log_loss")
    assert "missing_rows" not in record_of(cwd, "weighted-log_loss")

    (cwd / "spec.yaml").write_text(SPEC)
    assert "Nothing to do: all 7 units are trained" in words(run("train-members", "spec.yaml"))
    assert not (cwd / "runs/small/tables/giant").exists()
    assert set(table(cwd, "partial/giant/oof.parquet")["fold"]) == {0}
    assert "of other tables than the run has now" in words(run("leaderboard", "spec.yaml"))


def test_members_of_the_same_folds_vote_as_any_others(run, cwd):
    text = SPEC.replace("name: whole", "name: whole, folds: 1").replace(
        "name: other", "name: other, folds: [0]"
    )
    (cwd / "spec.yaml").write_text(text)
    assert "Nothing to do" in run("train-members", "spec.yaml")
    printed = words(run("vote", "spec.yaml", "--mode", "soft"))
    assert "whole, 1 of 3 folds (0), 8 of 24 OOF rows; giant, 1 of 3 folds (0)" in printed
    record = record_of(cwd, "soft")
    assert "common_rows" not in record
    run("leaderboard", "spec.yaml", "--json", "found.json")
    rows = json.loads((cwd / "found.json").read_text())
    assert [row["rows"] for row in rows] == [{"rows": 8, "of": 24}] * 4
    run("audit", "runs/small")
    assert "report: " in run("report", "runs/small")


def test_a_report_has_all_folds_in_their_balance(run, cwd):
    run("vote", "spec.yaml")
    run("report", "runs/small")
    page = words((cwd / "runs/small/report.html").read_text())
    assert "24 photographs of 24 groups in 3 folds of 8 to 8" in page
    assert "Compared row by row: the 8 of 24 out-of-fold rows that all members have." in page
    assert "giant" in page


def test_audit_asks_the_members_that_held_every_photograph_out(run):
    printed = words(run("audit", "runs/small"))
    assert "24 labels by 2 members" in printed
    assert "note: without rows of all folds, so not asked: giant." in printed


def test_new_photographs_are_asked_of_its_one_network(run, cwd):
    run("vote", "spec.yaml", "--mode", "soft")
    run("predict", "spec.yaml", "photos/test", "--vote", "soft", "--out", "answers.csv")
    answers = ensembles.read_table(cwd / "answers.parquet")
    voted = ensembles.read_table(cwd / "runs/small/votes/soft/probabilities.parquet")
    rows = {Path(image_id).name: row for row, image_id in enumerate(voted.ids)}
    order = [rows[Path(image_id).name] for image_id in answers.ids]
    np.testing.assert_allclose(answers.probabilities, voted.probabilities[order], atol=1e-5)
    run("export", "runs/small", "--vote", "soft", "--out", "bundle")
    assert len(list((cwd / "bundle/networks").iterdir())) == 7
    assert "8 of 24 photographs that every member held out" in words(
        (cwd / "bundle/MODEL_CARD.md").read_text()
    )


def test_a_photograph_that_it_never_held_out_is_decided_by_the_others(run, cwd):
    images = table(cwd, "tables/whole/oof.parquet")
    lacking = images.index[images["fold"] == 1][0]
    run("vote", "spec.yaml", "--why", lacking, "--json", "why.json")
    found = json.loads((cwd / "why.json").read_text())
    assert found["lacking"] == ["giant"]
    assert sum(own["weight"] for own in found["members"].values()) == pytest.approx(1)
    mixed = sum(
        own["weight"] * table(cwd, f"tables/{name}/oof.parquet").loc[lacking, P].to_numpy()
        for name, own in found["members"].items()
    )
    assert found["pooled"] == pytest.approx(mixed.tolist(), abs=1e-6)


def test_its_network_of_all_rows_is_read_from_its_folds(run, cwd):
    run("train-members", "spec.yaml", "--refit", "--only", "giant")
    assert sorted(units(cwd, "giant")) == ["fold-0", "fold-all"]


def test_a_failed_fold_is_not_taken_for_one_that_is_not_asked_for(run, cwd, monkeypatch):
    (cwd / "spec.yaml").write_text(SPEC.replace(ONE, "folds: 2}"))
    fail(monkeypatch, ("giant fold 1",))
    run("train-members", "spec.yaml", code=1)
    found = json.loads((cwd / "runs/small/partial/giant/folds.json").read_text())
    assert (found["folds"], found["asked"]) == ([0], [0, 1])
    printed = words(run("vote", "spec.yaml", "--mode", "soft"))
    assert "not trained to their end, so left out: giant." in printed
    assert set(record_of(cwd, "soft")["members"]) == {"whole", "other"}


def test_ranges_of_rows_refuse_it(run, monkeypatch):
    monkeypatch.setattr("orchestrator.cluster.joining.reach", lambda address: None)
    monkeypatch.setattr("orchestrator.cluster.connect.mapped", one_slot.no_ray)
    printed = words(run("vote", "spec.yaml", "--address", "127.0.0.1:1", code=2))
    assert "giant has the rows of some folds only" in printed


def test_a_front_is_of_the_rows_that_all_have(run):
    printed = words(run("vote", "spec.yaml", "--pareto", code=0))
    assert "giant, 1 of 3 folds (0), 8 of 24 OOF rows" in printed
