"""The real commands with a real local Ray, on drawn people: one run, looked at from all sides.

All that shares this run is in this file: it is trained once for each process of tests.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
import shutil
import time

import numpy as np
import pandas as pd
import psutil
import pytest
from sklearn.metrics import f1_score

from tests.orchestrator.command_line import (
    SPEC,
    another_ray,
    finished,
    kill_everything,
    orchestrator,
    start_training,
    table,
    unit_files,
    wait_for,
)

pytestmark = pytest.mark.ray

(AGES,) = [line + "\n" for line in SPEC.splitlines() if "name: ages" in line]


def test_every_member_leaves_its_tables(trained):
    images = pd.read_parquet(trained / "runs/e2e/images.parquet")
    info = pd.read_csv(trained / "photos/eval/info.csv")
    for member, classes in (("searched", 18), ("resnet", 18), ("ages", 3)):
        oof, test = table(trained, member, "oof"), table(trained, member, "test")
        columns = [f"p{k}" for k in range(classes)]
        assert list(oof.columns) == ["image_id", "fold", "label", "group", *columns]
        assert list(oof["image_id"]) == list(images["image_id"])
        assert (oof["fold"].to_numpy() == images["fold"].to_numpy()).all()
        assert list(test["image_id"]) == list(info["ImageID"])
        for frame in (oof, test):
            np.testing.assert_allclose(frame[columns].sum(axis=1), 1, atol=1e-4)
    assert (table(trained, "ages", "oof")["label"].to_numpy() == images["age"].to_numpy()).all()


def test_a_test_row_is_the_mean_over_folds_and_seeds(trained):
    columns = ["p0", "p1", "p2"]
    units = sorted((trained / "runs/e2e/units/ages").glob("*/*"))
    assert [u.name for u in units] == [
        "fold-0-seed-1",
        "fold-0-seed-2",
        "fold-1-seed-1",
        "fold-1-seed-2",
    ]
    parts = [pd.read_parquet(unit / "test.parquet")[columns].to_numpy() for unit in units]
    np.testing.assert_allclose(
        table(trained, "ages", "test")[columns], np.mean(parts, axis=0), atol=1e-6
    )


def test_no_person_was_predicted_by_a_model_that_saw_them(trained):
    images = pd.read_parquet(trained / "runs/e2e/images.parquet")
    assert (images.groupby("group")["fold"].nunique() == 1).all()
    for unit in finished(trained):
        record = json.loads((unit / "unit.json").read_text())
        held_out = set(images.loc[images["fold"] == record["fold"], "image_id"])
        assert set(pd.read_parquet(unit / "oof.parquet")["image_id"]) == held_out
        assert record["rows"] == {"train": len(images) - len(held_out), "validation": len(held_out)}


def test_a_finished_unit_holds_what_its_folder_promises(trained):
    for unit in finished(trained):
        assert {f.name for f in unit.iterdir()} == {"unit.json", "history.csv", "model.safetensors",
                                                    "oof.parquet", "test.parquet",
                                                    "predictions.png"}  # fmt: skip
        (events,) = (trained / "runs/e2e/tracking/tensorboard" / unit.relative_to(
            trained / "runs/e2e")).iterdir()  # fmt: skip
        assert events.stat().st_size > (unit / "predictions.png").stat().st_size
        record = json.loads((unit / "unit.json").read_text())
        history = pd.read_csv(unit / "history.csv")
        assert history["epoch"].tolist() == list(range(1, len(history) + 1))
        assert record["metrics"]["macro_f1"] == pytest.approx(history["macro_f1"].max())
        oof = pd.read_parquet(unit / "oof.parquet")
        probabilities = oof.filter(regex=r"^p\d+$").to_numpy()
        score = f1_score(oof["label"], probabilities.argmax(1), average="macro",
                         labels=range(probabilities.shape[1]), zero_division=0)  # fmt: skip
        assert score == pytest.approx(record["metrics"]["macro_f1"])


def test_asha_stopped_a_candidate_and_its_slot_was_used_again(trained):
    """Four candidates, two slots: the last ones ran although earlier ones were killed."""
    rows = list(csv.DictReader((trained / "runs/e2e/search/searched.csv").open()))
    assert len(rows) == 4
    states = [row["state"] for row in rows]
    assert set(states) == {"done", "stopped"}
    first_stop = states.index("stopped")
    assert int(rows[-1]["epochs"]) >= 1
    assert first_stop < 3
    for row in rows:
        if row["state"] == "stopped":
            assert int(row["epochs"]) < 4
            assert re.search(r"rung \d", row["reason"])
            assert "cut-off" in row["reason"]
            assert row["reason"] in (trained / "output.txt").read_text()


def test_the_winners_settings_are_in_the_resolved_spec_and_its_fold_is_not_trained_again(trained):
    import yaml

    rows = list(csv.DictReader((trained / "runs/e2e/search/searched.csv").open()))
    best = max((r for r in rows if r["state"] == "done"), key=lambda r: float(r["macro_f1"]))
    resolved = yaml.safe_load((trained / "runs/e2e/spec.yaml").read_text())
    member = next(m for m in resolved["members"] if m["name"] == "searched")
    assert member["lr"] == pytest.approx(float(best["lr"]))
    assert member["loss"] == best["loss"]
    units = trained / "runs/e2e/units/searched" / best["hash"]
    assert sorted(u.name for u in units.iterdir()) == ["fold-0", "fold-1"]
    times = unit_files(trained)
    searched = max(t for path, t in times.items() if "searched" in path and "fold-0" in path)
    assert times[f"units/searched/{best['hash']}/fold-1"] > searched


def test_oof_tables_know_the_groups(trained):
    images = pd.read_parquet(trained / "runs/e2e/images.parquet").set_index("image_id")
    for path in (trained / "runs/e2e/tables").glob("*/oof.parquet"):
        oof = pd.read_parquet(path).set_index("image_id")
        assert (oof["group"] == images["group"].astype(str)[oof.index]).all()


def test_a_second_call_does_nothing_in_seconds(trained):
    before = unit_files(trained)
    tables = {f: f.stat().st_mtime_ns for f in (trained / "runs/e2e/tables").rglob("*.parquet")}
    record = (trained / "runs/e2e/search/searched.json").read_bytes()
    for spec in (
        "spec.yaml",
        "runs/e2e/spec.yaml",
    ):  # in that of the run its winner's settings stand
        started = time.monotonic()
        done = orchestrator("train-members", spec, cwd=trained)
        assert "Nothing to do" in done.stdout
        assert time.monotonic() - started < 30
        assert unit_files(trained) == before
        assert {f: f.stat().st_mtime_ns for f in tables} == tables
        assert (trained / "runs/e2e/search/searched.json").read_bytes() == record


@pytest.mark.parametrize("mode", ["hard", "soft", "weighted"])
def test_votes_are_cast_and_scored(trained, mode):
    done = orchestrator("vote", "--mode", mode, "--json", "vote.json", cwd=trained)
    assert "ages" in done.stdout  # named as left out: it predicts one target only
    record = json.loads((trained / "vote.json").read_text())
    assert set(record["members"]) == {"searched", "resnet"}
    assert sum(record["members"].values()) == pytest.approx(1)
    folder = trained / "runs/e2e/votes" / mode
    assert json.loads((folder / "vote.json").read_text())["mode"] == mode
    submission = pd.read_csv(folder / "submission.csv")
    info = pd.read_csv(trained / "photos/eval/info.csv")
    assert list(submission.columns) == ["ImageID", "ans"]
    assert list(submission["ImageID"]) == list(info["ImageID"])
    assert submission["ans"].between(0, 17).all()
    truth = pd.read_csv(trained / "photos/eval/truth.csv")
    orchestrator("evaluate", str(folder / "submission.csv"), "--truth", "photos/eval/truth.csv",
                 "--json", "report.json", cwd=trained)  # fmt: skip
    report = json.loads((trained / "report.json").read_text())
    merged = submission.merge(truth, on="ImageID", suffixes=("", "_true"))
    expected = f1_score(
        merged["ans_true"], merged["ans"], average="macro", labels=range(18), zero_division=0
    )
    assert report["macro_f1"] == pytest.approx(expected)


def test_the_leaderboard_names_members_votes_and_the_truth(trained):
    orchestrator("vote", "spec.yaml", "--mode", "soft", cwd=trained)
    done = orchestrator("leaderboard", "spec.yaml", "--truth", "photos/eval/truth.csv", cwd=trained)
    for word in ("searched", "resnet", "soft", "nested estimate", "seconds", "submission"):
        assert word in done.stdout


def test_new_test_photographs_are_predicted_without_training(trained, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(trained, work, symlinks=True)
    (work / "photos").unlink()
    shutil.copytree(trained / "photos", work / "photos", symlinks=True)
    info = work / "photos/eval/info.csv"
    info.write_text("\n".join(info.read_text().splitlines()[:11]) + "\n")
    models = {f: f.stat().st_mtime_ns for f in work.rglob("model.safetensors")}
    orchestrator("train-members", "spec.yaml", "--only", "resnet", cwd=work)
    assert len(table(work, "resnet", "test")) == 10
    assert {f: f.stat().st_mtime_ns for f in models} == models
    old = table(trained, "resnet", "test").set_index("image_id")
    new = table(work, "resnet", "test").set_index("image_id")
    np.testing.assert_allclose(new, old.loc[new.index], atol=1e-5)


def test_a_new_member_is_trained_alone_and_a_lost_one_fails_alone(trained, tmp_path):
    work = tmp_path / "work"
    shutil.copytree(trained, work, symlinks=True)
    # of what resnet is, a fold that is trained and one whose history cannot be written
    (done,) = (work / "runs/e2e/units/resnet").glob("*/fold-0")
    half = work / "runs/e2e/units/half" / done.parent.name
    shutil.copytree(done, half / "fold-0")
    (half / "fold-1/history.csv").mkdir(parents=True)
    before = unit_files(work)
    text = SPEC.replace(
        "search:",
        "  - {name: half, model: test_resnet, loss: f1, augmentation: flip}\n"
        "  - {name: added, model: test_convnext, epochs: 1}\n"
        "  - {name: exploding, model: test_resnet, optimizer: sgd, lr: 1e30, epochs: 2}\nsearch:",
    )
    (work / "spec.yaml").write_text(text)
    done = orchestrator("train-members", "spec.yaml", cwd=work, check=1)
    after = unit_files(work)
    assert {path: after[path] for path in before} == before
    assert {path.split("/")[1] for path in set(after) - set(before)} == {"added"}
    assert len(table(work, "added", "oof")) == len(table(work, "resnet", "oof"))
    for fold in (0, 1):
        assert f"exploding fold {fold}: the loss became" in done.stderr
    assert "in epoch 1 at lr" in done.stderr
    assert "half fold 1: " in done.stderr
    assert "3 failed" in done.stderr
    assert not (work / "runs/e2e/tables/exploding").exists()
    voted = orchestrator("vote", "spec.yaml", "--mode", "soft", cwd=work)
    assert "left out: half, exploding" in " ".join(voted.stdout.split())
    # the fold that half has is there for who asks for it
    rows = len(pd.read_parquet(half / "fold-0/oof.parquet"))
    n = len(table(work, "resnet", "oof"))
    assert [f.name for f in (work / "runs/e2e/partial").iterdir()] == ["half"]
    for options, folder in ((["--mode", "soft", "--common-rows"], "soft"),
                            (["--missing-rows"], "weighted-log_loss")):  # fmt: skip
        orchestrator("vote", "spec.yaml", *options, cwd=work)
        record = json.loads((work / f"runs/e2e/votes/{folder}/vote.json").read_text())
        assert set(record["members"]) == {"searched", "resnet", "added", "half"}
        counts = record.get("missing_rows") or record["common_rows"]["oof"]
        assert (counts["rows"], counts["of"]) == (rows, n)


@pytest.mark.fault(
    "train-members and all its processes are killed (SIGKILL)",
    "the same command goes on from the last epoch, tables equal",
)
def test_killed_and_called_again_it_ends_with_the_same_tables(place, trained):
    """Killed when one unit is finished and another is not. Another Ray runs beside it all the while."""
    cwd = place(SPEC.replace("candidates: 4", "candidates: 1").replace(AGES, ""))
    printed = cwd / "killed.txt"
    with another_ray():
        with printed.open("w") as output:
            driver = start_training(cwd, output)
            for pattern in ("units/*/*/fold-*/unit.json", "units/*/*/fold-*/state.pt"):
                wait_for(pattern, cwd, driver, printed)
            kill_everything(driver)
        before = unit_files(cwd)
        begun = [f.parent for f in (cwd / "runs/e2e").glob("units/*/*/fold-*/state.pt")]
        begun = [unit for unit in begun if not (unit / "unit.json").exists()]
        assert begun
        orchestrator("train-members", "spec.yaml", cwd=cwd)
    after = unit_files(cwd)
    assert {path: after[path] for path in before} == before  # nothing finished was done again
    for unit in begun:
        assert json.loads((unit / "unit.json").read_text())["resumed_after_epoch"] > 0
    for kind in ("oof", "test"):  # the search's order of events is not part of the promise
        pd.testing.assert_frame_equal(
            table(cwd, "resnet", kind), table(trained, "resnet", kind), check_exact=True
        )


@pytest.mark.skipif(os.cpu_count() < 2, reason="one processor is one slot")
def test_two_slots_train_at_the_same_time(trained):
    """What waits for a slot (Tune's trials) must not itself take a share of a CPU."""
    records = [json.loads((unit / "unit.json").read_text()) for unit in finished(trained)]
    times = sorted((record["began"], record["ended"]) for record in records)
    assert any(after[0] < before[1] for before, after in itertools.pairwise(times))


def test_nothing_of_ray_is_left_behind(trained):
    mine = [p for p in psutil.Process().children(recursive=True) if "ray" in p.name().lower()]
    assert mine == []
    folder = str(trained)
    leftovers = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        if folder in str((process.info["environ"] or {}).get("ENSEMBLE_CACHE", "")):
            leftovers.append(process)
    assert leftovers == []
