"""The command line: `report`, and the page that `vote` and `train-members` write at their end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ensembles.files.digests import write_sums
from orchestrator.runs.store import Store
from tests.orchestrator.one_slot import commands
from tests.orchestrator.report.conftest import Page
from tests.orchestrator.report.made import Made, cast_into


def test_it_writes_the_page_and_says_where(command, copied):
    code, out, err = command("report", str(copied), "--json", "figures.json")
    assert code == 0, err
    place = copied / "report.html"
    assert str(place) in out
    found = json.loads(Path("figures.json").read_text())
    assert found["report"] == str(place)
    assert found["bytes"] == place.stat().st_size
    assert found["vote"] == "soft"


def test_elsewhere_with_out(command, copied, tmp_path):
    code, _, err = command("report", str(copied), "--out", str(tmp_path / "page.html"))
    assert code == 0, err
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    assert not (copied / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["/nowhere"], "/nowhere is no run folder"),
        ([], "nothing was trained here yet"),
        (["RUN", "--vote", "sofd"], "has no such vote; it has: soft. Did you mean"),
        (["RUN", "--truth", "nothing.csv"], "nothing.csv"),
        (["RUN", "--out", "/"], "--out /: a folder, where a file is expected"),
    ],
)
def test_what_is_wrong_is_said_with_code_2(command, copied, arguments, said):
    code, _, err = command("report", *(str(copied) if a == "RUN" else a for a in arguments))
    assert code == 2
    assert said in err
    assert "Traceback" not in err


def test_a_damaged_table_is_named_with_code_2(command, copied):
    write_sums(copied / "tables/one", {"oof.parquet": "0" * 64})
    code, _, err = command("report", str(copied))
    assert code == 2
    assert "tables/one/oof.parquet" in err


def test_a_vote_writes_it_and_says_where(command, copied):
    code, out, err = command("vote", "--run", str(copied), "--mode", "hard")
    assert code == 0, err
    assert f"report: {copied / 'report.html'}" in out
    text = (copied / "report.html").read_text()
    assert "Chosen is the vote hard" in text


def test_a_vote_elsewhere_leaves_the_page_alone(command, copied, tmp_path):
    code, out, err = command(
        "vote", "--run", str(copied), "--mode", "hard", "--out", str(tmp_path / "o")
    )
    assert code == 0, err
    assert "report:" not in out
    assert not (copied / "report.html").exists()


def test_a_page_that_cannot_be_written_ends_no_vote(command, copied):
    (copied / "report.html").mkdir()
    (copied / "report.html/x").write_text("")
    code, out, err = command("vote", "--run", str(copied), "--mode", "hard")
    assert code == 0, err
    assert "note: the report was not written" in out
    assert (copied / "votes/hard/vote.json").exists()


def test_of_a_run_in_an_object_store_it_is_written_there(command, bucket, tmp_path):
    run = Made(search=False, units=False, test=0).write(tmp_path / "e")
    cast_into(run)
    store = Store(f"{bucket}/e")
    for path in run.rglob("*"):
        if path.is_file() and "photos" not in path.parts:
            store.write(str(path.relative_to(run)), path.read_bytes())
    shutil.rmtree(run / "tables")
    code, out, err = command("report", f"{bucket}/e")
    assert code == 0, err
    assert f"{bucket}/e/report.html" in out
    assert b"data:image/jpeg" in store.read("report.html")  # photographs of this machine


TRAINED = """\
name: t
data: {train: photos/train, test: photos/eval}
folds: {k: 2}
defaults: {image_size: [32, 32], epochs: 1, batch_size: 32}
members:
  - {name: faces, model: test_resnet, targets: [mask, gender]}
  - {name: ages, model: test_resnet, targets: [age]}
join: {name: both, of: [faces, ages]}
"""


@pytest.mark.slow
def test_training_writes_it_and_says_where(eighteen_people, tmp_path):
    """Of members whose targets are joined: the join is compared, its parts have their curves."""
    (tmp_path / "photos").symlink_to(eighteen_people / "photos")
    (tmp_path / "spec.yaml").write_text(TRAINED)
    with commands(tmp_path) as command:
        said = command("train-members", "spec.yaml")
    place = tmp_path / "runs/t/report.html"
    assert f"report: {place}" in said
    page = Page(place.read_text())
    assert "faces: loss" in page.texts["curves"]
    assert "ages: loss" in page.texts["curves"]
    assert [row[0] for row in page.tables["Members and votes"]] == ["both"]
    assert "No vote was cast yet" in page.texts["choice"]
    assert sum(tag == "img" for tag, _ in page.tags) > 18
