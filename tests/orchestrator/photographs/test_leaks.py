"""`check` on photographs that stand where they make a score too good."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

SPEC = """\
name: small
data: {layout: table, train: photos.csv, test: new.csv}
folds: {k: 2}
defaults: {image_size: [32, 32], epochs: 1}
members: [{name: a, model: test_resnet}]
"""


def photo(seed: int) -> Image.Image:
    """Blurred noise of two sizes, 60 x 80."""
    rng = np.random.default_rng(seed)
    levels = np.zeros((60, 80, 3))
    for cells in (4, 12):
        coarse = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), np.uint8))
        levels += np.asarray(coarse.resize((80, 60), Image.Resampling.BICUBIC)) / 2
    return Image.fromarray(levels.astype(np.uint8))


@pytest.fixture
def folder(tmp_path):
    """24 photographs of 12 groups in three classes, g0 with 0 and 12 and so on; 6 to predict."""
    rows = []
    for i in range(24):
        photo(i).save(tmp_path / f"{i}.png")
        rows.append({"path": f"{i}.png", "label": "abc"[i % 3], "group": f"g{i % 12}"})
    for i in range(6):
        photo(100 + i).save(tmp_path / f"n{i}.png")
    pd.DataFrame(rows).to_csv(tmp_path / "photos.csv", index=False)
    pd.DataFrame({"path": [f"n{i}.png" for i in range(6)]}).to_csv(
        tmp_path / "new.csv", index=False
    )
    (tmp_path / "spec.yaml").write_text(SPEC)
    return tmp_path


@pytest.fixture
def check(command, folder):
    """Run `check`: (exit code, output, report, errors)."""

    def run(*more: str):
        code, out, err = command("check", "spec.yaml", "--json", "report.json", *more)
        written = folder / "report.json"
        report = json.loads(written.read_text()) if written.is_file() else {}
        return code, " ".join(out.split()), report, " ".join(err.split())

    return run


def test_without_leaks_it_says_what_was_compared(check):
    code, out, report, _ = check()
    assert code == 0
    assert "No leaks: no group in two folds, and none of 30 photographs" in out
    kinds = ["leaks", "look_alike", "leaks_into_test", "look_alike_in_test", "contradictions"]
    assert [report[kind] for kind in kinds] == [[]] * 5


def test_the_same_picture_under_two_labels_is_an_error_unless_allowed(check, folder, command):
    photo(4).save(folder / "5.png", compress_level=1)  # other bytes, equal pixels
    assert (folder / "5.png").read_bytes() != (folder / "4.png").read_bytes()
    code, _, _, err = check()
    assert code == 2
    assert "1 picture stands under several labels" in err
    assert "4.png is b and 5.png is c" in err
    assert "contradictions: allow" in err
    assert command("train-members", "spec.yaml")[0] == 2
    assert not (folder / "runs/small/units").exists()

    code, out, report, _ = check("--set", "data.contradictions=allow")
    assert code == 0
    assert "1 picture stands under several labels" in out
    assert report["contradictions"] == report["leaks"] == [["4.png", "5.png"]]


def test_the_same_picture_under_two_labels_of_one_group_is_an_error_too(check, folder):
    table = pd.read_csv(folder / "photos.csv")
    table.loc[16, "label"] = "a"
    table.to_csv(folder / "photos.csv", index=False)
    photo(4).save(folder / "16.png")
    code, _, _, err = check()
    assert code == 2
    assert "4.png is b and 16.png is a" in err


def test_an_unknown_value_of_contradictions_is_refused(check):
    code, _, _, err = check("--set", "data.contradictions=maybe")
    assert code == 2
    assert "contradictions" in err
    assert "allow" in err


def test_copies_across_groups_are_leaks_and_within_a_group_they_are_none(check, folder):
    ImageOps.mirror(photo(0)).save(folder / "12.png")  # both of g0
    code, out, report, _ = check()
    assert code == 0
    assert "No leaks" in out
    photo(1).resize((40, 30)).save(folder / "4.png")
    ImageOps.mirror(photo(2)).save(folder / "6.png")  # under another label
    code, out, report, _ = check()
    assert code == 0
    assert report["look_alike"] == [["1.png", "4.png"], ["2.png", "6.png"]]
    assert "leak: 2 pairs of photographs of different groups look the same" in out
    assert "(1 under different labels): 1.png = 4.png; 2.png = 6.png" in out
    assert "No leaks" not in out


def test_equal_pixels_in_another_group_are_a_leak_with_three_examples_and_a_count(check, folder):
    for i in range(4):
        photo(i).save(folder / f"{i + 15}.png", compress_level=1)
    code, out, report, _ = check()
    assert code == 0
    assert report["leaks"] == [[f"{i}.png", f"{i + 15}.png"] for i in range(4)]
    assert "leak: 4 pictures stand in several groups" in out
    assert "0.png = 15.png; 1.png = 16.png; 2.png = 17.png; and 1 more" in out


def test_pictures_both_to_train_on_and_to_predict_are_leaks(check, folder):
    photo(7).save(folder / "n2.png", compress_level=1)
    ImageOps.mirror(photo(9)).save(folder / "n4.png")
    photo(100).save(folder / "n5.png")  # twice among those to predict: nothing learns from it
    code, out, report, _ = check()
    assert code == 0
    assert report["leaks_into_test"] == [["n2.png", "7.png"]]
    assert report["look_alike_in_test"] == [["n4.png", "9.png"]]
    assert "1 picture stands both to predict and to train on: n2.png = 7.png" in out
    assert "n4.png = 9.png" in out


def test_photographs_of_one_colour_are_no_copies_of_one_another(check, folder):
    for i in (1, 2, 3):
        Image.new("RGB", (50, 50), (90 + i, 90, 90)).save(folder / f"{i}.png")
    code, out, report, _ = check()
    assert code == 0
    assert "No leaks" in out
    assert "3 photographs of nearly one colour were compared pixel by pixel only" in out
    assert report["of_one_colour"] == 3


def test_a_second_check_computes_no_fingerprint(check, folder, monkeypatch):
    photo(1).resize((40, 30)).save(folder / "4.png")
    _, first, _, _ = check()
    monkeypatch.setattr(
        "members.duplicates.fingerprint.fingerprint", lambda _: pytest.fail("computed again")
    )
    assert check()[1] == first
