"""The command `export` on a run, and `predict --bundle` on what it wrote."""

from __future__ import annotations

import json

import numpy as np

import ensembles
from orchestrator import Ensemble


def test_a_run_is_exported_and_answers_as_its_own_vote(used, command, tmp_path):
    run, photos = used / "runs/used", used / "photos/eval/images"
    code, out, err = command("export", run, "--out", "cats", "--format", "safetensors", "--zip",
                             "--vote", "weighted", "--json", "e.json")  # fmt: skip
    assert code == 0, out + err
    found = json.loads((tmp_path / "e.json").read_text())
    assert (found["bundle"], found["zip"]) == ("cats", "cats.zip")
    assert found["checked"]["networks"] < 1e-4
    code, out, err = command("predict", "--bundle", "cats", photos, "--out", "answers.csv")
    assert code == 0, out + err
    voted = ensembles.read_table(run / "votes/weighted/probabilities.parquet")
    asked = ensembles.read_table(tmp_path / "answers.parquet")
    order = {own: row for row, own in enumerate(voted.ids)}
    rows = [order[own] for own in asked.ids]
    np.testing.assert_allclose(asked.probabilities, voted.probabilities[rows], atol=1e-5)
    card = (tmp_path / "cats/MODEL_CARD.md").read_text()
    record = json.loads((run / "votes/weighted/vote.json").read_text())
    assert f"{record['estimate']['macro_f1']:.4f}" in card
    assert "people drawn by a program" in card
    assert Ensemble.load(tmp_path / "cats").trained.members[0].networks[0].sha256


def test_a_bundle_is_asked_lazily_as_a_run_is(used, command, tmp_path):
    run, photos = used / "runs/used", used / "photos/eval/images"
    exported = command("export", run, "--out", "own", "--format", "safetensors", "--vote", "hard")
    assert exported[0] == 0, exported[2]
    code, out, err = command("predict", "--bundle", "own", photos, "--lazy", "--json", "lazy.json")
    assert code == 0, out + err
    assert "lazy: " in out
    asked = json.loads((tmp_path / "lazy.json").read_text())["asked"]
    voted = ensembles.read_table(run / "votes/hard/probabilities.parquet")
    assert min(asked.values()) < len(voted.ids)
    answers = ensembles.read_table(tmp_path / "predictions.parquet")
    decided = dict(zip(voted.ids, voted.probabilities.argmax(axis=1), strict=True))
    assert [decided[own] for own in answers.ids] == answers.probabilities.argmax(axis=1).tolist()
    code, _, err = command("predict", "--bundle", "own", photos, "--budget-ms", "5")
    assert (code, "--budget-ms, which reads the run's tables" in err) == (2, True)


def test_what_was_given_wrong_is_said_before_the_run_is_read(used, command, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/mine").touch()
    code, _, err = command("export", used / "runs/used", "--out", "there", "--format", "safetensors",
                           "--push-to-hub", "cats")  # fmt: skip
    assert code == 2
    assert "a folder with other things in it" in err
    assert "no name of a repository" in err
    code, _, err = command("predict", "--bundle", "there", "--run", used / "runs/used", "x.jpg")
    assert code == 2
    assert "--run cannot be given beside it" in err
    code, _, err = command("predict", "--bundle", "there", "x.jpg")
    assert code == 2
    assert "no bundle: it has no ensemble.json" in err
    code, _, err = command("export", used / "runs/used", "--out", "new", "--vote", "weighted")
    assert (code, "without their background" in err) == (2, True)
    assert not (tmp_path / "new").exists()
