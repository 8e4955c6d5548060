import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from members.data.folds.assign import assign_folds, n_folds
from members.data.layouts import read_test, read_train
from members.errors import BadInput
from members.samples import elpv
from tests.members.data_fixtures import write_photo

ROOT = Path(__file__).parents[3]
RUNS = (("mono", 60), ("poly", 118), ("mono", 50), ("poly", 72))  # 1 + 2 + 1 + 1 modules
LEVELS = ("0.0", "0.3333333333333333", "0.6666666666666666", "1.0")


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A package of the data set's name and shape with 300 tiny photographs."""
    folder = tmp_path / "site"
    data = folder / "elpv_dataset" / "data"
    photo = write_photo(data / "images" / "cell0001.png").read_bytes()
    (folder / "elpv_dataset" / "__init__.py").write_text("")
    kinds = [kind for kind, count in RUNS for _ in range(count)]
    lines = []
    for number, kind in enumerate(kinds, start=1):
        name = f"images/cell{number:04}.png"
        (data / name).write_bytes(photo + b"\0" * number)
        lines.append(f"{name}  {LEVELS[number % 4]:18} {kind}")
    (data / "labels.csv").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(folder)
    return folder


def test_the_tables_read_as_photographs_with_four_levels(tmp_path, package):
    folder = tmp_path / "elpv"
    assert elpv.write_elpv(folder)
    data = read_train("table", folder / "photos.csv")
    assert data.notes == []
    assert set(data.codec.classes) == set(elpv.LEVELS.values())
    test = read_test("table", folder / "test.csv", data.codec).frame
    truth = pd.read_csv(folder / "truth.csv")
    assert len(data.frame) + len(test) == 300
    assert (test["label"] == -1).all()
    assert truth["ImageID"].tolist() == test["image_id"].tolist()

    whole = pd.concat(
        [data.frame, test.assign(label=[data.codec.classes.index(a) for a in truth["ans"]])]
    )
    for image_id, label in zip(whole["image_id"], whole["label"], strict=True):
        level = LEVELS[int(image_id[-8:-4]) % 4]
        assert data.codec.classes[label] == elpv.LEVELS[round(float(level), 2)]
        assert (folder / image_id).is_file()


def test_whole_modules_of_about_60_cells_are_held_back(tmp_path, package):
    folder = tmp_path / "elpv"
    elpv.write_elpv(folder)
    data = read_train("table", folder / "photos.csv")
    test = read_test("table", folder / "test.csv", data.codec).frame
    groups = pd.concat([data.frame, test])["group"].value_counts().to_dict()
    assert groups == {"mono-00": 60, "poly-01": 59, "poly-02": 59, "mono-03": 50, "poly-04": 72}
    assert not set(data.frame["group"]) & set(test["group"])
    assert len(test) in (50, 59, 60, 72)
    assert n_folds(assign_folds(data.frame, "kfold", k=3)) == 3


def test_the_command_reports_what_it_did_and_does_it_once(tmp_path, package):
    folder = tmp_path / "elpv"
    environment = {**os.environ, "PYTHONPATH": f"{package}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "members.samples.elpv", str(folder)]
    first = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert (first.returncode, first.stderr) == (0, "")
    assert "300 photographs" in first.stdout
    again = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert again.returncode == 0
    assert "there already" in again.stdout
    assert sorted(entry.name for entry in folder.iterdir()) == [
        "README.txt",
        "images",
        "photos.csv",
        "test.csv",
        "truth.csv",
    ]


def test_a_missing_package_is_reported_with_the_command_to_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(elpv, "PACKAGE", "no_such_package")
    assert elpv.main([str(tmp_path / "elpv")]) == 2
    assert "-m pip install elpv-dataset" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_files_is_left_alone(tmp_path, package):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(BadInput, match="left alone"):
        elpv.write_elpv(tmp_path / "mine")
    with pytest.raises(BadInput, match="is a file"):
        elpv.write_elpv(tmp_path / "mine" / "thesis.txt")
