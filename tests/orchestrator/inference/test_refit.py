"""`train-members --refit`, then `export --folds refit`: a bundle of networks trained on all rows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score

import ensembles
from ensembles.scores.scorers import row_losses
from orchestrator.inference.refits.compared import paired, same_answers
from orchestrator.inference.refits.said import lines, of_card
from orchestrator.runs.damage import write_recorded
from orchestrator.runs.store import Store
from tests.orchestrator.one_slot import commands

MEMBERS = ("seeds", "best", "common", "views", "ages", "faces", "cut")


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


@pytest.fixture(scope="module")
def run(used, tmp_path_factory) -> Path:
    """The run of `used`, copied, and what the command that a refused export names has made of it."""
    folder = tmp_path_factory.mktemp("refit") / "run"
    shutil.copytree(used / "runs/used", folder)
    before = {name: content(folder / name) for name in ("tables", "votes", "units")}
    with commands(used) as command:
        refused = command("export", str(folder), "--out", str(folder.parent / "none"), "--folds", "refit",
                          "--format", "safetensors", "--vote", "soft", code=2)  # fmt: skip
        for name in MEMBERS:
            missing = f"{name}: there is no network of all rows"
            assert (missing in refused) == (name != "cut")  # of no weight in that vote
        assert not (folder.parent / "none").exists()
        words = refused.split("What trains them: ")[1].split()
        assert words[:3] == ["python", "-m", "orchestrator"]
        said = command(*words[3:])
        assert "8 units trained (8 of them on all rows), 24 were done before" in said
        assert "Nothing to do: all 32 units" in command(*words[3:])
        assert "Nothing to do: all 24 units" in command(*words[3:-1])
    after = {name: content(folder / name) for name in before}
    assert (after["tables"], after["votes"]) == (before["tables"], before["votes"])
    assert before["units"].items() <= after["units"].items()
    return folder


def of_all_rows(run: Path, name: str) -> list[Path]:
    return sorted((run / "units" / name).glob("*/fold-all*"))


def test_the_bundle_answers_as_the_networks_of_all_rows_do(run, used, command, tmp_path):
    code, out, err = command("export", run, "--out", tmp_path / "b", "--folds", "refit", "--vote", "weighted",
                             "--format", "safetensors", "--json", "e.json")  # fmt: skip
    assert code == 0, out + err
    found = json.loads((tmp_path / "e.json").read_text())
    assert found["networks"] == len(MEMBERS) + 1  # one of them has two seeds
    photos = used / "photos/eval/images"
    code, out, err = command(
        "predict", "--bundle", tmp_path / "b", photos, "--out", "a.parquet", "--members"
    )
    assert code == 0, out + err
    for name in MEMBERS:
        (first, *rest) = (
            ensembles.read_table(own / "test.parquet") for own in of_all_rows(run, name)
        )
        asked = ensembles.read_table(tmp_path / f"a-members/{name}/test.parquet")
        at = {image_id: row for row, image_id in enumerate(first.ids)}
        mean = np.mean([first.probabilities, *(own.probabilities for own in rest)], axis=0)
        np.testing.assert_allclose(asked.probabilities, mean[[at[i] for i in asked.ids]], atol=1e-5)

    # the votes differ as the bundle says
    voted = ensembles.read_table(run / "votes/weighted/probabilities.parquet")
    asked = ensembles.read_table(tmp_path / "a.parquet")
    order = {image_id: row for row, image_id in enumerate(asked.ids)}
    own = asked.probabilities[[order[image_id] for image_id in voted.ids]]
    same = json.loads((tmp_path / "b/ensemble.json").read_text())["refit"]["compared"][
        "same_answers"
    ]
    assert same["photographs"] == len(voted.ids)
    assert same["same_class"] == np.mean(own.argmax(1) == voted.probabilities.argmax(1))
    apart = np.abs(own - voted.probabilities).sum(1).mean() / 2
    assert same["total_variation"] == pytest.approx(apart, abs=1e-5)
    card = (tmp_path / "b/MODEL_CARD.md").read_text()
    assert "The networks in here are not the ones that these scores are of" in card
    assert f"{same['same_class']:.1%}" in card
    assert "The vote uses all folds' networks" not in card


def test_where_the_truth_of_test_photographs_is_known_both_are_scored_on_them(
    run, used, command, tmp_path
):
    shutil.copytree(run, tmp_path / "run")
    store = Store(str(tmp_path / "run"))
    frame = pd.read_parquet(tmp_path / "run/test.parquet")
    truth = pd.read_csv(used / "photos/eval/truth.csv").set_index("ImageID")["ans"]
    frame["label"] = truth.loc[frame["image_id"]].to_numpy(np.int16)
    write_recorded("test.parquet", frame.to_parquet(index=False), store)
    code, out, err = command("export", tmp_path / "run", "--out", "b", "--folds", "refit", "--vote", "soft",
                             "--format", "safetensors", "--json", "e.json")  # fmt: skip
    assert code == 0, out + err
    scores = json.loads((tmp_path / "e.json").read_text())["refit"]["compared"]["scores"]
    voted = ensembles.read_table(run / "votes/soft/probabilities.parquet")
    answers = truth.loc[list(voted.ids)].to_numpy()
    right = accuracy_score(answers, voted.probabilities.argmax(1))
    assert scores["folds"]["accuracy"] == pytest.approx(right)
    assert (
        f"{scores['difference']['accuracy']:+.4f} ±" in (tmp_path / "b/MODEL_CARD.md").read_text()
    )


def test_networks_of_other_epochs_and_damaged_ones_are_not_taken(run, used, command, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    (own,) = of_all_rows(tmp_path / "run", "best")
    weights = own / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    for folder in of_all_rows(tmp_path / "run", "seeds"):
        record = json.loads((folder / "unit.json").read_text())
        record["refit"]["epochs"] = 7
        record.pop("sha256")
        (folder / "unit.json").write_text(json.dumps(record))
    code, _, err = command("export", tmp_path / "run", "--out", "b", "--folds", "refit", "--vote", "soft",
                           "--format", "safetensors")  # fmt: skip
    assert code == 2
    assert "2 mistakes" in err
    assert f"{weights}: damaged" in err
    assert "seeds: there is no network of all rows of seed 1 and 2, trained for 2 epochs" in err
    assert "2 others, of 7 epochs" in err
    assert f"--run {tmp_path / 'run'} --refit" in err


def test_differences_are_paired_over_photographs():
    rng = np.random.default_rng(0)
    before, after = (rng.dirichlet(np.ones(3), 50) for _ in range(2))
    labels = rng.integers(0, 3, 50)
    found = paired(labels, before, after)["difference"]
    moves = {
        "accuracy": (after.argmax(1) == labels) * 1.0 - (before.argmax(1) == labels),
        "log_loss": row_losses(labels, after) - row_losses(labels, before),
    }
    for metric, own in moves.items():
        assert found[metric] == pytest.approx(own.mean())
        assert found["standard_error"][metric] == pytest.approx(own.std(ddof=1) / np.sqrt(50))
    alike = same_answers(np.eye(2), np.array([[0.5, 0.5], [1.0, 0.0]]))
    assert alike == {"photographs": 2, "same_class": 0.5, "total_variation": 0.75}


def test_what_cannot_be_compared_is_said_and_no_score_is_claimed():
    refit = {
        "members": {"a": {"epochs": 3, "of_epochs": 9, "networks": 1, "in_place_of": 5}},
        "compared": {"none": "the run has no photographs to predict"},
    }
    text = of_card(refit, lambda head, rows: "", lambda found, metric: "")
    assert "a for 3 of 9 epochs (1 network in place of 5)" in text
    assert "not compared with the folds' networks: the run has no photographs to predict" in text
    assert lines({}) == []
    assert "no out-of-fold score is theirs" in lines(refit)[0]
