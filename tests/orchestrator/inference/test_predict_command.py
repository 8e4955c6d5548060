"""The command `predict`: what it writes, what it refuses, and that the run stays as it is."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import ensembles
from members.errors import BadInput
from orchestrator import Ensemble
from tests.orchestrator.inference.trained import VOTES


@pytest.fixture
def run(used, tmp_path) -> Path:
    """A copy of the run alone: neither the photographs nor the spec that it was trained on."""
    return Path(shutil.copytree(used / "runs/used", tmp_path / "run"))


@pytest.fixture
def new(used, tmp_path) -> Path:
    """Three photographs, one that is cut short, and a text."""
    folder = tmp_path / "new"
    folder.mkdir()
    for path in sorted((used / "photos/eval/images").glob("*.jpg"))[:3]:
        shutil.copy(path, folder)
    (folder / "broken.jpg").write_bytes(next(folder.glob("*.jpg")).read_bytes()[:700])
    return folder


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    stats = {str(path): path.stat() for path in folder.rglob("*")}
    return {name: (own.st_size, own.st_mtime_ns) for name, own in stats.items()}


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_a_table_and_a_csv_with_a_row_a_photo(command, run, new, tmp_path):
    before = contents(run)
    code, out, _ = command("predict", "--run", run, new, "--out", "answers.csv")
    assert code == 0
    assert "3 photos answered by the weighted vote of used" in out
    assert "1 photo could not be read (broken.jpg): the CSV says why." in out
    assert contents(run) == before

    table = ensembles.read_table("answers.parquet")
    ensemble = Ensemble.load(run)
    good = [path for path in sorted(new.iterdir()) if path.name != "broken.jpg"]
    assert list(table.ids) == [path.name for path in good]
    np.testing.assert_allclose(table.probabilities, ensemble.predict_proba(good), atol=1e-6)
    assert table.meta["classes"] == list(ensemble.classes_)
    assert table.meta["problems"]["broken.jpg"].startswith("is cut short")

    listed = {row["image_id"]: row for row in rows(tmp_path / "answers.csv")}
    assert list(listed) == [path.name for path in sorted(new.iterdir())]
    broken = listed.pop("broken.jpg")
    assert broken["problem"].startswith("is cut short")
    assert {value for name, value in broken.items() if name not in ("image_id", "problem")} == {""}
    for row, probabilities in zip(listed.values(), table.probabilities, strict=True):
        assert row["answer"] == ensemble.classes_[probabilities.argmax()]
        assert float(row["confidence"]) == pytest.approx(probabilities.max(), abs=1e-6)
        written = [float(row[name]) for name in ensemble.classes_]
        np.testing.assert_allclose(written, probabilities, atol=1e-6)


def test_each_members_table_can_be_voted_on(command, run, new):
    code, _, _ = command("predict", "--run", run, new, "--members", "--vote", "hard")
    assert code == 0
    folder = Path("predictions-members")
    assert {path.name for path in folder.iterdir()} == {
        path.name for path in (run / "tables").iterdir()
    }
    whole = ["seeds", "best", "common", "views", "cut", "joined", "second"]
    tables = ensembles.read_members(folder, "test", whole)
    vote = ensembles.cast({}, tables, ensembles.VoteRequest(mode="hard"))
    answers = ensembles.read_table("predictions.parquet").probabilities
    np.testing.assert_allclose(vote.probabilities, answers, atol=1e-6)


def test_strict_ends_with_1_where_a_photo_cannot_be_read(command, run, new):
    code, _, err = command("predict", "--run", run, new, "--strict")
    assert code == 1
    assert "1 of 4 photos could not be read, broken.jpg for example: is cut short" in err
    assert len(rows(Path("predictions.csv"))) == 4

    code, _, err = command("predict", "--run", run, new / "broken.jpg", "--overwrite", "--members")
    assert code == 1
    assert "1 of 1 photo could not be read" in err
    assert not Path("predictions.parquet").exists()
    assert len(rows(Path("predictions.csv"))) == 1


def test_figures_for_programs(command, run, new):
    code, out, _ = command("predict", "--run", run, new, "--json", "-")
    found = json.loads(out)
    assert code == 0
    assert (found["photos"], found["answered"], list(found["problems"])) == (4, 3, ["broken.jpg"])
    assert found["files"] == ["predictions.parquet", "predictions.csv"]
    assert found["vote"] == "weighted"


def test_answers_that_are_there_are_kept(command, run, new):
    Path("predictions.csv").write_text("mine")
    code, _, err = command("predict", "--run", run, new)
    assert code == 2
    assert "predictions.csv: there already. Give another --out FILE, or --overwrite." in err
    assert Path("predictions.csv").read_text() == "mine"
    assert command("predict", "--run", run, new, "--overwrite")[0] == 0


def damaged(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def no_votes(run: Path) -> None:
    shutil.rmtree(run / "votes")


def other_tables(run: Path) -> None:
    shutil.copy(run / "tables/seeds/oof.parquet", run / "tables/best/oof.parquet")
    (run / "tables/best/SHA256SUMS").unlink()


def no_weights(run: Path) -> None:
    for file in (run / "units/best").rglob("model.safetensors"):
        file.unlink()


def damaged_weights(run: Path) -> None:
    damaged(next((run / "units/seeds").rglob("model.safetensors")))


def unknown_classes(run: Path) -> None:
    damaged(run / "targets.json")


def damaged_record(run: Path) -> None:
    damaged(next((run / "units/seeds").rglob("unit.json")))


def no_record_of_cutting(run: Path) -> None:
    (run / "reading.json").unlink()
    sums = run / "SHA256SUMS"
    sums.write_text("".join(x for x in sums.open() if "reading.json" not in x))


@pytest.mark.parametrize(
    ("mistake", "options", "texts"),
    [
        (no_votes, [], ["there is no vote in this run", "vote --run"]),
        (None, ["--vote", "sotf"], ["--vote sotf:", "It has hard, soft, weighted"]),
        (other_tables, [], ["a vote of other tables than the run has now", "Cast it again"]),
        (no_weights, [], ["model.safetensors: the weights of best are not there"]),
        (damaged_weights, [], ["seeds: ", "its sha256 is not the one that was recorded"]),
        (unknown_classes, [], ["targets.json: damaged"]),
        (damaged_record, [], ["unit.json: no record of this unit"]),
        (no_record_of_cutting, [], ["cut sees the copy 'black'", "does not say how it was made"]),
        (None, ["--device", "cude"], ["--device cude: cannot be used here"]),
        (None, ["--out", "answers.txt"], ["--out answers.txt:", ".parquet or .csv"]),
        (None, ["--out", "gone/answers.csv"], []),
    ],
)
def test_what_cannot_be_answered_is_refused_and_nothing_written(
    command, run, new, tmp_path, mistake, options, texts
):
    if mistake:
        mistake(run)
    code, _, err = command("predict", "--run", run, new, *options)
    if not texts:  # the folder is made
        assert code == 0
        return
    assert code == 2, err
    for text in texts:
        assert text in err
    assert {path.name for path in tmp_path.iterdir()} <= {"run", "new", "cache"}


def test_a_spec_may_stand_before_the_photos(command, used, new, tmp_path):
    shutil.copy(used / "spec.yaml", tmp_path)
    (tmp_path / "runs").symlink_to(used / "runs")
    code, out, _ = command("predict", "spec.yaml", new, "--vote", "soft", "--out", "a.parquet")
    assert (code, "soft vote of used" in out) == (0, True)
    code, _, err = command("predict", "spec.yaml")
    assert code == 2
    assert "no photos were given" in err


def test_a_run_that_is_none_is_refused(command, new, tmp_path):
    code, _, err = command("predict", "--run", tmp_path / "nowhere", new)
    assert code == 2
    assert "is no run folder" in err


def test_every_vote_can_be_given_by_its_folder_too(run):
    assert Ensemble.load(run, "votes/hard").trained.vote == "hard"
    for name in VOTES:
        if name != "soft":
            shutil.rmtree(run / "votes" / name)
    assert Ensemble.load(run).trained.vote == "soft"  # the only one that is left


def test_python_has_a_frame_with_a_row_a_photo(run, new):
    ensemble = Ensemble.load(run)
    paths = sorted(new.iterdir())
    frame = ensemble.predict(paths, members=True)
    assert list(frame["image_id"]) == [str(path) for path in paths]
    broken = frame["problem"].notna()
    assert list(frame["image_id"][broken]) == [str(new / "broken.jpg")]
    assert frame.loc[broken, "confidence"].isna().all()
    good = [path for path in paths if path.name != "broken.jpg"]
    proba = ensemble.predict_proba(good)
    np.testing.assert_allclose(frame.loc[~broken, list(ensemble.classes_)], proba, atol=1e-6)
    assert frame.loc[~broken, "ages/<30"].between(0, 1).all()
    with pytest.raises(BadInput, match=r"broken\.jpg: is cut short"):
        ensemble.predict_proba(paths)
    assert isinstance(frame, pd.DataFrame)


def test_one_photo_is_explained_as_why_explains_it(run, new, command):
    path = sorted(new.glob("*.jpg"))[0]
    found = Ensemble.load(run, "weighted").explain(path)
    code, out, _ = command(
        "vote", "--run", run, "--mode", "weighted", "--why", path.name, "--json", "-"
    )
    assert code == 0
    expected = json.loads(out)
    assert found["decision"] == expected["decision"]
    np.testing.assert_allclose(found["final"], expected["final"], atol=1e-5)
    for name, own in expected["members"].items():
        if own["weight"]:
            np.testing.assert_allclose(
                found["members"][name]["probabilities"], own["probabilities"], atol=1e-5
            )


def test_a_notebook_shows_what_it_is(run):
    ensemble = Ensemble.load(run)
    html = ensemble._repr_html_()
    assert "weighted vote, 18 classes" in html
    assert "6 x test_resnet" in html
    assert repr(ensemble).startswith("<Ensemble used: weighted vote of ")
