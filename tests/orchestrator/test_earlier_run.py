"""A run folder that version 0.1.0 made goes on, and votes the same.

`tests/fixtures/earlier_run` was trained and voted on by 0.1.0 with the commands of its spec; one more
member was killed after a few epochs. Pictures of predictions and what Ray left are taken out.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.orchestrator import one_slot

FIXTURE = Path(__file__).parents[1] / "fixtures" / "earlier_run"
VOTES = {
    "hard": ("--mode", "hard"),
    "soft": ("--mode", "soft"),
    # what an earlier version did without being asked
    "weighted": ("--set", "vote.objective=null", "--choice", "simplest"),
    "weighted-macro_f1": (),
    "weighted-log_loss": ("--objective", "log_loss"),
}
WRITTEN = {"weighted": "weighted-simplest"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("earlier") / "copy"
    shutil.copytree(FIXTURE, folder)
    return folder


@pytest.fixture(scope="module")
def run(folder) -> Iterator[one_slot.Commands]:
    with one_slot.commands(folder) as run:
        yield run


def contents(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def test_its_votes_stand_in_the_leaderboard(run, folder):
    run("leaderboard", "spec.yaml", "--json", "rows.json")
    names = {row["name"] for row in json.loads((folder / "rows.json").read_text())}
    assert {"searched", "plain", *VOTES} <= names


def test_nothing_is_trained_again(run, folder):
    before = contents(folder / "runs/earlier/units")
    assert "Nothing to do: all 4 units are trained" in run("train-members", "spec.yaml")
    assert contents(folder / "runs/earlier/units") == before


@pytest.mark.parametrize("vote", VOTES)
def test_it_votes_the_same(run, folder, vote):
    written = folder / "runs/earlier/votes" / WRITTEN.get(vote, vote)
    earlier = FIXTURE / "runs/earlier/votes" / vote
    run("vote", "spec.yaml", *VOTES[vote])
    assert (written / "submission.csv").read_bytes() == (earlier / "submission.csv").read_bytes()
    now, then = (json.loads((at / "vote.json").read_text()) for at in (written, earlier))
    if vote == "weighted":
        # the temperature made held-out rows worse: it is dropped now, which moves no decision
        assert (now["choice"], now["temperature"]) == (then["choice"], 1.0)
        assert now["members"] == pytest.approx(then["members"])
        return
    pd.testing.assert_frame_equal(
        pd.read_parquet(written / "probabilities.parquet"),
        pd.read_parquet(earlier / "probabilities.parquet"),
    )
    for changing in ("seconds", "notes"):
        del then[changing]
    assert_holds(now, then)


def assert_holds(now, then) -> None:
    """Everything that stands in `then` stands in `now`; a later version may say more."""
    if isinstance(then, dict):
        assert set(then) <= set(now)
        for key, value in then.items():
            if key != "standard_error":  # errors of rare classes and of refitting are counted since
                assert_holds(now[key], value)
    elif isinstance(then, list):
        assert len(now) == len(then)
        for one, other in zip(now, then, strict=True):
            assert_holds(one, other)
    elif isinstance(then, float):
        # weights are certified to 1e-8 in log-loss, and what is lost without a member no closer
        assert now == pytest.approx(then, rel=1e-6, abs=1e-8)
    else:
        assert now == then


def test_an_interrupted_unit_goes_on_where_it_stopped(run, folder):
    unit = next((folder / "runs/earlier/units/interrupted").glob("*/fold-0"))
    epochs = pd.read_csv(unit / "history.csv")
    run("train-members", "with_interrupted.yaml", "--only", "interrupted")
    record = json.loads((unit / "unit.json").read_text())
    assert record["resumed_after_epoch"] == len(epochs) > 0
    np.testing.assert_allclose(
        [row["train_loss"] for row in record["history"][: len(epochs)]], epochs["train_loss"]
    )


def test_new_photographs_are_predicted_from_its_weights(run, folder):
    history = contents(folder / "runs/earlier/units/plain")
    new = pd.read_csv(folder / "new.csv").iloc[:5]
    new.to_csv(folder / "fewer.csv", index=False)
    run("train-members", "spec.yaml", "--set", "data.test=fewer.csv")
    before = pd.read_parquet(FIXTURE / "runs/earlier/tables/plain/test.parquet")
    after = pd.read_parquet(folder / "runs/earlier/tables/plain/test.parquet")
    pd.testing.assert_frame_equal(after, before.iloc[:5], atol=1e-5)
    for name, content in contents(folder / "runs/earlier/units/plain").items():
        if name.endswith(("history.csv", "model.safetensors", "oof.parquet")):
            assert content == history[name]
