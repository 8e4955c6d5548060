"""`scope: ensemble`: members compete, a hopeless one is left out, and every command says so."""

from __future__ import annotations

import csv
import json

import pandas as pd
import pytest

from members.samples.people import draw_people
from orchestrator.spec.search import STOPPED
from tests.orchestrator.one_slot import commands

pytestmark = pytest.mark.slow

SPEC = """\
name: rivals
data: {train: photos/train, test: photos/eval}
folds: {k: 2}
defaults: {image_size: [32, 32], epochs: 4, batch_size: 16, lr: 5e-3}
members:
  - {name: good, model: test_efficientnet}
  - {name: hopeless, model: test_resnet, optimizer: sgd, lr: 1e-30}
  - {name: unsearched, model: test_resnet, epochs: 1}
search:
  members: [good, hopeless]
  scope: ensemble
  space: {loss: {choice: [f1, cross_entropy]}}
  candidates: 5
  sampler: random
  metric: accuracy
  asha: {grace_epochs: 3, reduction_factor: 2}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rivals")
    draw_people(folder / "photos", profiles=24, eval=14, size=(64, 48))
    (folder / "spec.yaml").write_text(SPEC)
    return folder


@pytest.fixture(scope="module")
def command(place):
    with commands(place) as command:
        yield command


@pytest.fixture(scope="module")
def trained(command) -> str:
    return command("train-members", "spec.yaml")


def rows(place, name: str) -> list[dict]:
    return list(csv.DictReader((place / f"runs/rivals/search/{name}.csv").open()))


def test_candidates_of_both_stand_in_one_bracket_and_the_hopeless_stop(trained, place):
    states = {name: [row["state"] for row in rows(place, name)] for name in ("good", "hopeless")}
    assert states["hopeless"] == ["stopped", "stopped"]  # two losses, so two candidates
    assert "done" in states["good"]
    best = max(float(row["accuracy"]) for row in rows(place, "good"))
    for row in rows(place, "hopeless"):
        assert row["epochs"] == "3"
        assert "rung 3" in row["reason"]
        assert max(json.loads(row["curve"])) == float(row["accuracy"]) < best


def test_a_curve_is_the_metric_of_each_epoch(trained, place):
    for row in rows(place, "good"):
        unit = place / f"runs/rivals/units/good/{row['hash']}/fold-0"
        history = pd.read_csv(unit / "history.csv")["accuracy"]
        assert json.loads(row["curve"]) == pytest.approx(history.tolist()[: int(row["epochs"])])


def test_who_is_left_out_has_no_units_and_no_tables_and_that_is_no_failure(trained, place):
    run = place / "runs/rivals"
    assert f"hopeless is left out of the vote: {STOPPED}" in trained
    assert sorted(f.name for f in (run / "tables").iterdir()) == ["good", "unsearched"]
    assert list(run.glob("units/hopeless/*/*/unit.json")) == []
    assert len(list(run.glob("units/good/*/fold-1/unit.json"))) == 1


def test_members_take_turns(trained, command):
    """So that the last one's candidates have somebody to be compared with, and the first one's too."""
    candidates = [candidate for candidate in command.begun if candidate]
    assert candidates[:4] == [("good", 0), ("hopeless", 0), ("good", 1), ("hopeless", 1)]


def test_a_second_call_trains_nothing_and_says_it_again(trained, command, place):
    before = {f: f.stat().st_mtime_ns for f in (place / "runs/rivals").rglob("*.parquet")}
    printed = command("train-members", "spec.yaml")
    assert "Nothing to do" in printed
    assert f"hopeless is left out of the vote: {STOPPED}" in printed
    after = {f: f.stat().st_mtime_ns for f in (place / "runs/rivals").rglob("*.parquet")}
    tables = {f for f in before if "images" not in f.name and "test.parquet" not in f.name}
    assert {f: after[f] for f in tables} == {f: before[f] for f in tables}


def test_check_says_what_is_searched_and_who_is_left_out(trained, command):
    printed = command("check", "spec.yaml", "--set", "search.hours=12")
    assert (
        "search (random) over loss: at most 5 candidates of each of good, hopeless, "
        "none begun after 12 hours; members compete"
    ) in printed
    assert f"hopeless is left out: {STOPPED}" in printed
    assert "Everything is trained." in printed


def test_the_vote_and_the_leaderboard_say_it(trained, command, place):
    printed = command("vote", "spec.yaml", "--mode", "soft", "--json", "vote.json")
    assert f"note: {STOPPED}, so left out: hopeless." in printed
    assert "not trained to their end" not in printed
    assert set(json.loads((place / "vote.json").read_text())["members"]) == {"good", "unsearched"}
    printed = command("leaderboard", "--json", "board.json")
    (line,) = [line for line in printed.splitlines() if "hopeless" in line]
    assert line.startswith("member hopeless")
    assert STOPPED in line
    notes = {row["name"]: row["note"] for row in json.loads((place / "board.json").read_text())}
    assert notes == {"good": None, "unsearched": None, "hopeless": STOPPED, "soft": None}


def test_alone_the_same_member_is_trained_and_votes(trained, command, place):
    """After the others: it makes the run another one."""
    alone = ["--set", "search.scope=member", "--set", "search.candidates=1"]
    printed = command("train-members", "spec.yaml", *alone)
    assert "left out" not in printed
    assert (place / "runs/rivals/tables/hopeless/oof.parquet").exists()
    # and competing again, it leaves with its tables
    printed = command("train-members", "spec.yaml")
    assert f"hopeless is left out of the vote: {STOPPED}" in printed
    assert not (place / "runs/rivals/tables/hopeless").exists()
