"""Drift, `--prior`, `--sets` and `--unknown` through the command line, and in a spec."""

from __future__ import annotations

import csv
import json
from typing import get_args

import numpy as np
import pytest

import ensembles
from ensembles import VoteRequest
from ensembles.files.digests import unsealed
from ensembles.voting import request
from orchestrator.cli import options
from orchestrator.errors import WrongRequest
from orchestrator.spec import load
from tests.ensembles.shift.rows_of import votes

CLASSES = ["cat", "dog", "emu"]
SPEC = """\
name: e
data: {layout: table, train: photos.csv}
members:
  - {name: one, model: test_resnet}
  - {name: two, model: test_resnet}
"""


@pytest.fixture
def members(tmp_path, monkeypatch):
    """Tables in `tables/` whose test part has other class shares, also as those of a run `runs/e`."""
    rng = np.random.default_rng(0)
    run = tmp_path / "runs/e"
    for kind, shares, n in (("oof", [0.4, 0.3, 0.3], 450), ("test", [0.05, 0.15, 0.8], 240)):
        drawn, labels = votes(rng, shares, n, 3, 2.0, members=2)
        for name, own in zip(("one", "two"), drawn, strict=True):
            oof = kind == "oof"
            table = ensembles.Table(
                np.array([f"{kind}{i}" for i in range(n)], object),
                own,
                (np.arange(n) // 3 % 3).astype(np.int16) if oof else None,
                labels.astype(np.int16) if oof else None,
                {"classes": CLASSES, "milliseconds_per_photo": 1.0},
                np.array([f"g{i // 3}" for i in range(n)], object) if oof else None,
            )
            for folder in ("tables", "runs/e/tables"):
                ensembles.write_table(tmp_path / folder / name / f"{kind}.parquet", table)
    for name in ("one", "two"):
        (run / f"tables/{name}/made_from.txt").write_text("0123456789abcdef none None")
    (run / "spec.yaml").write_text(SPEC + "vote: {mode: soft, prior: test, sets: 0.8}\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def record(folder) -> dict:
    return unsealed(json.loads((folder / "vote.json").read_text()))


def column(path, name) -> list[str]:
    with path.open() as file:
        return [row[name] for row in csv.DictReader(file)]


def test_the_choices_of_the_command_line_are_the_requests():
    assert get_args(options.Prior) == get_args(request.Prior)


def test_drift_is_a_note_and_prior_is_offered_never_taken(command, members):
    code, out, err = command("vote", "--tables", "tables", "--mode", "soft", "--out", "o")
    assert code == 0, err
    said = " ".join(out.split())
    assert (
        "note: drift: the test rows look unlike the OOF rows, beyond chance: class shares" in said
    )
    assert "vote --prior test corrects the answers for them" in said
    found = record(members / "o")
    assert found["drift"]["said"]
    assert "prior" not in found


@pytest.mark.parametrize("in_ranges", [False, True])
def test_all_at_once_in_memory_and_in_ranges(command, members, monkeypatch, in_ranges):
    monkeypatch.setattr("ensembles.large.footers.too_large", lambda *_: in_ranges)
    arguments = ["--tables", "tables", "--mode", "soft", "--prior", "test", "--sets", "0.9",
                 "--unknown", "0.6", "--answers", "names", "--out", "o", "--json", "o.json"]  # fmt: skip
    code, out, err = command("vote", *arguments)
    assert code == 0, err
    said = " ".join(out.split())
    assert ("in ranges of rows" in said) == in_ranges
    found = json.loads((members / "o.json").read_text())
    assert found == record(members / "o")
    assert f"{found['prior']['changed']} of 240 decisions changed" in said
    assert f"hold the true class in {found['sets']['coverage']:.1%}" in said
    assert f"unknown below 0.6: {found['unknown']['test']['rows']} of 240 test rows" in said
    assert set(column(members / "o/submission.csv", "ans")) <= {*CLASSES}
    answers = column(members / "o/unknown.csv", "ans")
    assert answers.count("unknown") == found["unknown"]["test"]["rows"] > 0
    sizes = list(map(int, column(members / "o/sets.csv", "size")))
    assert np.mean(sizes) == pytest.approx(found["sets"]["test_mean_size"])
    first = [own.split("|")[0] for own in column(members / "o/sets.csv", "classes")]
    assert first == column(members / "o/submission.csv", "ans")


def test_a_specs_block_takes_them_and_the_command_line_goes_first(command, members):
    code, _, err = command("vote", "--run", "runs/e", "--sets", "0.95", "--unknown", "0.5")
    assert code == 0, err
    found = record(members / "runs/e/votes/soft")
    assert found["prior"]["of"] == 240
    assert found["sets"]["level"] == 0.95
    assert found["unknown"]["below"] == 0.5
    assert sorted(found["files"]) == [
        "confidence.csv", "held_out.parquet", "probabilities.parquet", "sets.csv", "submission.csv",
        "unknown.csv",
    ]  # fmt: skip


@pytest.mark.parametrize("given", [{"prior": "test", "sets": 0.9, "unknown": 0.5}])
def test_a_spec_reads_back(tmp_path, given):
    (tmp_path / "spec.yaml").write_text(SPEC + f"vote: {json.dumps(given)}\n")
    loaded = load(tmp_path / "spec.yaml")
    assert loaded.vote == VoteRequest(**given)
    (tmp_path / "resolved.yaml").write_text(loaded.to_yaml())
    assert load(tmp_path / "resolved.yaml") == loaded


@pytest.mark.parametrize(
    ("vote", "text"),
    [
        ("{prior: oof}", "line 6: vote.prior"),
        ("{mode: hard, prior: test}", "vote.prior: a hard vote counts votes"),
        ("{sets: 90}", "vote.sets: 90.0, but must be above 0 and below 1"),
        ("{unknown: 0}", "vote.unknown: 0.0, but must be above 0 and below 1"),
    ],
)
def test_mistakes_of_the_block_have_their_line(tmp_path, vote, text):
    (tmp_path / "spec.yaml").write_text(SPEC + f"vote: {vote}\n")
    with pytest.raises(WrongRequest) as error:
        load(tmp_path / "spec.yaml")
    (problem,) = error.value.problems
    assert text in problem


def test_why_shows_the_corrected_decision(command, members):
    code, out, err = command("vote", "--run", "runs/e", "--why", "test7", "--json", "why.json")
    assert code == 0, err
    assert "for the class shares (--prior test)" in out
    why = json.loads((members / "why.json").read_text())
    assert command("vote", "--run", "runs/e", "--out", "o")[0] == 0
    table = ensembles.read_table(members / "o/probabilities.parquet")
    row = table.probabilities[table.ids.tolist().index("test7")]
    assert why["corrected"] == pytest.approx(row.tolist(), abs=1e-6)
    assert why["corrected"] != pytest.approx(why["final"], abs=1e-3)
    code, out, _ = command("vote", "--run", "runs/e", "--why", "oof7", "--json", "why.json")
    assert code == 0
    assert "corrected" not in json.loads((members / "why.json").read_text())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tables", "tables", "--mode", "hard", "--prior", "test"], "prior: a hard vote counts"),
        (["--tables", "tables", "--sets", "1.5"], "sets: 1.5, but must be above 0 and below 1"),
        (["--tables", "tables", "--sets", "0.999"], "more OOF rows than the 150 groups"),
        (["--tables", "tables", "--unknown", "0.2"], "never has less than 0.333"),
        (["--tables", "tables", "--why", "test1", "--sets", "0.9"], "--sets beside --why"),
        (["--tables", "tables", "--pareto", "--prior", "test"], "--prior beside --pareto"),
        (["--tables", "tables", "--set", "0.9"], "KEY=VALUE"),
        (["--submissions", "a.csv", "--unknown", "0.5"], "--unknown beside --submissions"),
    ],
)
def test_what_would_do_nothing_is_refused(command, members, arguments, said):
    (members / "a.csv").write_text("ImageID,ans\nx,1\ny,2\n")
    code, _, err = command("vote", *arguments)
    assert code == 2
    assert said in " ".join(err.split())
    assert not list(members.rglob("vote.json"))


def test_without_test_tables_prior_is_refused_and_sets_are_only_judged(command, members):
    for name in ("one", "two"):
        (members / f"tables/{name}/test.parquet").unlink()
    code, _, err = command("vote", "--tables", "tables", "--prior", "test", "--out", "o")
    assert code == 2
    assert "prior: there are no test tables whose class shares it could correct" in err
    code, out, _ = command("vote", "--tables", "tables", "--mode", "soft", "--sets", "0.9",
                           "--out", "o")  # fmt: skip
    assert code == 0
    assert "classes on OOF rows on average" in " ".join(out.split())
    assert not (members / "o/sets.csv").exists()
