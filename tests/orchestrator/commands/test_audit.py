"""The command `audit` on a made-up run of photographs, one of whose labels is wrong."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

import ensembles
from members.data.codec import Codec
from orchestrator.cli.app import commands

SPEC = """\
name: pets
data: {layout: folders, train: pets}
folds: {k: 2}
members:
  - {name: one, model: test_resnet}
  - {name: two, model: test_resnet}
"""
NAMES = ("<cat>", "dog", "owl")
WRONG = 4  # row


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A project with the photographs, and a run of them whose members know the truth."""
    rng = np.random.default_rng(0)
    truth = np.arange(12) % 3
    labels = truth.copy()
    labels[WRONG] = (truth[WRONG] + 1) % 3
    paths = []
    for number, label in enumerate(labels):
        place = tmp_path / f"pets/{NAMES[label]}/{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        # row 11 is a copy of row 5, under the same label; row 4 of 7, which has the right one
        seed = {11: 5, WRONG: 7}.get(number, number)
        pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
        Image.fromarray(pixels).resize((160, 120), Image.Resampling.BICUBIC).save(place)
        paths.append(str(place))
    ids = np.array([f"{NAMES[label]}/{n}.png" for n, label in enumerate(labels)], object)
    run = tmp_path / "runs/pets"
    for member in ("one", "two"):
        said = rng.dirichlet(np.ones(3), 12) + 3 * np.eye(3)[truth]
        said[WRONG] = [0.02, 3.96, 0.02]
        table = ensembles.Table(
            ids, (said / 4).astype(np.float32), (np.arange(12) % 2).astype(np.int16),
            labels.astype(np.int16), {"classes": list(NAMES)},
        )  # fmt: skip
        ensembles.write_table(run / f"tables/{member}/oof.parquet", table)
        (run / f"tables/{member}/made_from.txt").write_text("0123456789abcdef none None")
    frame = pd.DataFrame(
        {"image_id": ids, "path": paths, "group": ids, "fold": np.arange(12) % 2, "label": labels}
    )
    frame.to_parquet(run / "images.parquet")
    (run / "targets.json").write_text(Codec({"label": NAMES}).to_json())
    (run / "spec.yaml").write_text(SPEC)
    (tmp_path / "spec.yaml").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENSEMBLE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def asked(*arguments: str) -> str:
    found = CliRunner().invoke(commands(), ["audit", *arguments])
    assert found.exit_code == 0, found.output + repr(found.exception)
    return found.output


def test_the_wrong_label_comes_first_and_is_proposed(folder):
    printed = asked("spec.yaml", "--json", "a.json")
    with (folder / "runs/pets/audit/suspects.csv").open(newline="") as stream:
        ranked = list(csv.DictReader(stream))
    assert len(ranked) == 12
    first = ranked[0]
    assert (first["image_id"], first["label"], first["suggested"]) == ("owl/4.png", "owl", "dog")
    assert (first["members_for_it"], first["proposed"]) == ("2", "yes")
    assert [own["proposed"] for own in ranked].count("yes") == 1
    found = json.loads((folder / "a.json").read_text())
    assert (found["photographs"], found["proposed"], found["corrections"]) == (12, 1, 1)
    (copy,) = found["copies"]
    assert copy["photographs"] == [["owl/4.png", "owl"], ["dog/7.png", "dog"]]
    assert "1 correction proposed" in printed
    assert "look-alikes under two labels: 1" in printed


def test_its_corrections_are_taken_by_the_spec_as_they_are(folder):
    asked("spec.yaml")
    file = folder / "runs/pets/audit/corrections.csv"
    assert file.read_text() == "image_id,label,was\nowl/4.png,dog,owl\n"
    (folder / "again.yaml").write_text(
        SPEC.replace("train: pets", f"train: pets, corrections: {file}")
    )
    checked = CliRunner().invoke(commands(), ["check", "again.yaml"])
    assert checked.exit_code == 0, checked.output
    assert "1 photos have other labels than the data say" in checked.output


def test_the_sheets_show_the_photographs_and_load_nothing(folder):
    asked("spec.yaml", "--top", "5", "--out", "sheets")
    page = (folder / "sheets/sheet.html").read_text()
    assert page.count("<img ") == 5
    assert "http" not in page
    assert "&lt;cat&gt;" in page
    assert "<cat>" not in page
    assert Image.open(folder / "sheets/sheet.png").width > 500
    assert not (folder / "runs/pets/audit").exists()


def test_photographs_that_are_gone_cost_the_sheets_only(folder):
    for place in (folder / "pets").rglob("*.png"):
        place.unlink()
    printed = asked("--run", "runs/pets")
    assert "12 of 12 photographs are not where the run found them" in printed
    assert sorted(own.name for own in (folder / "runs/pets/audit").iterdir()) == [
        "corrections.csv",
        "suspects.csv",
    ]


def test_a_run_is_named_by_its_folder_or_its_spec(folder):
    records = []
    for given in (["spec.yaml"], ["runs/pets"], ["--run", "runs/pets"]):
        asked(*given, "--json", "found.json")
        records.append((folder / "found.json").read_text())
    assert len(set(records)) == 1
    twice = CliRunner().invoke(commands(), ["audit", "runs/pets", "--run", "runs/other"])
    assert "two run folders" in str(twice.exception)


def test_without_rows_held_out_there_is_nothing_to_ask(folder):
    for place in folder.glob("runs/pets/tables/*/oof.parquet"):
        place.rename(place.with_name("test.parquet"))
    found = CliRunner().invoke(commands(), ["audit", "spec.yaml"])
    assert "no member held photographs out" in str(found.exception)
