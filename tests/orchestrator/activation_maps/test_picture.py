"""The command: which photographs, the file, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from members.activation_maps import maps
from orchestrator.activation_maps.overlay import overlay, peak
from orchestrator.report.thumbnails import SIDE as THUMBNAIL
from tests.orchestrator.report.conftest import Page

pytest.importorskip("torchcam", reason="torchcam is not installed")


@pytest.fixture
def ask(looked_at, command, tmp_path):
    def ask(*arguments):
        options = ("--run", looked_at, "--json", tmp_path / "why.json")
        code, out, err = command("vote", *options, *arguments)
        found = json.loads((tmp_path / "why.json").read_text()) if code == 0 else None
        return code, out + err, found

    return ask


def test_a_photograph_is_shown_with_its_members_side_by_side(ask, tmp_path):
    code, text, found = ask("--why", "test-1", "--picture", tmp_path / "one.png")
    assert code == 0, text
    assert f"picture: {tmp_path / 'one.png'}" in text
    assert "no map of three" in text
    assert found["image_id"] == "test-1"
    assert list(found["maps"]["voters"]) == ["one", "two", "joined"]
    networks = found["maps"]["networks"]["two"]
    assert len(networks) == 3  # of a photograph to predict, all folds'
    for own in networks:
        assert (own["layer"], own["stride"]) in {
            ("layer1", 4), ("layer2", 8), ("layer3", 16), (None, None),
        }  # fmt: skip
        assert (own["layer"] is None) == (own["rule"] == "covering")
        assert 0 <= own["with_peak_covered"] != own["probability"] <= 1
    assert {own["class"] for own in found["maps"]["voters"].values()} == {found["decision"]}
    with Image.open(tmp_path / "one.png") as picture:
        assert picture.format == "PNG"
        width, height = picture.size
        assert width > 5 * 168  # the photograph, the vote and three members
        assert 224 < height < 500
        colours = np.asarray(picture)[30:250]
    assert (np.ptp(colours.astype(int), axis=2) > 60).any()


def test_several_photographs_and_the_worst_are_rows(ask, looked_at, tmp_path):
    code, text, found = ask("--why", "worst:2", "test-1", "--picture", tmp_path / "many.jpg")
    assert code == 0, text
    assert [own["image_id"].partition("-")[0] for own in found] == ["photo", "photo", "test"]
    assert [own["maps"]["held_out"] for own in found] == [True, True, False]
    assert len(found[0]["maps"]["networks"]["one"]) == 1
    with Image.open(tmp_path / "many.jpg") as picture:
        assert picture.format == "JPEG"
        assert picture.height > 3 * 224


def test_the_worst_are_those_with_the_greatest_mean_log_loss(ask, looked_at):
    import ensembles

    names = ["one", "two", "three", "joined"]
    tables = ensembles.read_members(str(looked_at / "tables"), "oof", names)
    first = tables["one"]
    rows = np.arange(len(first.ids))
    losses = [-np.log(t.probabilities[rows, first.label].astype(float)) for t in tables.values()]
    order = first.ids[np.argsort(-np.mean(losses, axis=0), kind="stable")].tolist()
    assert [own["image_id"] for own in ask("--why", "worst")[2]] == order[:6]
    assert [own["image_id"] for own in ask("--why", "worst:3")[2]] == order[:3]


def test_an_id_that_is_called_worst_is_that_photograph(command, tmp_path):
    import ensembles

    rng = np.random.default_rng(0)
    for kind in ("oof", "test"):
        p = rng.dirichlet(np.ones(2), 8).astype(np.float32)
        ids = np.array(
            [f"{kind}{i}" for i in range(7)] + ["worst" if kind == "test" else "x"], object
        )
        label, fold = np.arange(8).astype(np.int16) % 2, np.arange(8).astype(np.int16) % 4
        oof = kind == "oof"
        table = ensembles.Table(ids, p, fold if oof else None, label if oof else None, {})
        for name in "ab":
            ensembles.write_table(tmp_path / f"tables/{name}/{kind}.parquet", table)
    options = (
        "vote",
        "--tables",
        tmp_path / "tables",
        "--mode",
        "soft",
        "--json",
        tmp_path / "j.json",
    )
    code, _, err = command(*options, "--why", "worst")
    assert code == 0, err
    assert json.loads((tmp_path / "j.json").read_text())["image_id"] == "worst"
    code, _, err = command(*options, "--why", "worst:1")
    assert len(json.loads((tmp_path / "j.json").read_text())) == 1


def test_the_class_may_be_named_or_each_members_own(ask, tmp_path):
    code, text, found = ask(
        "--why", "test-1", "--picture", tmp_path / "a.png", "--of-class", "normal/male/<30"
    )
    assert code == 0, text
    assert {own["class"] for own in found["maps"]["voters"].values()} == {"normal/male/<30"}
    _, _, found = ask("--why", "test-1", "--picture", tmp_path / "a.png", "--of-class", "member")
    for name, own in found["maps"]["voters"].items():
        best = int(np.argmax(found["members"][name]["probabilities"]))
        assert own["class"] == found["classes"][best]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--picture", "a.png"], "--picture beside no --why"),
        (["--why", "test-1", "--of-class", "normal/male/<30"], "--of-class beside no --picture"),
        (["--why", "test-1", "--picture", "a.gif"], "a picture ends in .png, .jpg, .jpeg, got '.gif'"),
        (["--why", "test-1", "--picture", "a"], "got 'no ending'"),
        (["--why", "test-l", "--picture", "a.png"], "no photograph of that id was voted on. Did you mean"),
        (["--why", "worst:0", "--picture", "a.png"], "give how many, 1 or more"),
        (["--why", "nobody", "worst:0"], "--why 'nobody': no photograph of that id"),
        (["--why", "nobody", "worst:0"], "--why worst:0: give how many, 1 or more"),
        (
            ["--why", "test-1", "--picture", "a.png", "--of-class", "norml/male/<30"],
            "no class of this run. Did you mean normal/male/<30?",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_before_anything_is_written(
    ask, tmp_path, arguments, expected
):
    code, text, _ = ask(*arguments)
    assert code == 2
    assert expected in " ".join(text.split())
    assert not list(tmp_path.glob("a*"))


def test_tables_alone_have_no_networks(command, looked_at):
    code, _, err = command(
        "vote", "--tables", looked_at / "tables", "--why", "test-1", "--picture", "a.png"
    )
    assert code == 2
    assert "--picture beside --tables" in err


def test_without_torchcam_the_command_says_how_to_install_it(ask, tmp_path, monkeypatch):
    monkeypatch.setattr(maps, "PACKAGE", "no_such_package")
    code, text, _ = ask("--why", "test-1", "--picture", tmp_path / "one.png")
    assert code == 2
    assert "pip install 'ensemble-of-image-classifiers[why]'" in text
    assert not (tmp_path / "one.png").exists()


def test_the_report_shows_them_when_asked(looked_at, command, tmp_path):
    code, _, err = command("report", looked_at, "--maps", "--out", tmp_path / "r.html")
    assert code == 0, err
    page = Page((tmp_path / "r.html").read_text())
    shown = [own for name, own in page.tags if name == "img" and " looks" in (own.get("alt") or "")]
    assert len(shown) == 18 * 4  # their mean and three members, of the 18 hardest
    assert all(own["src"].startswith("data:image/jpeg") for own in shown)
    assert all(0 < int(own["width"]) <= THUMBNAIL and own["height"] for own in shown)
    assert "No maps of three" in page.texts["hardest"]
    command("report", looked_at, "--out", tmp_path / "without.html")
    assert "their mean looks" not in (tmp_path / "without.html").read_text()


def test_the_colour_is_where_the_map_is():
    pixels = np.full((20, 30, 3), 200, np.uint8)
    cells = np.zeros((20, 30), np.float32)
    cells[5, 25] = 0.5
    shown = overlay(pixels, cells).astype(int)
    colourful = np.ptp(shown, axis=2) > 10
    assert colourful[5, 25]
    assert colourful.sum() == 1
    assert peak(cells) == (5.5 / 20, 25.5 / 30)
    assert peak(np.zeros((4, 4))) is None
