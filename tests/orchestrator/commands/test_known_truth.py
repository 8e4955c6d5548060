"""`leaderboard` and `evaluate` take the labels that the run's own list of photographs to predict has."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

import ensembles
from members.data.codec import Codec

SPEC = """\
name: e
data: {layout: table, train: photos.csv, test: new.csv}
members:
  - {name: one, model: test_resnet}
  - {name: two, model: test_resnet}
"""
CODEC = Codec({"label": ("cat", "dog", "emu")})
LABELS = np.arange(20) % 3


def table(name: str, kind: str, n_rows: int, seed: int) -> ensembles.Table:
    oof = kind == "oof"
    return ensembles.Table(
        np.array([f"{kind}{i}" for i in range(n_rows)], object),
        np.random.default_rng(seed).dirichlet(np.ones(3), n_rows).astype(np.float32),
        (np.arange(n_rows) // 20).astype(np.int16) if oof else None,
        (np.arange(n_rows) % 3).astype(np.int16) if oof else None,
        {"classes": list(CODEC.classes), "answers": list(CODEC.classes), "member": name},
    )


@pytest.fixture
def run(tmp_path, command):
    """A run with a soft vote; its list of photographs to predict has no labels yet."""
    run = tmp_path / "runs/e"
    for seed, name in enumerate(("one", "two")):
        for kind, n in (("oof", 60), ("test", 20)):
            ensembles.write_table(run / f"tables/{name}/{kind}.parquet", table(name, kind, n, seed))
        (run / f"tables/{name}/made_from.txt").write_text("0123456789abcdef none None")
    (run / "spec.yaml").write_text(SPEC)
    (run / "targets.json").write_text(CODEC.to_json())
    know(run, [-1] * 20)
    assert command("vote", "--run", run, "--mode", "soft")[0] == 0
    return run


def know(run, labels) -> None:
    ids = [f"test{i}" for i in range(20)]
    frame = pd.DataFrame({"image_id": ids, "label": np.array(labels, np.int16)})
    frame.to_parquet(run / "test.parquet")


def decided(run, name="one") -> np.ndarray:
    found = ensembles.read_table(run / f"tables/{name}/test.parquet")
    return found.probabilities.argmax(axis=1)


def board(command, run, tmp_path, *more):
    file = tmp_path / "l.json"
    code, out, error = command("leaderboard", "--run", run, "--json", file, *more)
    assert code == 0, error
    rows = {f"{row['kind']} {row['name']}": row for row in json.loads(file.read_text())}
    return " ".join(out.split()), rows


def test_the_leaderboard_shows_test_scores_by_the_labels_of_the_run(run, command, tmp_path):
    out, rows = board(command, run, tmp_path)
    assert rows["member one"]["truth"] is None
    assert "test" not in out.split("seconds")[0].split()
    know(run, LABELS)
    out, rows = board(command, run, tmp_path)
    expected = f1_score(LABELS, decided(run), average="macro")
    assert rows["member one"]["truth"]["macro_f1"] == pytest.approx(expected)
    assert rows["vote soft"]["truth"]["accuracy"] > 0
    assert f"note: test scores are by the answers of {run}/test.parquet" in out


def test_labels_of_some_photographs_score_those(run, command, tmp_path):
    know(run, [*LABELS[:12], *[-1] * 8])
    out, rows = board(command, run, tmp_path)
    right = rows["member one"]["right"]
    assert (right["rows"], right["of"]) == (12, 20)
    accuracy = np.mean(decided(run)[:12] == LABELS[:12])
    assert rows["member one"]["truth"]["accuracy"] == pytest.approx(accuracy)
    assert "of 12 of 20 photos, those whose label is known" in out


def test_a_truth_comes_first_and_what_it_contradicts_is_said(run, command, tmp_path):
    know(run, LABELS)
    other = LABELS.copy()
    other[0] = 2
    file = tmp_path / "truth.csv"
    names = np.array(CODEC.classes)[other]
    file.write_text("ImageID,ans\n" + "".join(f"test{i},{n}\n" for i, n in enumerate(names)))
    out, rows = board(command, run, tmp_path, "--truth", file)
    accuracy = np.mean(decided(run) == other)
    assert rows["member one"]["truth"]["accuracy"] == pytest.approx(accuracy)
    assert rows["member one"]["right"]["contradictions"] == [["test0", "emu", "cat"]]
    assert "1 of these answers are other than the labels that the run knows: test0 is emu" in out
    code, out, _ = command("evaluate", run / "votes/soft/submission.csv", "--truth", file)
    assert code == 0
    assert "test0 is emu, not cat" in " ".join(out.split())


def test_evaluate_finds_them_for_a_vote_of_the_run_and_for_a_members_table(run, command):
    know(run, LABELS)
    for file in ("votes/soft/submission.csv", "tables/one/test.parquet"):
        code, out, error = command("evaluate", run / file)
        assert code == 0, error
        assert f"20 photographs; right answers: {run}/test.parquet" in " ".join(out.split())
    accuracy = float(re.search(r"accuracy +(\d\.\d+)", out)[1])
    assert accuracy == pytest.approx(np.mean(decided(run) == LABELS), abs=1e-4)


def test_evaluate_asks_for_a_truth_where_nothing_is_known(run, command):
    code, _, error = command("evaluate", run / "votes/soft/submission.csv")
    assert code == 2
    assert "Give --truth CSV" in error
